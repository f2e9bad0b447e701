//! Article 001's protocol over real sockets, with programs that behave as the article's do.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may; clippy does not see that this is one"
)]

mod acts;
mod both_worlds;
#[path = "../server/common.rs"]
#[allow(dead_code, reason = "what the API's own tests need beside")]
mod common;
mod fronts;
mod heartbeats;
mod program;
mod pushes;
mod restart;
