//! `static://h1:p1,h2:p2`: instances that stand in the URL, for programs that need no registry yet.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sd_core::{
    Address, Admin, Backend, Catalog, CatalogPublisher, CatalogSubscription, Driver, Error, FixedInstancer, Instance,
    Instancer, Probe, ProbeReport, Registrar, Registration, RegistrationHandle, RegistryUrl, ServiceName, Subscription,
};

const NAME: &str = "static";

/// `static://127.0.0.1:50052,[::1]:50053,book.example:80`: these instances, the same for every service.
///
/// `static:///…` is the same, and there an instance may also be a URL: `static:///http://h1/api,http://h2/api`. There
/// are no options: for weights, zones, tags or several services, write a file, and give its `file://` URL.
///
/// Every subscription is live at once and never changes; registering, administration and listing services are
/// `Unsupported`. It works outside a runtime too.
///
/// ```
/// let registry = sd_kit::connect("static://127.0.0.1:50052,127.0.0.1:50053")?;
/// assert_eq!(registry.subscribe(&"book".parse()?).snapshot().len(), 2);
/// # Ok::<(), sd_core::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct StaticDriver;

impl Driver for StaticDriver {
    fn schemes(&self) -> &'static [&'static str] {
        &[NAME]
    }

    fn connect(&self, mut url: RegistryUrl) -> Result<Arc<dyn Backend>, Error> {
        url.options().finish()?;
        Ok(Arc::new(StaticRegistry { instances: FixedInstancer::new(instances(&url)?) }))
    }
}

/// The instances that the URL names, by host or by path.
fn instances(url: &RegistryUrl) -> Result<Vec<Instance>, Error> {
    let allowed = "write static://host:port,host:port or static:///host:port,http://host/path";
    if url.user().is_some() {
        return Err(Error::config(format!("{url}: nobody logs in to addresses; {allowed}")));
    }
    let path = url.path().map(|path| path.trim_start_matches('/')).filter(|path| !path.is_empty());
    let texts = match (url.hosts(), path) {
        ([], None) => return Err(Error::config(format!("{url}: it names no instance; {allowed}"))),
        ([], Some(path)) => path.split(',').map(str::to_owned).collect(),
        (hosts, None) => hosts.iter().map(with_port).collect::<Result<Vec<_>, _>>()?,
        _ => {
            return Err(Error::config(format!(
                "static://: instances stand before the path or in it, not both; {allowed}"
            )));
        }
    };
    let mut ids = BTreeSet::new();
    let mut instances = Vec::new();
    for text in texts {
        let instance = Instance::new(text.parse::<Address>()?);
        instance.validate()?;
        if !ids.insert(instance.id().to_owned()) {
            return Err(Error::config(format!("static://: {text} stands there twice; each instance once is allowed")));
        }
        instances.push(instance);
    }
    Ok(instances)
}

fn with_port((host, port): &(String, Option<u16>)) -> Result<String, Error> {
    match port {
        Some(port) if host.contains(':') => Ok(format!("[{host}]:{port}")),
        Some(port) => Ok(format!("{host}:{port}")),
        None => Err(Error::config(format!("static instance {host:?} has no port; write host:port"))),
    }
}

/// Instances that never change.
#[derive(Debug)]
struct StaticRegistry {
    instances: FixedInstancer,
}

fn unsupported(operation: &'static str) -> Error {
    Error::unsupported(
        "its instances stand in its URL, and are the same for every service; nothing can be changed there",
    )
    .with_backend(NAME)
    .during(operation)
}

#[async_trait]
impl Registrar for StaticRegistry {
    async fn register(&self, registration: Registration) -> Result<RegistrationHandle, Error> {
        self.register_in_background(registration)
    }

    fn register_in_background(&self, _registration: Registration) -> Result<RegistrationHandle, Error> {
        Err(unsupported("register"))
    }
}

impl Instancer for StaticRegistry {
    fn subscribe(&self, service: &ServiceName) -> Subscription {
        self.instances.subscribe(service)
    }
}

#[async_trait]
impl Catalog for StaticRegistry {
    async fn services(&self) -> Result<BTreeSet<ServiceName>, Error> {
        Err(unsupported("list services"))
    }

    /// Never known, and says why: it serves every name, so there is no list.
    fn subscribe_services(&self) -> CatalogSubscription {
        let publisher = CatalogPublisher::default();
        publisher.fail(unsupported("watch services"));
        publisher.subscribe()
    }
}

#[async_trait]
impl Admin for StaticRegistry {
    async fn drain(&self, _service: &ServiceName, _id: &str) -> Result<(), Error> {
        Err(unsupported("drain"))
    }

    async fn deregister(&self, _service: &ServiceName, _id: &str) -> Result<(), Error> {
        Err(unsupported("deregister"))
    }
}

#[async_trait]
impl Probe for StaticRegistry {
    async fn probe(&self) -> Result<ProbeReport, Error> {
        // There is nobody to ask, so the answer takes no time.
        Ok(ProbeReport::new(Duration::ZERO, "", ""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sd_core::ErrorKind;

    fn connected(url: &str) -> Result<Arc<dyn Backend>, Error> {
        StaticDriver.connect(url.parse()?)
    }

    fn addresses(url: &str) -> Vec<String> {
        let snapshot = connected(url).unwrap().subscribe(&"book".parse().unwrap()).snapshot();
        assert!(snapshot.freshness().is_live());
        snapshot.iter().map(|instance| instance.address().to_string()).collect()
    }

    #[test]
    fn both_forms_name_ipv4_ipv6_and_host_names() {
        let wanted = ["127.0.0.1:1", "[::1]:2", "book.example:3"];
        assert_eq!(addresses("static://127.0.0.1:1,[::1]:2,book.example:3"), wanted);
        assert_eq!(addresses("static:///127.0.0.1:1,[::1]:2,book.example:3"), wanted);
        assert_eq!(addresses("static://127.0.0.1:1/"), ["127.0.0.1:1"]);
    }

    #[test]
    fn urls_stand_in_the_path() {
        assert_eq!(addresses("static:///http://h1/api,http://h2:81/"), ["http://h1/api", "http://h2:81/"]);
    }

    #[test]
    fn what_makes_no_sense_says_what_does() {
        for (url, why) in [
            ("static://", "names no instance"),
            ("static:///", "names no instance"),
            ("static://h1", "has no port"),
            ("static:///h1", "has no port"),
            ("static:///h1:1,,h2:2", "no port"),
            ("static://h1:0", "1 to 65535"),
            ("static:///h1:0", "port 0"),
            ("static://h1:1/h2:2", "not both"),
            ("static://u:hunter2@h1:1", "logs in"),
            ("static:///http://u:hunter2@h1/", "user or password"),
            ("static://h1:1,h1:1", "twice"),
            ("static://h1:1?weight=2", "unknown option \"weight\""),
        ] {
            let error = connected(url).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{url}");
            assert!(error.to_string().contains(why), "{url}: {error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[tokio::test]
    async fn registering_listing_and_administration_are_unsupported_at_once() {
        let registry = connected("static://h:1").unwrap();
        let book: ServiceName = "book".parse().unwrap();
        let registration = Registration::new("book", Instance::new("h:2".parse::<Address>().unwrap()));
        let errors = [
            registry.register(registration.clone()).await.unwrap_err(),
            registry.register_in_background(registration).unwrap_err(),
            registry.services().await.unwrap_err(),
            registry.drain(&book, "h:1").await.unwrap_err(),
            registry.deregister(&book, "h:1").await.unwrap_err(),
            registry.subscribe_services().snapshot().freshness().error().unwrap().clone(),
        ];
        for error in errors {
            assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
            assert_eq!(error.backend(), "static");
            assert!(!error.is_retryable());
        }
        assert!(registry.probe().await.is_ok());
    }

    #[tokio::test]
    async fn a_subscription_outlives_its_registry_and_never_ends() {
        let mut subscription = connected("static://h:1").unwrap().subscribe(&"book".parse().unwrap());
        assert_eq!(subscription.changed().await.unwrap().len(), 1);
        let further = tokio::time::timeout(Duration::from_millis(50), subscription.changed());
        assert!(further.await.is_err());
    }
}
