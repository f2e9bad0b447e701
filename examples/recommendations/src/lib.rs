//! An example of a library that needs a registry, and leaves to its program which.
//!
//! It knows two traits of `sd_core` and no backend: it is told whom to ask ([`Instancer`]) and where to register
//! ([`Registrar`]) by `&dyn` reference. So it is compiled once, has no type parameters to hand through, and its program
//! may use one registry for both, or two, or in a test none at all.

use sd_core::{
    Address, Error, Instance, Instancer, Registrar, Registration, RegistrationHandle, Snapshot, Subscription,
};

/// The name that recommendations are registered under.
pub const SERVICE: &str = "recommendations";

/// The service that is recommended.
pub const BOOKS: &str = "book";

/// Makes it known that recommendations are to be had at `address`, for as long as the handle lives.
///
/// # Errors
/// As [`Registrar::register`], which this waits for.
///
/// # Cancel safety
/// Cancel safe, as [`Registrar::register`] is.
pub async fn open(registrar: &dyn Registrar, address: Address) -> Result<RegistrationHandle, Error> {
    registrar.register(Registration::new(SERVICE, Instance::new(address).with_tag("example"))).await
}

/// Knows at any time where books are to be had.
#[derive(Debug, Clone)]
pub struct Recommendations {
    books: Subscription,
}

impl Recommendations {
    /// Follows the book service.
    ///
    /// # Errors
    /// None: the name of the book service is a good one.
    pub fn new(instancer: &dyn Instancer) -> Result<Self, Error> {
        Ok(Self { books: instancer.subscribe(&BOOKS.parse()?) })
    }

    /// Where books are to be had, those in `zone` first. Waits until that is known for the first time.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn page(&mut self, zone: &str) -> String {
        let known = self.books.known().await;
        let (near, far): (Vec<_>, Vec<_>) = known.iter().partition(|instance| instance.zone() == Some(zone));
        let places =
            near.into_iter().chain(far).map(|instance| format!("\n  {} at {}", instance.id(), instance.address()));
        format!("{}:{}", headline(&known), places.collect::<String>())
    }
}

/// Empty, unknown and old are three different things, whatever the registry.
fn headline(known: &Snapshot) -> String {
    match known.freshness().error() {
        None => format!("{} places have books", known.len()),
        Some(error) => format!("{} places had books, as far as was known before: {error}", known.len()),
    }
}

#[cfg(test)]
mod tests {
    use sd_core::FixedInstancer;

    use super::*;

    #[tokio::test]
    async fn what_is_near_comes_first() {
        let instance = |address: &str, zone: &str| Instance::new(address.parse::<Address>().unwrap()).with_zone(zone);
        let books = FixedInstancer::new([instance("h1:1", "far"), instance("h2:1", "near"), instance("h3:1", "far")]);
        let page = Recommendations::new(&books).unwrap().page("near").await;
        assert_eq!(page, "3 places have books:\n  h2:1 at h2:1\n  h1:1 at h1:1\n  h3:1 at h3:1");
    }
}
