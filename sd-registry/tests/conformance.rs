//! The suite that every backend passes, over `sd://`: against centres in memory and on disk, and against fronts.

#![cfg(all(feature = "client", feature = "server"))]

mod client;

sd_testkit::centre_process!(client::start);

mod in_memory {
    sd_testkit::conformance_tests!(super::client::in_memory);
}

mod with_data {
    sd_testkit::conformance_tests!(super::client::with_data);
}

mod front_of_memory {
    sd_testkit::conformance_tests!(super::client::front_of_memory);
}

mod front_of_a_centre {
    sd_testkit::conformance_tests!(super::client::front_of_a_centre);
}
