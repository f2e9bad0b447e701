//! `sdkit resolve`: whom a client would call, and how its picks spread.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::{Args, ValueEnum};
use sd_core::{
    Balancer, DefaultEndpointer, Endpointer as _, Error, ErrorKind, Filter, Instance, LeftOut, PickRequest,
    ServiceName, factory_fn,
};
use sd_lb::{Random, RoundRobin};
use serde_json::{Value, json};

use crate::output::Format;
use crate::program::Outcome;
use crate::registry::RegistryArgs;
use crate::table::{Cell, Table, Tone};

/// How wide the bar of whoever is picked most is.
const BAR: u64 = 20;

/// Pick instances of a service as a client would, and show how the picks spread
///
/// Without -n one is picked, and its address is printed: curl http://$(sdkit resolve book)/
#[derive(Args)]
pub(crate) struct Resolve {
    /// The service
    service: String,

    /// How many picks to make: 1 to 10000000
    #[arg(short = 'n', long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    picks: Option<u64>,

    /// Who picks
    #[arg(short, long, value_name = "POLICY", default_value = "random")]
    balancer: Policy,

    /// Only instances with this tag
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,

    /// Only instances in this zone
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,

    #[command(flatten)]
    registry: RegistryArgs,

    /// How it is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

/// The policies of sd-lb.
#[derive(ValueEnum, Clone, Copy, Debug)]
enum Policy {
    Random,
    RoundRobin,
}

impl Policy {
    fn balancer(self) -> Arc<dyn Balancer> {
        match self {
            Self::Random => Arc::new(Random::new()),
            Self::RoundRobin => Arc::new(RoundRobin::new()),
        }
    }
}

impl Resolve {
    pub(crate) async fn run(self) -> Outcome {
        let service: ServiceName = self.service.parse()?;
        let registry = self.registry.connect()?;
        // Read first: this tells nobody there from nobody who may be picked, and the endpointer shares the watch.
        let known = self.registry.snapshot(&*registry, &service).await?;
        if known.is_empty() {
            return Err(self.registry.nobody(&*registry, &service).await.into());
        }
        let none_made = factory_fn(|_: Arc<Instance>| Ok::<_, Error>(()));
        let endpointer = DefaultEndpointer::builder(registry.subscribe(&service), none_made, self.policy())
            .filter(self.filter())
            .spawn()?;
        self.registry.bounded("resolve", decided(&endpointer)).await?;
        let mut handle = endpointer.handle();
        let mut picks: BTreeMap<String, Picks> = BTreeMap::new();
        for _ in 0..self.picks.unwrap_or(1) {
            let picked = handle.pick(PickRequest::new()).map_err(|none| {
                let why = left_out(&endpointer).into_iter().map(|(id, why)| format!("{id} ({why})"));
                let why = why.collect::<Vec<_>>().join(", ");
                Error::new(ErrorKind::NotFound, format!("{none}: {why}"))
            })?;
            let instance = picked.ticket.instance();
            let entry = picks.entry(instance.id().to_owned());
            entry.or_insert_with(|| Picks { instance, count: 0 }).count += 1;
        }
        self.print(&service, &picks, &left_out(&endpointer))
    }

    fn policy(&self) -> Arc<dyn Balancer> {
        self.balancer.balancer()
    }

    fn filter(&self) -> Filter {
        let tag = self.tag.clone().map(Filter::tag);
        let zone = self.zone.clone().map(Filter::zone);
        tag.into_iter().chain(zone).fold(Filter::all(), Filter::and)
    }

    fn print(&self, service: &ServiceName, picks: &BTreeMap<String, Picks>, left_out: &[(String, String)]) -> Outcome {
        if self.picks.is_none()
            && self.output == Format::Table
            && let Some(picked) = picks.values().next()
        {
            let mut table = Table::bare();
            table.row([picked.instance.address().to_string().into()]);
            self.output.print(&Value::Null, || table)?;
            return Ok(());
        }
        let total = picks.values().map(|picks| picks.count).sum::<u64>().max(1);
        let most = picks.values().map(|picks| picks.count).max().unwrap_or(1);
        let value = json!({
            "service": service.as_str(),
            "balancer": self.balancer.to_possible_value().map(|value| value.get_name().to_owned()),
            "picks": picks.iter().map(|(id, Picks { instance, count })| json!({
                "id": id, "address": instance.address().to_string(), "weight": instance.weight(), "count": count,
            })).collect::<Vec<_>>(),
            "left_out": left_out.iter().map(|(id, why)| json!({ "id": id, "why": why })).collect::<Vec<_>>(),
        });
        self.output.print(&value, || {
            let mut table = Table::new(&["ID", "ADDRESS", "WEIGHT", "PICKS", "SHARE", ""]);
            for (id, Picks { instance, count }) in picks {
                let bar = "█".repeat(usize::try_from(count * BAR / most).unwrap_or_default());
                table.row([
                    id.into(),
                    instance.address().to_string().into(),
                    instance.weight().to_string().into(),
                    count.to_string().into(),
                    format!("{:.1} %", *count as f64 * 100.0 / total as f64).into(),
                    Cell::new(bar, Tone::Good),
                ]);
            }
            for (id, why) in left_out {
                table.row([Cell::new(id, Tone::Faint), Cell::new(format!("not picked: {why}"), Tone::Faint)]);
            }
            table
        })?;
        Ok(())
    }
}

struct Picks {
    instance: Arc<Instance>,
    count: u64,
}

/// Waits until it is known whom to pick, or that there is nobody.
async fn decided(endpointer: &DefaultEndpointer<()>) -> Result<(), Error> {
    let cell = endpointer.cell();
    loop {
        let seen = {
            let endpoints = cell.load();
            if !endpoints.is_undecided() && !endpoints.freshness().is_pending() {
                return Ok(());
            }
            endpoints.version()
        };
        cell.changed(seen).await;
    }
}

fn left_out(endpointer: &DefaultEndpointer<()>) -> Vec<(String, String)> {
    let endpoints = endpointer.cell().load();
    endpoints.left_out().map(|(instance, why)| (instance.id().to_owned(), reason(why))).collect()
}

fn reason(why: &LeftOut) -> String {
    match why {
        LeftOut::Filtered => "another tag or zone".to_owned(),
        LeftOut::Draining => "it is draining".to_owned(),
        LeftOut::Down => "it is down".to_owned(),
        LeftOut::Weightless => "its weight is 0".to_owned(),
        _ => "it can't be connected to".to_owned(),
    }
}
