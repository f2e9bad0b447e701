//! A case: one question, at one size.

use std::time::Duration;

use super::clock::Stopwatch;
use super::report::{Reference, Report, Row};

/// What is asked, and what does and does not count as its answer.
#[derive(Debug, Clone, Copy)]
pub struct Explain {
    /// Within the timed region.
    pub inside: &'static str,
    /// Not within the timed region.
    pub outside: &'static str,
}

/// How long to measure.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How often the arms take turns.
    pub rounds: usize,
    /// How long one turn of one arm is.
    pub batch: Duration,
}

impl Settings {
    /// What is reported: medians of 21 rounds.
    pub const FULL: Self = Self { rounds: 21, batch: Duration::from_millis(5) };

    /// Enough to see that everything runs; the numbers are not worth quoting.
    pub const QUICK: Self = Self { rounds: 3, batch: Duration::from_micros(500) };

    /// Whether the numbers are worth quoting.
    #[must_use]
    pub fn is_full(self) -> bool {
        self.rounds >= Self::FULL.rounds
    }
}

/// What a case is given when it runs: how long to measure, and where rows go.
pub struct Bench<'a> {
    settings: Settings,
    n: usize,
    report: &'a mut Report,
}

impl<'a> Bench<'a> {
    /// For the cases of size `n`.
    pub fn new(settings: Settings, n: usize, report: &'a mut Report) -> Self {
        Self { settings, n, report }
    }

    /// How long to measure.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.settings
    }

    /// How many instances there are.
    #[must_use]
    pub fn n(&self) -> usize {
        self.n
    }

    /// Rounds of a slow measurement, from 0: so many at most, none begun when `longest` has passed, at least two.
    pub fn rounds(&self, most: usize, longest: Duration) -> impl Iterator<Item = usize> + use<> {
        const FEWEST: usize = 2;
        let most = if self.settings.is_full() { most } else { FEWEST };
        let watch = Stopwatch::start();
        (0..most).take_while(move |round| *round < FEWEST || watch.elapsed() < longest)
    }

    /// Prints a row with ours in it.
    pub fn row(&mut self, row: Row) -> anyhow::Result<()> {
        self.report.row(row)
    }

    /// Prints what a reference costs where ours is not there (yet).
    pub fn reference(&mut self, reference: Reference) -> anyhow::Result<()> {
        self.report.reference(reference)
    }

    /// Prints a remark.
    pub fn note(&mut self, text: &str) -> anyhow::Result<()> {
        self.report.note(text)
    }
}

type Body = Box<dyn FnOnce(&mut Bench<'_>) -> anyhow::Result<()>>;

/// One question, at one size.
pub struct Case {
    /// The name that a filter looks at; rows may add to it.
    pub name: String,
    /// How many instances there are.
    pub n: usize,
    /// What counts.
    pub explain: Explain,
    body: Body,
}

impl Case {
    /// A case. All preparation belongs into `body`, which runs only if the filter lets the case through.
    pub fn new(
        name: impl Into<String>,
        n: usize,
        explain: Explain,
        body: impl FnOnce(&mut Bench<'_>) -> anyhow::Result<()> + 'static,
    ) -> Self {
        Self { name: name.into(), n, explain, body: Box::new(body) }
    }

    /// Whether the filter lets it through: an empty one does, and one that is part of `name/n`.
    #[must_use]
    pub fn matches(&self, filter: &str) -> bool {
        format!("{}/{}", self.name, self.n).contains(filter)
    }

    /// Measures.
    pub fn run(self, settings: Settings, report: &mut Report) -> anyhow::Result<()> {
        (self.body)(&mut Bench::new(settings, self.n, report))
    }
}
