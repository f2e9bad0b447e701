//! Arms that take turns, batch by batch, and what comes out when they are compared.

use std::collections::HashSet;
use std::time::Duration;

use super::arm::{Arm, Make};
use super::case::Bench;
use super::report::{Reference, Row};
use super::workers::Workers;

/// An arm's place in its duel.
pub type ArmId = usize;

/// One row to be: ours beside the sum of some references.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// The row's case.
    pub case: String,
    /// Ours, once it is there.
    pub ours: Option<ArmId>,
    /// What it is compared with; several are added up.
    pub references: Vec<ArmId>,
    /// The ratio that ours must not exceed.
    pub limit: Option<f64>,
    /// The allocations per operation that ours must not exceed.
    pub allocations: Option<f64>,
}

impl Comparison {
    /// Ours against one reference, nothing promised.
    pub fn new(case: impl Into<String>, ours: Option<ArmId>, reference: ArmId) -> Self {
        Self { case: case.into(), ours, references: vec![reference], limit: None, allocations: None }
    }

    /// Ours on two threads beside ours on one, if both are there.
    pub fn scaling(case: impl Into<String>, [one, two]: [Option<ArmId>; 2]) -> Option<Self> {
        Some(Self::new(case, Some(two?), one?))
    }

    /// The same, with the ratio that is promised.
    #[must_use]
    pub fn at_most(mut self, limit: f64) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The same, and no allocation per operation.
    #[must_use]
    pub fn no_allocations(mut self) -> Self {
        self.allocations = Some(0.0);
        self
    }

    /// A further reference, added to the first.
    #[must_use]
    pub fn plus(mut self, reference: Option<ArmId>) -> Self {
        self.references.extend(reference);
        self
    }
}

/// What an arm cost: medians over the rounds.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Nanoseconds per operation and thread.
    pub nanos: f64,
    /// Allocations per operation.
    pub allocations: f64,
}

/// Arms to be measured in turns, and the comparisons to be printed.
#[derive(Debug, Default)]
pub struct Duel {
    arms: Vec<Arm>,
    comparisons: Vec<Comparison>,
}

impl Duel {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an arm.
    pub fn arm(&mut self, name: impl Into<String>, threads: usize, make: Make) -> ArmId {
        let name = name.into();
        self.arms.push(Arm { name, threads, make });
        self.arms.len() - 1
    }

    /// Adds one of ours, if it is there.
    pub fn ours(&mut self, name: &str, threads: usize, make: Option<Make>) -> Option<ArmId> {
        make.map(|make| self.arm(format!("ours: {name}"), threads, make))
    }

    /// Adds a row. Without ours it becomes a comment that tells the reference alone.
    pub fn compare(&mut self, comparison: impl Into<Option<Comparison>>) {
        self.comparisons.extend(comparison.into());
    }

    /// Measures all arms and prints all rows.
    pub fn run(self, bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let costs = measure(&self.arms, bench)?;
        let mut alone = HashSet::new();
        for comparison in &self.comparisons {
            // What stands alone is said once, however many of ours will be compared with it.
            if comparison.ours.is_some() || alone.insert(&comparison.references) {
                self.print(comparison, &costs, bench)?;
            }
        }
        Ok(())
    }

    fn print(&self, row: &Comparison, costs: &[Cost], bench: &mut Bench<'_>) -> anyhow::Result<()> {
        let reference: f64 = row.references.iter().map(|id| costs[*id].nanos).sum();
        let names: Vec<&str> = row.references.iter().map(|id| self.arms[*id].name.as_str()).collect();
        let reference_name = names.join(" + ");
        let Some(ours) = row.ours else {
            return bench.reference(Reference {
                case: row.case.clone(),
                n: bench.n(),
                threads: self.arms[row.references[0]].threads,
                reference,
                reference_name,
                unit: "ns",
                allocations: row.references.iter().map(|id| costs[*id].allocations).sum(),
            });
        };
        bench.row(Row {
            threads: self.arms[ours].threads,
            allocations: Some(costs[ours].allocations),
            allocations_limit: row.allocations,
            ..Row::new(row.case.clone(), bench.n(), "ns", costs[ours].nanos)
                .beside(reference_name, reference)
                .limited(row.limit)
        })
    }
}

fn measure(arms: &[Arm], bench: &Bench<'_>) -> anyhow::Result<Vec<Cost>> {
    let workers = Workers::start(arms)?;
    let times = (0..arms.len())
        .map(|arm| calibrate(&workers, arm, bench.settings().batch))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut nanos = vec![Vec::new(); arms.len()];
    let mut allocations = vec![Vec::new(); arms.len()];
    for _ in 0..bench.settings().rounds {
        for (arm, times) in times.iter().enumerate() {
            let batch = workers.run(arm, *times)?;
            nanos[arm].push(batch.nanos);
            allocations[arm].push(batch.allocations);
        }
    }
    Ok(nanos
        .into_iter()
        .zip(allocations)
        .map(|(nanos, allocations)| Cost { nanos: median(nanos), allocations: median(allocations) })
        .collect())
}

/// How often an operation fits into a batch; also its warm-up.
fn calibrate(workers: &Workers, arm: usize, batch: Duration) -> anyhow::Result<u64> {
    let mut times = 1_u64;
    loop {
        let took = workers.run(arm, times)?.longest.max(Duration::from_nanos(1));
        let fits = batch.as_secs_f64() / took.as_secs_f64() * times as f64;
        if took * 2 >= batch || times >= 1 << 40 {
            return Ok((fits as u64).max(1));
        }
        times = (fits as u64).clamp(times + 1, times.saturating_mul(16));
    }
}

/// The middle of some numbers (of an even count, the mean of the two); zero of none.
#[must_use]
pub fn median(mut of: Vec<f64>) -> f64 {
    of.sort_unstable_by(f64::total_cmp);
    match (of.len(), of.len() / 2) {
        (0, _) => 0.0,
        (len, middle) if len % 2 == 1 => of[middle],
        (_, middle) => f64::midpoint(of[middle - 1], of[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::case::Settings;
    use crate::harness::report::Report;

    fn sleeping(micros: u64) -> Make {
        Make::op(move || Ok(move || std::thread::sleep(Duration::from_micros(micros))))
    }

    fn missed(limit: f64) -> anyhow::Result<usize> {
        let mut duel = Duel::new();
        let ours = duel.ours("slow", 2, Some(sleeping(6_000)));
        let reference = duel.arm("fast", 1, sleeping(2_000));
        duel.compare(Comparison::new("sleep", ours, reference).at_most(limit).no_allocations());
        let mut report = Report::default();
        duel.run(&mut Bench::new(Settings::QUICK, 1, &mut report))?;
        report.finish()
    }

    #[test]
    fn a_limit_is_held_against_the_ratio_of_medians() {
        assert_eq!(missed(6.0).unwrap(), 0);
        assert_eq!(missed(1.2).unwrap(), 1);
    }

    #[test]
    fn allocations_are_counted_per_operation_and_thread() {
        let make = Make::op(|| Ok(|| (Box::new(1_u8), Box::new(2_u8))));
        let arm = Arm { name: "boxes".to_owned(), threads: 2, make };
        let mut report = Report::default();
        let costs = measure(&[arm], &Bench::new(Settings::QUICK, 1, &mut report)).unwrap();
        assert!((costs[0].allocations - 2.0).abs() < 0.01, "{costs:?}");
    }

    #[test]
    fn what_cannot_be_set_up_is_an_error_that_names_it() {
        let mut duel = Duel::new();
        duel.arm("broken", 2, Make::op(|| -> anyhow::Result<fn()> { anyhow::bail!("no such thing") }));
        let mut report = Report::default();
        let error = duel.run(&mut Bench::new(Settings::QUICK, 1, &mut report)).unwrap_err();
        assert!(format!("{error:#}").contains("broken"), "{error:#}");
    }

    #[test]
    fn the_median_is_the_middle() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(Vec::new()).abs() < f64::EPSILON);
    }
}
