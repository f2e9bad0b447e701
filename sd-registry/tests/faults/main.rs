//! What breaks in production, done to real centres: killed, paused, cut off, wiped; and what is particular to `sd://`.

#![cfg(all(feature = "client", feature = "server"))]
#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "../client/mod.rs"]
mod client;
mod credentials;
mod fronts;
mod heartbeats;
mod hosts;
mod resuming;
mod strangers;

use sd_testkit::ConnectOptions;

sd_testkit::centre_process!(client::start);
sd_testkit::process_tests!(client::in_memory, |url| client::connect(url, &ConnectOptions::default()));

mod in_memory {
    sd_testkit::fault_tests!(super::client::in_memory);
}

mod with_data {
    sd_testkit::fault_tests!(super::client::with_data);
}

mod front_of_memory {
    sd_testkit::fault_tests!(super::client::front_of_memory);
}

mod front_of_a_centre {
    sd_testkit::fault_tests!(super::client::front_of_a_centre);
}
