//! The suite that every backend passes, run against the memory backend.

use sd_testkit::MemoryEnvironment;

async fn environment(_test: &str) -> Option<MemoryEnvironment> {
    Some(MemoryEnvironment::new())
}

sd_testkit::conformance_tests!(environment);
sd_testkit::fault_tests!(environment);
