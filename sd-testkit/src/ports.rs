//! Ports for servers that must keep theirs over a restart.

use std::net::TcpListener;

use sd_core::{Randomness as _, ThreadRandomness};

/// Below what Linux and macOS hand out to outgoing connections: one of those could take the port while a killed server
/// is away.
const RANGE: std::ops::Range<u64> = 15_000..32_000;

/// A port on which nothing listens now. Chosen at random, so that tests running side by side do not meet.
///
/// # Panics
/// When a thousand ports in turn are taken.
#[must_use]
pub fn free() -> u16 {
    for _ in 0..1000 {
        let port = RANGE.start + ThreadRandomness.next_u64() % (RANGE.end - RANGE.start);
        let port = u16::try_from(port).expect("within the range of ports");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port")
}
