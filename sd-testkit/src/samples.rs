//! Names and instances that no other test uses.

use sd_core::{Address, Instance, Randomness as _, Registration, ServiceName, ThreadRandomness};

/// A word that no other test uses.
#[must_use]
pub fn random_word() -> String {
    format!("{:016x}", ThreadRandomness.next_u64())
}

/// A service that no other test uses.
#[must_use]
pub fn random_service() -> ServiceName {
    format!("service-{}", random_word()).parse().expect("hexadecimal digits are allowed")
}

/// An instance on a port of this machine, with `id` as its id. Nothing listens there.
#[must_use]
pub fn instance(id: &str, port: u16) -> Instance {
    let address: Address = format!("127.0.0.1:{port}").parse().expect("an address");
    Instance::new(address).with_id(id)
}

/// Its registration.
#[must_use]
pub fn registration(service: &ServiceName, id: &str, port: u16) -> Registration {
    Registration::new(service.as_str(), instance(id, port))
}
