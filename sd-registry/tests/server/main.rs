//! The centre over real sockets.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod access;
mod acts;
mod common;
mod disk;
mod events;
mod front;
mod input;
mod insight;
mod limits;
mod tls;
