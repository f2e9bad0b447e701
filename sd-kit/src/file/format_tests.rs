//! What a file may say, and what is said of one that says something else.

use super::*;

fn read_as(text: &str) -> Vec<(String, Vec<Instance>)> {
    let services = services(text).unwrap_or_else(|fault| panic!("{text}: {fault}"));
    let owned = |instances: &Vec<Arc<Instance>>| instances.iter().map(|instance| (**instance).clone()).collect();
    services.0.iter().map(|(name, instances)| (name.to_string(), owned(instances))).collect()
}

fn at(address: &str) -> Instance {
    Instance::new(address.parse::<Address>().unwrap())
}

#[test]
fn everything_that_an_instance_can_say_is_read_from_yaml() {
    let text = "
# who serves what
book:
  - 127.0.0.1:50052
  - '[::1]:50052'
  - http://book.example/api
  - address: 10.0.0.2:50052
    id: book-2
    weight: 2
    health: draining
    zone: eu-1
    tags: [v1, blue]
    metadata: {commit: 4f3a, version: 1.10}
    ports: {metrics: 9090}
shop: []
none:
";
    let full = at("10.0.0.2:50052")
        .with_id("book-2")
        .with_weight(2)
        .with_health(Health::Draining)
        .with_zone("eu-1")
        .with_tag("v1")
        .with_tag("blue")
        .with_metadata("commit", "4f3a")
        .with_metadata("version", "1.10")
        .with_port("metrics", 9090);
    let book = vec![at("127.0.0.1:50052"), at("[::1]:50052"), at("http://book.example/api"), full];
    assert_eq!(read_as(text), [("book".to_owned(), book), ("none".to_owned(), vec![]), ("shop".to_owned(), vec![])]);
}

#[test]
fn json_says_the_same() {
    let text = "{\n\t\"book\": [\n\t\t\"h:1\",\n\t\t{\"address\": \"h:2\", \"weight\": 0, \"health\": \"down\", \"zone\": null}\n\t]\n}";
    let book = vec![at("h:1"), at("h:2").with_weight(0).with_health(Health::Down)];
    assert_eq!(read_as(text), [("book".to_owned(), book)]);
}

#[test]
fn only_services_with_an_instance_are_listed_and_others_are_empty() {
    let services = services("book: [h:1]\nshop: []\n").unwrap();
    assert_eq!(services.names().map(|name| name.to_string()).collect::<Vec<_>>(), ["book"]);
    assert_eq!(services.of(&"shop".parse().unwrap()).count(), 0);
    assert_eq!(services.of(&"unnamed".parse().unwrap()).count(), 0);
    assert_eq!(super::services("{}").unwrap(), Services::default());
}

#[test]
fn what_is_wrong_is_named_with_its_line() {
    for (text, wanted) in [
        ("- h:1\n", "line 1: the file is not a map from services to instances"),
        ("book\n", "line 1: the file is not a map"),
        ("a: [h:1]\na/b: [h:1]\n", "line 2: service name \"a/b\": allowed are"),
        ("book: h:1\n", "line 1: \"book\" is not a list"),
        ("book:\n- h:1\n- h\n", "line 3: address \"h\": it has no port"),
        ("book:\n- h:1\n- h:0\n", "line 3: instance \"h:0\": port 0"),
        ("book:\n- weight: 2\n", "line 2: an instance without its address"),
        ("book:\n- address:\n", "line 2: \"address\" is not a text"),
        ("book:\n- address: h:1\n  wieght: 2\n", "line 3: unknown field \"wieght\"; known are address, id, weight"),
        ("book:\n- address: h:1\n  wieght:\n", "line 3: unknown field \"wieght\""),
        ("book:\n- address: h:1\n  weight: two\n", "line 3: weight \"two\": allowed are whole numbers up to 65535"),
        ("book:\n- address: h:1\n  weight: +2\n", "line 3: weight \"+2\""),
        ("book:\n- address: h:1\n  weight: 65536\n", "line 2: instance \"h:1\": weight 65536"),
        ("book:\n- address: h:1\n  health: fine\n", "line 3: health \"fine\": allowed are up, draining and down"),
        ("book:\n- address: h:1\n  tags: v1\n", "line 3: tags are a list"),
        ("book:\n- address: h:1\n  tags: [[v1]]\n", "line 3: a tag that is not a text"),
        ("book:\n- address: h:1\n  metadata: [a]\n", "line 3: metadata is not a map"),
        ("book:\n- address: h:1\n  metadata: {a: [b]}\n", "line 3: \"a\" is not a text"),
        ("book:\n- address: h:1\n  metadata: {a: }\n", "line 3: \"a\" is not a text"),
        ("book:\n- address: h:1\n  ports: {a: 65536}\n", "line 3: a \"65536\": allowed are whole numbers up to 65535"),
        ("book:\n- address: h:1\n  id: a/b\n", "line 2: instance id \"a/b\""),
        ("book:\n- h:1\n- address: h:1\n", "line 3: book has an instance \"h:1\" already, in line 2"),
        ("book:\n- [h:1]\n", "line 2: an instance is an address, or a map with one"),
        ("book:\n- http://u:hunter2@h/\n", "line 2: an instance's URL must not hold a user"),
    ] {
        let fault = services(text).unwrap_err().to_string();
        assert!(fault.contains(wanted), "{text:?}: {fault}");
        assert!(!fault.contains("hunter2"), "{fault}");
    }
}

#[test]
fn more_instances_than_allowed_are_refused_also_when_aliases_make_them() {
    let list = (0..1000).map(|n| format!("- h{n}:1\n")).collect::<String>();
    let aliases = (0..101).map(|n| format!("s{n}: *all\n")).collect::<String>();
    let fault = services(&format!("all: &all\n{list}{aliases}")).unwrap_err().to_string();
    assert!(fault.contains("more than 100000 instances"), "{fault}");
}
