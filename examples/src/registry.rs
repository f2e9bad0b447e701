//! Which registries the examples know, in one place.

use std::sync::{Arc, LazyLock};

use sd_core::{Backend, Drivers, Error, MemoryDriver, RegistryUrl};

/// Schemes that a cargo feature of the same name adds, and whether it is on.
const BY_FEATURE: [(&str, bool); 1] = [("etcd", cfg!(feature = "etcd"))];

/// One value for the whole program, so that everybody in it who says `memory://` means the same registry.
static DRIVERS: LazyLock<Drivers> = LazyLock::new(|| {
    let drivers = Drivers::new().with(MemoryDriver::default());
    #[cfg(feature = "etcd")]
    let drivers = drivers.with(sd_etcd::EtcdDriver);
    drivers
});

/// Connects to the registry that `url` names: `memory://`, or `etcd://127.0.0.1:2379` with the feature `etcd`.
///
/// # Errors
/// A URL that makes no sense, or names a registry that is not compiled in.
pub fn connect(url: &str) -> Result<Arc<dyn Backend>, Error> {
    DRIVERS.connect(url).map_err(|error| match missing_feature(url) {
        Some(feature) => {
            Error::config(format!("this program was built without {feature}://; build it with `--features {feature}`"))
        }
        None => error,
    })
}

/// As [`connect`], for programs that meet others through the registry.
///
/// # Errors
/// As [`connect`], and for `memory://`, where nobody else can be.
pub fn connect_shared(url: &str) -> Result<Arc<dyn Backend>, Error> {
    if url.parse::<RegistryUrl>()?.scheme() == "memory" {
        return Err(Error::config(
            "memory:// lives inside one process, where this program would be alone; give it a registry of its own, \
             such as etcd://127.0.0.1:2379, or run `book`, which is all in one",
        ));
    }
    connect(url)
}

fn missing_feature(url: &str) -> Option<&'static str> {
    let url: RegistryUrl = url.parse().ok()?;
    let missing = BY_FEATURE.into_iter().find(|(scheme, on)| *scheme == url.scheme() && !on);
    missing.map(|(feature, _)| feature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn memory_is_one_registry_for_the_whole_program_but_not_for_several() {
        assert!(connect("memory://").is_ok());
        assert!(connect_shared("memory://").unwrap_err().to_string().contains("one process"));
    }

    #[cfg(not(feature = "etcd"))]
    #[tokio::test]
    async fn a_scheme_that_is_not_compiled_in_names_its_feature() {
        let error = connect("etcd://127.0.0.1:2379").unwrap_err().to_string();
        assert!(error.contains("--features etcd"), "{error}");
    }

    #[tokio::test]
    async fn an_unknown_scheme_names_the_known_ones() {
        let error = connect("ectd://127.0.0.1:2379").unwrap_err().to_string();
        assert!(error.contains("memory://"), "{error}");
    }
}
