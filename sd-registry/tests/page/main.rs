//! The page of the centre in a real browser: a Chromium that `SD_TEST_CHROMIUM` names, without windows.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests may; clippy does not see that this is one"
)]

mod browser;
#[path = "../server/common.rs"]
#[allow(dead_code, reason = "what the API's own tests need beside")]
mod common;
mod hostile;
mod keyboard;
mod live;
mod looks;
mod many;
mod outages;
mod pictures;
#[path = "../push/program.rs"]
#[allow(dead_code, reason = "what the push protocol's own tests need beside")]
mod program;
mod requirements;
mod tab;
mod tokens;
