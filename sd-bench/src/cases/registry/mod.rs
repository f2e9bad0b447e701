//! Against real registries, each beside its own client: how long a change takes, what it costs to be told, reading,
//! registering, being idle, and coming back.

mod coming_back;
mod dying;
mod events;
mod idle;
mod reading;
mod registering;

use crate::harness::case::{Bench, Explain};
use crate::harness::duel::median;
use crate::harness::{Case, Row};
use crate::ours::registry as ours;
use crate::registry::site::Site;
use crate::registry::{self, Registry, Side};

type Body = fn(&mut Bench<'_>, &Site) -> anyhow::Result<()>;

/// A case for every registry, at some sizes.
struct Question {
    name: &'static str,
    sizes: &'static [usize],
    explain: Explain,
    body: Body,
}

const QUESTIONS: [Question; 8] = [
    Question { name: "put_to_picked", sizes: &[10, 1_000, 10_000], explain: events::LATENCY, body: events::latency },
    Question { name: "bytes_per_event", sizes: &[10, 10_000], explain: events::BYTES, body: events::bytes },
    Question { name: "burst", sizes: &[10_000], explain: events::BURST, body: events::burst },
    Question { name: "list", sizes: &[10_000], explain: reading::LIST, body: reading::list },
    Question { name: "register", sizes: &[1_000], explain: registering::REGISTER, body: registering::register },
    Question { name: "idle", sizes: &[1_000], explain: idle::IDLE, body: idle::idle },
    Question {
        name: "coming_back",
        sizes: &[1_000],
        explain: coming_back::COMING_BACK,
        body: coming_back::coming_back,
    },
    Question { name: "dying", sizes: &[dying::PROVIDERS], explain: dying::DYING, body: dying::dying },
];

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for registry in registry::all() {
        for question in &QUESTIONS {
            for n in question.sizes {
                let name = format!("{}/{}", registry.name(), question.name);
                cases.push(Case::new(name, *n, question.explain, |bench| measure(registry, question.body, bench)));
            }
        }
    }
    cases
}

fn measure(registry: &'static dyn Registry, body: Body, bench: &mut Bench<'_>) -> anyhow::Result<()> {
    if let Some(variable) = registry.variable().filter(|variable| !is_set(variable)) {
        return bench.note(&format!("skipped: {variable} is not set; `cargo xtask bench` brings along what it names"));
    }
    body(bench, &Site::start(registry)?)
}

/// Whether the environment names a server.
pub(super) fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

/// The floor, and ours.
fn sides(registry: &'static dyn Registry) -> [Side; 2] {
    [registry.floor(), ours::SIDE]
}

/// A row: ours beside the floor.
fn row(site: &Site, what: &str, n: usize, unit: &'static str, floor: (&str, f64), ours: f64) -> Row {
    Row::new(format!("{}/{what}", site.registry().name()), n, unit, ours).beside(floor.0, floor.1)
}

/// As [`row`], of the medians of what both sides took.
fn row_of_medians(
    site: &Site,
    what: &str,
    n: usize,
    unit: &'static str,
    floor_name: &str,
    [floor, ours]: [Vec<f64>; 2],
) -> Row {
    row(site, what, n, unit, (floor_name, median(floor)), median(ours))
}
