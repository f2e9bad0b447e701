//! Noticing tests that skipped: neither runner shows what a passing test printed.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::workspace::Workspace;

/// Names the file that skipping tests append to.
pub(crate) const LOG_VARIABLE: &str = "SD_TEST_SKIP_LOG";

const MARK: &str = "SKIPPED";

/// All skips of one run, by file or by output.
#[derive(Debug)]
pub(crate) struct Skips {
    pub(crate) log: PathBuf,
    seen: Vec<String>,
}

impl Skips {
    /// Starts without any.
    pub(crate) fn watch(workspace: &Workspace) -> Result<Self> {
        let folder = workspace.tools();
        fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
        let log = folder.join(format!("skips-{}.log", std::process::id()));
        fs::write(&log, "").with_context(|| format!("could not write {}", log.display()))?;
        Ok(Self { log, seen: Vec::new() })
    }

    /// Looks at a line of a test's output.
    pub(crate) fn inspect(&mut self, line: &str) {
        self.seen.extend(skip_in(line).map(str::to_owned));
    }

    /// The run's own failure and its skips: each is worth knowing beside the other.
    pub(crate) fn judge(self, ran: Result<()>) -> Result<()> {
        match (ran, self.finish()) {
            (Err(failure), Err(skipped)) => bail!("{failure:#}; {skipped:#}"),
            (ran, skipped) => ran.and(skipped),
        }
    }

    /// An error that lists the skips, if there were any.
    fn finish(mut self) -> Result<()> {
        let logged = fs::read_to_string(&self.log).with_context(|| format!("could not read {}", self.log.display()))?;
        fs::remove_file(&self.log).with_context(|| format!("could not remove {}", self.log.display()))?;
        self.seen.extend(logged.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned));
        self.seen.sort();
        self.seen.dedup();
        if !self.seen.is_empty() {
            bail!("{} skipped, and none may be:\n    {}", self.seen.len(), self.seen.join("\n    "));
        }
        Ok(())
    }
}

/// The mark stands at a line's start, after libtest's `test name ... `, or after a tag of the JUnit report.
fn skip_in(line: &str) -> Option<&str> {
    let at = line.find(MARK)?;
    let before = line[..at].trim_start();
    let is_mark = before.is_empty() || before.ends_with("... ") || before.ends_with('>');
    is_mark.then(|| &line[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_seen_wherever_a_runner_puts_it() {
        for line in
            ["SKIPPED: no etcd", "test a ... SKIPPED: no etcd", "<system-out>SKIPPED: no etcd", "  SKIPPED: no etcd"]
        {
            assert_eq!(skip_in(line), Some("SKIPPED: no etcd"), "{line}");
        }
        for line in ["test skips::prints_SKIPPED ... ok", "a line about SKIPPED tests", "", "skipped"] {
            assert_eq!(skip_in(line), None, "{line}");
        }
    }

    #[test]
    fn skips_of_the_log_and_of_the_output_fail_the_run_once_each() {
        let log = std::env::temp_dir().join(format!("xtask-skips-{}", std::process::id()));
        fs::write(&log, "SKIPPED a\n\nSKIPPED b\n").unwrap();
        let mut skips = Skips { log: log.clone(), seen: Vec::new() };
        skips.inspect("SKIPPED a");
        let error = skips.finish().unwrap_err().to_string();
        assert!(error.starts_with("2 skipped"), "{error}");
        assert!(!log.exists());
    }
}
