//! From a URL to a registry: which schemes this build knows, in one place.

use std::sync::{Arc, LazyLock};

use sd_core::{Backend, Drivers, Error, MemoryDriver, RegistryUrl};

use crate::file::FileDriver;
use crate::fixed::StaticDriver;

/// Schemes that a feature adds, which one, and whether it is on.
const BY_FEATURE: [(&str, &str, bool); 4] = [
    ("etcd", "etcd", cfg!(feature = "etcd")),
    ("consul", "consul", cfg!(feature = "consul")),
    ("zookeeper", "zookeeper", cfg!(feature = "zookeeper")),
    ("sd", "registry", cfg!(feature = "registry")),
];

/// One value for the whole program, so that everybody in it who says `memory://` means the same registry.
static DRIVERS: LazyLock<Drivers> = LazyLock::new(|| {
    let drivers = Drivers::new().with(MemoryDriver::default()).with(StaticDriver).with(FileDriver);
    #[cfg(feature = "etcd")]
    let drivers = drivers.with(sd_etcd::EtcdDriver);
    #[cfg(feature = "consul")]
    let drivers = drivers.with(sd_consul::ConsulDriver);
    #[cfg(feature = "zookeeper")]
    let drivers = drivers.with(sd_zookeeper::ZooKeeperDriver);
    #[cfg(feature = "registry")]
    let drivers = drivers.with(sd_registry::RegistryDriver);
    drivers
});

/// Connects to the registry that `url` names.
///
/// | URL | what |
/// |---|---|
/// | `memory://`, `memory://name` | a registry in this process; everybody in it who gives the same name shares it |
/// | `static://h1:p1,h2:p2` | these instances, for every service: [`StaticDriver`] |
/// | `file:///path/services.yaml` | what the file says, followed as it changes: [`FileDriver`] |
/// | `etcd://h1,h2:2379/prefix` | etcd; feature `etcd` |
/// | `consul://host:8500` | Consul's agent; feature `consul` |
/// | `zookeeper://h1,h2:2181/chroot` | ZooKeeper; feature `zookeeper` |
/// | `sd://h1:7070,h2:7070` | our own registry centre, or fronts of one; feature `registry` |
///
/// It is not `async`, because it never waits: it checks the URL, down to the last option, and starts. A registry that
/// can't be reached is no error here. It shows where it matters, and passes when the registry comes: `register` waits
/// for it, and a subscription is `Pending` with the cause. So a program boots in any order with its registry.
///
/// # Errors
/// `Config`, naming what is allowed: a malformed URL, an unknown option, no tokio runtime around the call. For an
/// unknown scheme it lists those that are compiled in; for one that this crate knows and that is not, it names the
/// feature.
pub fn connect(url: &str) -> Result<Arc<dyn Backend>, Error> {
    DRIVERS.connect(url).map_err(|error| match missing_feature(url) {
        Some((scheme, feature)) => Error::config(format!(
            "this program was built without {scheme}://; build it with `--features {feature}`, of sd-kit or of \
                 the program that hands it on"
        )),
        None => error,
    })
}

/// The kinds of registry that [`connect`] knows, for those who add their own with [`Drivers::with`].
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sd_core::Error> {
/// # let my_driver = sd_core::MemoryDriver::default();
/// let registry = sd_kit::drivers().with(my_driver).connect("memory://")?;
/// # Ok(()) }
/// ```
#[must_use]
pub fn drivers() -> Drivers {
    DRIVERS.clone()
}

/// The scheme, and the feature that it lacks.
fn missing_feature(url: &str) -> Option<(&'static str, &'static str)> {
    let url: RegistryUrl = url.parse().ok()?;
    let missing = BY_FEATURE.into_iter().find(|(scheme, _, on)| *scheme == url.scheme() && !on);
    missing.map(|(scheme, feature, _)| (scheme, feature))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sd_core::{Address, ErrorKind, Instance, Registration};

    #[tokio::test]
    async fn memory_of_one_name_is_one_registry_for_the_whole_program() {
        let (one, two) =
            (connect("memory://connect-test").unwrap(), drivers().connect("memory://connect-test").unwrap());
        let instance = Instance::new("127.0.0.1:1".parse::<Address>().unwrap());
        let _kept = one.register(Registration::new("book", instance)).await.unwrap();
        assert_eq!(two.subscribe(&"book".parse().unwrap()).known().await.len(), 1);
    }

    #[tokio::test]
    async fn an_unknown_scheme_lists_those_that_are_compiled_in() {
        let error = connect("ectd://127.0.0.1:2379").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains("memory://, static://, file://"), "{error}");
        for (scheme, _, on) in BY_FEATURE {
            assert_eq!(error.to_string().contains(&format!(" {scheme}://")), on, "{error}");
        }
    }

    #[tokio::test]
    async fn every_scheme_is_connected_or_names_its_feature() {
        for (scheme, feature, on) in BY_FEATURE {
            let outcome = connect(&format!("{scheme}://127.0.0.1"));
            match outcome {
                Ok(_) => assert!(on),
                Err(error) if on => panic!("{error}"),
                Err(error) => assert!(error.to_string().contains(&format!("--features {feature}")), "{error}"),
            }
        }
    }

    #[tokio::test]
    async fn a_password_stands_in_no_error() {
        for url in [
            "ectd://u:hunter2@h",
            "etcd://u:hunter2@h:0",
            "zookeeper://u:hunter2@h?no=hunter2",
            "consul://h?token=hunter2&x=hunter2",
            "sd://h?token=hunter2&x=hunter2",
        ] {
            let Err(error) = connect(url) else { panic!("{url}") };
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
