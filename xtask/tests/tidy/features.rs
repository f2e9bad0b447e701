//! What a feature of sd-kit brings into a build, and what stays out without it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::assert_none;
use crate::tree::{self, packages};

/// A feature, what no build without it may carry, and why.
const BOUND_TO: [(&str, &[&str], &str); 3] = [
    (
        "consul",
        &[
            "consulrs",
            "rustify",
            "reqwest v0.11",
            "hyper v0.14",
            "http v0.2",
            "http-body v0.4",
            "h2 v0.3",
            "hyper-tls",
            "native-tls",
            "openssl-sys",
            "tokio-native-tls",
            "hyper-rustls v0.24",
            "tokio-rustls v0.24",
            "rustls v0.21",
            "rustls-webpki v0.101",
            "rustls-pemfile v1",
        ],
        "Consul's client brings an HTTP and a TLS that are years old",
    ),
    ("etcd", &["etcd-client", "prost-build", "tonic-build", "tonic-prost-build"], "their builds ask for protoc"),
    ("zookeeper", &["zookeeper-client", "async-io"], "ZooKeeper's client brings a reactor of its own"),
];

/// Asks for protoc as well, and no feature brings it today.
const NEEDS_PROTOC: [&str; 3] = ["protobuf-codegen", "protoc-rust", "grpcio-compiler"];

fn kit() -> &'static Value {
    packages().iter().find(|package| package["name"] == "sd-kit").unwrap()
}

/// `name v1.2.3` of everything that a build with these features compiles, on any platform.
fn tree_with(features: &[&str]) -> BTreeSet<String> {
    let features = format!("--features={}", features.join(","));
    let arguments = ["tree", "-p", "sd-kit", "--no-default-features", &features];
    let form = ["--edges=normal,build", "--target=all", "--prefix=none", "--format={p}"];
    let listed = tree::cargo(&[&arguments[..], &form[..]].concat());
    let name_and_version = |line: &str| line.split_whitespace().take(2).collect::<Vec<_>>().join(" ");
    listed.lines().map(name_and_version).filter(|line| !line.is_empty()).collect()
}

/// `http v0.2` is every 0.2 and no other; `reqwest` every version.
fn is_meant(line: &str, wanted: &str) -> bool {
    match line.strip_prefix(wanted) {
        Some(rest) if wanted.contains(" v") => rest.is_empty() || rest.starts_with('.'),
        Some(rest) => rest.starts_with(" v"),
        None => false,
    }
}

fn found<'a>(tree: &BTreeSet<String>, wanted: &'a [&'a str]) -> impl Iterator<Item = &'a str> {
    wanted.iter().copied().filter(|wanted| tree.iter().any(|line| is_meant(line, wanted)))
}

/// A feature and all that it turns on.
fn closure<'a>(features: &'a Value, feature: &'a str, seen: &mut BTreeSet<&'a str>) {
    if seen.insert(feature)
        && let Some(implied) = features[feature].as_array()
    {
        implied.iter().filter_map(Value::as_str).for_each(|implied| closure(features, implied, seen));
    }
}

/// Each alone, and all together, of those that do not turn on `feature`.
fn selections_without<'a>(features: &'a Value, feature: &str) -> Vec<Vec<&'a str>> {
    let others = features.as_object().unwrap().keys().map(String::as_str).filter(|other| {
        let mut implied = BTreeSet::new();
        closure(features, other, &mut implied);
        !implied.contains(feature)
    });
    let others: Vec<_> = others.collect();
    let alone = others.iter().map(|other| vec![*other]);
    alone.chain([Vec::new(), others.clone()]).collect()
}

fn complaints_without(feature: &str, bound: &[&str], reason: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for selection in selections_without(&kit()["features"], feature) {
        let tree = tree_with(&selection);
        assert!(tree.iter().any(|line| line.starts_with("sd-core v")), "{tree:?}");
        complaints
            .extend(found(&tree, bound).map(|name| format!("with {selection:?} sd-kit carries {name}: {reason}")));
    }
    complaints
}

#[test]
fn a_build_without_consul_carries_none_of_its_http_and_tls() {
    let (feature, bound, reason) = BOUND_TO[0];
    assert_none("crates of the feature `consul`", &complaints_without(feature, bound, reason));
}

#[test]
fn a_build_without_etcd_needs_no_protoc() {
    let (feature, bound, reason) = BOUND_TO[1];
    let bound = [bound, &NEEDS_PROTOC].concat();
    assert_none("crates of the feature `etcd`", &complaints_without(feature, &bound, reason));
}

#[test]
fn a_build_without_zookeeper_carries_no_second_reactor() {
    let (feature, bound, reason) = BOUND_TO[2];
    assert_none("crates of the feature `zookeeper`", &complaints_without(feature, bound, reason));
}

#[test]
fn each_feature_brings_what_is_bound_to_it() {
    // A name that nothing brings any more would be looked for in vain, and prove nothing.
    for (feature, bound, _) in BOUND_TO {
        let tree = tree_with(&[feature]);
        assert_eq!(found(&tree, bound).collect::<Vec<_>>(), bound, "with {feature}");
    }
}

#[test]
fn features_that_imply_another_do_not_count_as_without_it() {
    let features = serde_json::json!({
        "default": [], "consul": ["dep:sd-consul"], "all": ["more"], "more": ["consul"], "etcd": []
    });
    let mut selections = selections_without(&features, "consul");
    selections.sort();
    assert_eq!(selections, [vec![], vec!["default"], vec!["default", "etcd"], vec!["etcd"]]);
}

#[test]
fn versions_are_told_apart() {
    assert!(is_meant("http v0.2.12", "http v0.2"));
    assert!(is_meant("rustls-pemfile v1.0.4", "rustls-pemfile v1"));
    assert!(is_meant("reqwest v0.12.0", "reqwest"));
    for (line, wanted) in [
        ("http v1.0.2", "http v0.2"),
        ("http v0.20.0", "http v0.2"),
        ("http-body v0.2.0", "http v0.2"),
        ("h2x v1", "h2"),
    ] {
        assert!(!is_meant(line, wanted), "{line}");
    }
}
