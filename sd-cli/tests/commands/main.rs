//! `sdkit`'s commands as programs, against an embedded centre: what they print, what they refuse, how they end.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod admin;
mod asking;
mod generated;
mod refusals;
#[cfg(unix)]
mod register;
mod resolve;
mod running;
mod watch;
