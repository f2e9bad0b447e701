//! `sdkit get`: who is there.

use clap::Args;
use sd_core::{Error, ErrorKind, Instance, ServiceName};

use crate::hint::did_you_mean;
use crate::instances::{instance_json, row, service_json, table};
use crate::output::Format;
use crate::program::Outcome;
use crate::registry::RegistryArgs;

/// Show the instances of a service, or one of them
#[derive(Args)]
pub(crate) struct Get {
    /// The service
    service: String,

    /// The instance's id; all without it
    id: Option<String>,

    #[command(flatten)]
    registry: RegistryArgs,

    /// How it is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

impl Get {
    pub(crate) async fn run(self) -> Outcome {
        let service: ServiceName = self.service.parse()?;
        let registry = self.registry.connect()?;
        let snapshot = self.registry.snapshot(&*registry, &service).await?;
        if snapshot.is_empty() {
            return Err(self.registry.nobody(&*registry, &service).await.into());
        }
        let Some(id) = &self.id else {
            self.output.print(&service_json(&service, &snapshot), || {
                let mut table = table();
                snapshot.iter().for_each(|instance| table.row(row(instance)));
                table
            })?;
            return Ok(());
        };
        let Some(instance) = snapshot.get(id) else {
            let hint = did_you_mean(id, snapshot.iter().map(|instance| instance.id()));
            return Err(unknown_instance(&service, id, &hint).into());
        };
        self.print_one(instance)
    }

    fn print_one(&self, instance: &Instance) -> Outcome {
        self.output.print(&instance_json(instance), || {
            let mut table = table();
            table.row(row(instance));
            table
        })?;
        Ok(())
    }
}

/// That the service has no such instance.
pub(crate) fn unknown_instance(service: &ServiceName, id: &str, hint: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("{:?} has no instance {id:?}{hint}", service.as_str()))
}
