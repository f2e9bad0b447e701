//! What the compiler does not check: the arrows between the crates, the public API's types, and the files' form.
//!
//! Every rule is a function from what it looks at to a list of complaints, so that it can be shown an offender.

// Clippy lets tests unwrap, but not the functions beside them that only tests call.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod api;
mod arrows;
mod features;
mod hosts;
mod manifests;
mod paths;
mod source;
mod text;
mod tree;

/// Fails with all complaints, each on its own line.
#[track_caller]
fn assert_none(rule: &str, complaints: &[String]) {
    assert!(complaints.is_empty(), "{rule}:\n  {}", complaints.join("\n  "));
}
