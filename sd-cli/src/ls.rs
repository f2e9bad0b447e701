//! `sdkit ls`: which services there are.

use std::collections::BTreeSet;
use std::sync::Arc;

use clap::Args;
use sd_core::{Backend, Error, ErrorKind, ServiceName};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::instances::Counts;
use crate::output::Format;
use crate::program::Outcome;
use crate::registry::RegistryArgs;
use crate::table::{Cell, Table, Tone};

/// How many services are read for their counts: each costs a watch, and of some registries a connection.
const COUNTED: usize = 100;
/// How many are read at the same time.
const AT_ONCE: usize = 8;

/// List the services, and how many of their instances are up, draining and down
///
/// Of more than 100 services, the names alone are listed.
#[derive(Args)]
pub(crate) struct Ls {
    #[command(flatten)]
    registry: RegistryArgs,

    /// List the names, and read no instances
    #[arg(long)]
    names: bool,

    /// How it is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

impl Ls {
    pub(crate) async fn run(self) -> Outcome {
        let registry = self.registry.connect()?;
        let names = self.registry.services(&*registry).await?;
        let format = self.output;
        let counted = !self.names && names.len() <= COUNTED;
        let services = if counted {
            counts(Arc::new(self.registry), registry, names).await?
        } else {
            names.into_iter().map(|name| (name, None)).collect()
        };
        if services.is_empty() {
            eprintln!("no service is registered");
        }
        let value = services.iter().map(json_of).collect::<Vec<_>>();
        format.print(&Value::Array(value), || table(&services, counted))?;
        Ok(())
    }
}

type Service = (ServiceName, Option<Counts>);

/// Reads every service; one that is refused is listed without counts.
async fn counts(
    asking: Arc<RegistryArgs>,
    registry: Arc<dyn Backend>,
    names: BTreeSet<ServiceName>,
) -> Result<Vec<Service>, Error> {
    let mut waiting = names.into_iter();
    let mut reading = JoinSet::new();
    let mut read = Vec::new();
    loop {
        while reading.len() < AT_ONCE
            && let Some(name) = waiting.next()
        {
            let (asking, registry) = (Arc::clone(&asking), Arc::clone(&registry));
            reading.spawn(async move {
                let snapshot = asking.snapshot(&*registry, &name).await;
                (name, snapshot)
            });
        }
        match reading.join_next().await {
            Some(Ok((name, Ok(snapshot)))) => read.push((name, Some(Counts::of(&snapshot)))),
            // A token may know the name, and not be let see who is there.
            Some(Ok((name, Err(error)))) if error.kind() == ErrorKind::Unauthorized => read.push((name, None)),
            Some(Ok((_, Err(error)))) => return Err(error),
            Some(Err(error)) => return Err(Error::new(ErrorKind::Closed, "reading was cut short").with_source(error)),
            None => break,
        }
    }
    read.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    Ok(read)
}

fn json_of((name, counts): &Service) -> Value {
    match counts {
        Some(Counts { up, draining, down }) => {
            json!({ "service": name.as_str(), "up": up, "draining": draining, "down": down })
        }
        None => json!({ "service": name.as_str() }),
    }
}

fn table(services: &[Service], counted: bool) -> Table {
    if !counted {
        let mut table = Table::new(&["SERVICE"]);
        services.iter().for_each(|(name, _)| table.row([name.as_str().into()]));
        return table;
    }
    let mut table = Table::new(&["SERVICE", "UP", "DRAINING", "DOWN"]);
    for (name, counts) in services {
        let number = |count: fn(&Counts) -> usize, tone| match counts.as_ref().map(count) {
            Some(0) => Cell::new("0", Tone::Faint),
            Some(count) => Cell::new(count.to_string(), tone),
            None => Cell::new("?", Tone::Faint),
        };
        table.row([
            name.as_str().into(),
            number(|counts| counts.up, Tone::Good),
            number(|counts| counts.draining, Tone::Warning),
            number(|counts| counts.down, Tone::Bad),
        ]);
    }
    table
}
