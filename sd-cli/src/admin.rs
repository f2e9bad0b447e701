//! `sdkit drain` and `sdkit deregister`: acts on an instance that another process keeps.

use std::sync::Arc;

use clap::Args;
use sd_core::{Backend, Error, ErrorKind, ServiceName, check_id};

use crate::get::unknown_instance;
use crate::hint::did_you_mean;
use crate::program::Outcome;
use crate::registry::RegistryArgs;

/// Mark an instance as draining: clients stop picking it
///
/// It stays so until its owner writes it anew. Consul's agent, and registries that are files, have limits of their own,
/// which the error tells.
#[derive(Args)]
pub(crate) struct Drain {
    #[command(flatten)]
    which: Which,
}

/// Take an instance away
///
/// An owner that lives registers it again: drain it, or stop the owner.
#[derive(Args)]
pub(crate) struct Deregister {
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
struct Which {
    /// The service
    service: String,

    /// The instance's id, as `sdkit get` shows it
    id: String,

    #[command(flatten)]
    registry: RegistryArgs,
}

impl Drain {
    pub(crate) async fn run(self) -> Outcome {
        let (service, registry) = self.which.checked()?;
        let acted = self.which.registry.bounded("drain", registry.drain(&service, &self.which.id)).await;
        self.which.told(acted, &service, &*registry, "is draining").await
    }
}

impl Deregister {
    pub(crate) async fn run(self) -> Outcome {
        let (service, registry) = self.which.checked()?;
        let acted = self.which.registry.bounded("deregister", registry.deregister(&service, &self.which.id)).await;
        self.which.told(acted, &service, &*registry, "is deregistered").await
    }
}

impl Which {
    fn checked(&self) -> Result<(ServiceName, Arc<dyn Backend>), Error> {
        let service = self.service.parse()?;
        check_id(&self.id)?;
        Ok((service, self.registry.connect()?))
    }

    async fn told(
        &self,
        acted: Result<(), Error>,
        service: &ServiceName,
        registry: &dyn Backend,
        what: &str,
    ) -> Outcome {
        match acted {
            Ok(()) => {
                eprintln!("{service} {} {what}", self.id);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.not_there(service, registry).await.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// What is missing, the service or the instance, and what may have been meant.
    async fn not_there(&self, service: &ServiceName, registry: &dyn Backend) -> Error {
        match self.registry.snapshot(registry, service).await {
            Ok(snapshot) if snapshot.is_empty() => self.registry.nobody(registry, service).await,
            Ok(snapshot) => {
                let hint = did_you_mean(&self.id, snapshot.iter().map(|instance| instance.id()));
                unknown_instance(service, &self.id, &hint)
            }
            Err(_) => unknown_instance(service, &self.id, ""),
        }
    }
}
