//! Which registry a command is about, and asking it once.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sd_core::{Backend, Error, ErrorKind, Freshness, RegistryUrl, ServiceName, Snapshot};

use crate::duration::duration;
use crate::hint::did_you_mean;

/// Which registry.
#[derive(Args)]
pub(crate) struct UrlArgs {
    /// The registry: etcd://host:2379/prefix, consul://host:8500, zookeeper://host:2181/chroot, sd://host:7070,
    /// file:///path.yaml or static://host:port, as far as this build knows them
    // A password in it is nobody's to see who asks for help.
    #[arg(short, long, value_name = "URL", env = "SD_REGISTRY", hide_env_values = true)]
    registry: String,
}

/// Which registry, and how long it may take to answer.
#[derive(Args)]
pub(crate) struct RegistryArgs {
    #[command(flatten)]
    url: UrlArgs,

    /// How long the registry may take to answer
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    timeout: Duration,
}

impl UrlArgs {
    /// Checks the URL, and starts to connect; waits for nothing.
    pub(crate) fn connect(&self) -> Result<Arc<dyn Backend>, Error> {
        sd_kit::connect(&self.registry).map_err(|error| self.with_hint(error))
    }

    /// The URL without what is secret in it.
    pub(crate) fn shown(&self) -> String {
        self.registry.parse::<RegistryUrl>().map(|url| url.to_string()).unwrap_or_default()
    }

    fn with_hint(&self, error: Error) -> Error {
        let scheme = self.registry.split_once("://").map_or("", |(scheme, _)| scheme);
        let drivers = sd_kit::drivers();
        if scheme.is_empty() || drivers.schemes().any(|known| known == scheme) {
            return error;
        }
        match did_you_mean(scheme, drivers.schemes()) {
            hint if hint.is_empty() => error,
            hint => Error::config(format!("{}{hint}", error.message())),
        }
    }
}

impl RegistryArgs {
    /// As [`UrlArgs::connect`].
    pub(crate) fn connect(&self) -> Result<Arc<dyn Backend>, Error> {
        self.url.connect()
    }

    /// As [`UrlArgs::shown`].
    pub(crate) fn shown(&self) -> String {
        self.url.shown()
    }

    /// What `asked` comes to, or that the registry took too long.
    pub(crate) async fn bounded<T>(
        &self,
        operation: &'static str,
        asked: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Error> {
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(answer) => answer,
            Err(_) => {
                let message = format!("the registry did not answer within {:?} (--timeout)", self.timeout);
                Err(Error::unavailable(message).during(operation))
            }
        }
    }

    /// Who is there now.
    ///
    /// # Errors
    /// Whatever keeps the registry from telling.
    pub(crate) async fn snapshot(&self, registry: &dyn Backend, service: &ServiceName) -> Result<Snapshot, Error> {
        let mut view = registry.subscribe(service);
        let known = async {
            while let Some(snapshot) = view.changed().await {
                match snapshot.freshness() {
                    Freshness::Live => return Ok(snapshot),
                    freshness => match freshness.error() {
                        Some(error) => return Err(error.clone()),
                        None => continue,
                    },
                }
            }
            Err(Error::new(ErrorKind::Closed, "the registry has ended the watch"))
        };
        self.bounded("read instances", known).await
    }

    /// The names of the services.
    pub(crate) async fn services(&self, registry: &dyn Backend) -> Result<BTreeSet<ServiceName>, Error> {
        self.bounded("list services", registry.services()).await
    }

    /// That nobody is there as `service`: because it is unknown, with what may have been meant.
    pub(crate) async fn nobody(&self, registry: &dyn Backend, service: &ServiceName) -> Error {
        // Some registries have no list, and a hint is no reason to fail otherwise.
        let known = self.services(registry).await.unwrap_or_default();
        let hint = did_you_mean(service.as_str(), known.iter().map(ServiceName::as_str));
        Error::new(ErrorKind::NotFound, format!("nobody is registered as {:?}{hint}", service.as_str()))
    }
}
