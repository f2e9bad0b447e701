//! Which crate may import which: section 2 of the design, as a table.

use serde_json::Value;

use crate::assert_none;
use crate::tree::{self, packages};

const BENCH: &[&str] =
    &["sd-core", "sd-lb", "sd-tonic", "sd-etcd", "sd-consul", "sd-zookeeper", "sd-registry", "sd-kit", "sd-testkit"];

const EXAMPLES: &[&str] =
    &["sd-core", "sd-lb", "sd-tonic", "sd-registry", "sd-kit", "sd-gateway", "sd-recommendations"];

/// A crate, the crates of ours it may depend on, and why no others.
const ARROWS: &[(&str, &[&str], &str)] = &[
    ("sd-core", &[], "it stands below all others"),
    ("sd-etcd", &["sd-core"], "a registry knows neither policies nor another registry"),
    ("sd-consul", &["sd-core"], "a registry knows neither policies nor another registry"),
    ("sd-zookeeper", &["sd-core"], "a registry knows neither policies nor another registry"),
    ("sd-registry", &["sd-core"], "it takes any backend as its store, and names none"),
    ("sd-lb", &["sd-core"], "policies do not know where instances come from"),
    ("sd-tonic", &["sd-core", "sd-lb"], "it joins policies to gRPC, whatever the registry"),
    ("sd-testkit", &["sd-core"], "anyone who writes a backend can use it"),
    (
        "sd-kit",
        &["sd-core", "sd-lb", "sd-etcd", "sd-consul", "sd-zookeeper", "sd-registry", "sd-tonic"],
        "it gathers backends and policies behind URLs, and knows no program above it",
    ),
    ("sd-gateway", &["sd-core", "sd-lb", "sd-kit"], "it reaches backends through sd-kit"),
    ("sd-cli", &["sd-core", "sd-lb", "sd-kit", "sd-registry", "sd-gateway"], "it reaches backends through sd-kit"),
    ("sd-recommendations", &["sd-core"], "it shows that a library can do without knowing any registry"),
    ("sd-article-001", EXAMPLES, "examples show what users use: not our tests, not our measurements"),
    ("sd-examples", EXAMPLES, "examples show what users use: not our tests, not our measurements"),
    ("sd-bench", BENCH, "it measures what users use, on the servers and through the proxy of the test kit"),
    ("xtask", &[], "it must build when nothing else does"),
];

/// What tests may use beside that.
const FOR_TESTS: &str = "sd-testkit";

const CORE_MAY_USE: &[&str] = &[
    "arc-swap",
    "async-trait",
    "futures-core",
    "hashbrown",
    "imbl",
    "rand",
    "serde",
    "serde_json",
    "thiserror",
    "tokio",
    "tracing",
    "url",
];

const LB_MUST_NOT_USE: &[&str] =
    &["rand", "rand_core", "fastrand", "oorandom", "nanorand", "getrandom", "tonic", "hyper", "http-body-util"];

/// Without these a plain `cargo test` needs no protoc and no registry's client.
const NOT_IN_DEFAULT_MEMBERS: &[&str] =
    &["etcd-client", "consulrs", "zookeeper-client", "openssl-sys", "native-tls", "protobuf-src"];

/// Names, and whether only tests are built with it; loom's models are tests too.
fn dependencies(package: &Value) -> impl Iterator<Item = (&str, bool)> {
    let all = package["dependencies"].as_array().unwrap();
    all.iter().map(|dependency| {
        let for_tests = dependency["kind"] == "dev" || dependency["target"] == "cfg(loom)";
        (dependency["name"].as_str().unwrap(), for_tests)
    })
}

fn complaints_about(packages: &[Value]) -> Vec<String> {
    let names: Vec<_> = packages.iter().map(|package| package["name"].as_str().unwrap()).collect();
    let mut complaints = Vec::new();
    for (package, name) in packages.iter().zip(&names) {
        let Some((_, allowed, reason)) = ARROWS.iter().find(|(known, ..)| known == name) else {
            complaints.push(format!("{name} stands in no row of ARROWS: decide what it may import, and add it"));
            continue;
        };
        for (dependency, for_tests) in dependencies(package).filter(|(dependency, _)| names.contains(dependency)) {
            let is_for_tests = for_tests && dependency == FOR_TESTS;
            if !allowed.contains(&dependency) && !is_for_tests {
                let kind = if for_tests { "dev-depend" } else { "depend" };
                complaints.push(format!("{name} must not {kind} on {dependency}: {reason}; it may use {allowed:?}"));
            }
        }
    }
    complaints
}

fn package<'a>(packages: &'a [Value], name: &str) -> &'a Value {
    packages.iter().find(|package| package["name"] == name).unwrap()
}

fn outside_core_list(core: &Value) -> Vec<String> {
    let normal = dependencies(core).filter(|(_, for_tests)| !for_tests).map(|(name, _)| name);
    let surplus = normal.filter(|name| !CORE_MAY_USE.contains(name));
    surplus.map(|name| format!("sd-core depends on {name}; it is kept to {CORE_MAY_USE:?}")).collect()
}

fn forbidden_in_lb(lb: &Value) -> Vec<String> {
    let normal = dependencies(lb).filter(|(_, for_tests)| !for_tests).map(|(name, _)| name);
    let forbidden = normal.filter(|name| LB_MUST_NOT_USE.contains(name));
    forbidden
        .map(|name| format!("sd-lb depends on {name}: randomness is core's trait, and wires are others' matter"))
        .collect()
}

#[test]
fn crates_import_only_what_stands_below_them() {
    assert_none("the arrows between the crates", &complaints_about(packages()));
}

#[test]
fn core_depends_on_little() {
    assert_none("external dependencies of sd-core", &outside_core_list(package(packages(), "sd-core")));
}

#[test]
fn policies_bring_neither_randomness_nor_a_wire() {
    assert_none("dependencies of sd-lb", &forbidden_in_lb(package(packages(), "sd-lb")));
}

#[test]
fn default_members_build_without_protoc_and_registry_clients() {
    // Without a selection cargo takes the default members, with default features, as a user would.
    let tree = tree::cargo(&["tree", "--prefix=none", "--format={p}", "--edges=normal,build,dev"]);
    let used: Vec<_> = tree.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(used.contains(&"sd-core"), "{tree}");
    let complaints: Vec<_> =
        NOT_IN_DEFAULT_MEMBERS.iter().filter(|name| used.contains(*name)).map(|name| (*name).to_owned()).collect();
    assert_none("dependencies of the default members", &complaints);
}

mod planted {
    use serde_json::json;

    use super::*;

    fn crate_with(name: &str, dependencies: &[(&str, Option<&str>)]) -> Value {
        let dependencies: Vec<_> =
            dependencies.iter().map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
        json!({ "name": name, "dependencies": dependencies })
    }

    #[test]
    fn a_wrong_arrow_is_seen() {
        let workspace = [
            crate_with("sd-core", &[("sd-testkit", Some("dev"))]),
            crate_with("sd-testkit", &[("sd-core", None)]),
            crate_with("sd-lb", &[("sd-core", None), ("sd-etcd", Some("dev"))]),
            crate_with("sd-etcd", &[("sd-testkit", None), ("tokio", None)]),
            crate_with("sd-new", &[]),
        ];
        let complaints = complaints_about(&workspace);
        assert_eq!(complaints.len(), 3, "{complaints:?}");
        assert!(complaints[0].contains("sd-lb must not dev-depend on sd-etcd: policies do not know"));
        assert!(complaints[1].contains("sd-etcd must not depend on sd-testkit"));
        assert!(complaints[2].contains("sd-new stands in no row"));
    }

    #[test]
    fn a_crate_too_many_is_seen() {
        let core = crate_with("sd-core", &[("tokio", None), ("tower", None), ("proptest", Some("dev"))]);
        assert_eq!(outside_core_list(&core).len(), 1);
        let models = json!({ "dependencies": [{ "name": "loom", "kind": null, "target": "cfg(loom)" }] });
        assert_eq!(outside_core_list(&models).len(), 0);
        let always = json!({ "dependencies": [{ "name": "loom", "kind": null, "target": "cfg(unix)" }] });
        assert_eq!(outside_core_list(&always).len(), 1);
        let lb = crate_with("sd-lb", &[("rand", None), ("rand", Some("dev")), ("sd-core", None)]);
        assert_eq!(forbidden_in_lb(&lb).len(), 1);
    }
}
