//! What the example programs share: the book service, its client, and how a program begins, meets its registry and ends.
//!
//! Start with `src/bin/book`: `cargo run -p sd-examples` runs it, and it needs no server.

pub mod book;
pub mod client;
pub mod program;

/// The README's program, compiled and run as a test.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}
