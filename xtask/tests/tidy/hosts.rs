//! No machine of somebody else's is named: neither a package registry nor a routable address.

use std::net::Ipv4Addr;

use crate::assert_none;
use crate::tree::{FILES, File};

/// Written in halves, as this file is looked through too.
const REGISTRIES: [&str; 6] = [
    concat!("crates", ".io"),
    concat!("debian", ".org"),
    concat!("ubuntu", ".com"),
    concat!("py", "pi.org"),
    concat!("npmjs", ".org"),
    concat!("proxy.", "golang.org"),
];

fn complaints_about(file: &File) -> Vec<String> {
    let mut complaints = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        let at = format!("{}:{}", file.name, index + 1);
        let registries = REGISTRIES.iter().filter(|host| line.contains(*host));
        complaints
            .extend(registries.map(|host| format!("{at}: names {host}; the machine's own configuration knows it")));
        let addresses = addresses_in(line).filter(|address| is_somebody_elses(*address));
        complaints.extend(
            addresses
                .map(|address| format!("{at}: names {address}; there are 192.0.2.0/24 and 10.0.0.0/8 to show with")),
        );
    }
    complaints
}

/// Dotted quads that stand alone: no fifth part, as in a version or an object identifier.
fn addresses_in(line: &str) -> impl Iterator<Item = Ipv4Addr> {
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.'));
    words.filter_map(|word| word.trim_end_matches('.').parse().ok())
}

fn is_somebody_elses(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    let shared_or_benchmark =
        (first == 100 && (64..128).contains(&second)) || (first == 198 && (18..20).contains(&second));
    let reserved = address.is_unspecified() || address.is_multicast() || first == 0 || first >= 240;
    let own = address.is_loopback() || address.is_private() || address.is_link_local() || address.is_documentation();
    !(shared_or_benchmark || reserved || own)
}

#[test]
fn no_file_names_a_foreign_machine() {
    // The lock file says where packages came from: that is what it is for.
    let checked = FILES.iter().filter(|file| !file.name.ends_with("Cargo.lock"));
    assert_none("foreign machines", &checked.flat_map(complaints_about).collect::<Vec<_>>());
}

#[test]
fn planted_machines_are_complained_about() {
    let text = format!(
        "https://index.{}/\nping {}\n127.0.0.1 10.1.2.3:80 192.0.2.7. 1.2.3.4.5 v1.2.3\n",
        REGISTRIES[0],
        Ipv4Addr::from([8; 4])
    );
    let complaints = complaints_about(&File { name: "a".to_owned(), text });
    assert_eq!(complaints.len(), 2, "{complaints:?}");
    assert!(complaints[0].starts_with("a:1: ") && complaints[1].starts_with("a:2: "), "{complaints:?}");
}
