//! Named, timed steps: all of them run, and what failed is listed at the end.

use std::time::Duration;
// xtask has no tokio runtime whose clock could be paused: it measures what the caller waits.
#[allow(clippy::disallowed_types)]
use std::time::Instant;

use anyhow::{Result, bail};

/// What has run so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    done: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    name: String,
    took: Duration,
    failure: Option<String>,
}

impl Steps {
    /// Runs one step; whether it succeeded, for steps that need it.
    #[allow(clippy::disallowed_types)]
    pub(crate) fn run(&mut self, name: impl Into<String>, work: impl FnOnce() -> Result<()>) -> bool {
        let name = name.into();
        eprintln!("\n=== {name}");
        let start = Instant::now();
        let failure = work().err().map(|error| format!("{error:#}"));
        let took = start.elapsed();
        if let Some(failure) = &failure {
            eprintln!("=== {name}: FAILED: {failure}");
        }
        let succeeded = failure.is_none();
        self.done.push(Step { name, took, failure });
        succeeded
    }

    /// Takes over what another list has done.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.done.append(&mut other.done);
    }

    /// Prints the summary; an error if any step failed.
    pub(crate) fn finish(self, task: &str) -> Result<()> {
        eprintln!("\n{}", self.table());
        let total: Duration = self.done.iter().map(|step| step.took).sum();
        let failed: Vec<_> = self.done.iter().filter_map(|step| Some((&step.name, step.failure.as_ref()?))).collect();
        if failed.is_empty() {
            eprintln!("{task}: ok, {} steps in {:.0} s", self.done.len(), total.as_secs_f64());
            return Ok(());
        }
        let listed: String = failed.iter().map(|(name, failure)| format!("\n  - {name}: {failure}")).collect();
        bail!("{task}: {} of {} steps failed:{listed}", failed.len(), self.done.len())
    }

    fn table(&self) -> String {
        let row = |step: &Step| {
            let verdict = if step.failure.is_none() { "ok" } else { "FAILED" };
            format!("{verdict:>6} {:7.1} s  {}\n", step.took.as_secs_f64(), step.name)
        };
        self.done.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_steps_run_and_all_failures_are_listed() {
        let mut steps = Steps::default();
        assert!(!steps.run("first", || bail!("broken")));
        assert!(steps.run("second", || Ok(())));
        assert!(!steps.run("third", || bail!("burnt")));
        let error = steps.finish("ci").unwrap_err().to_string();
        assert!(
            error.contains("2 of 3") && error.contains("first: broken") && error.contains("third: burnt"),
            "{error}"
        );
    }

    #[test]
    fn without_a_failure_all_is_well() {
        let mut steps = Steps::default();
        steps.run("only", || Ok(()));
        let mut others = Steps::default();
        others.run("another", || Ok(()));
        steps.append(others);
        assert_eq!(steps.table().lines().count(), 2);
        steps.finish("test").unwrap();
    }
}
