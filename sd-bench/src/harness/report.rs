//! What comes out: tab-separated rows with comments between them, or one JSON document.

use std::io::Write as _;

use serde::Serialize;

use super::machine::Machine;

/// The columns, in order.
const COLUMNS: &str = "case\tn\tthreads\tours\treference\treference_name\tratio\tlimit\tok\tunit\tallocs\tallocs_limit";

/// Allocations per operation that are measuring noise (one per batch, say), not the operation's.
const NO_ALLOCATION: f64 = 0.01;

/// Ours beside a reference.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// What was measured.
    pub case: String,
    /// How many instances there were.
    pub n: usize,
    /// How many threads did it at once.
    pub threads: usize,
    /// What it cost us.
    pub ours: f64,
    /// What it cost the reference.
    pub reference: Option<f64>,
    /// What the reference is.
    pub reference_name: String,
    /// The ratio that is promised.
    pub limit: Option<f64>,
    /// Of both numbers.
    pub unit: &'static str,
    /// Ours, per operation.
    #[serde(rename = "allocs")]
    pub allocations: Option<f64>,
    /// How many are promised.
    #[serde(rename = "allocs_limit")]
    pub allocations_limit: Option<f64>,
}

impl Row {
    /// Ours alone, on one thread.
    #[must_use]
    pub fn new(case: impl Into<String>, n: usize, unit: &'static str, ours: f64) -> Self {
        Self {
            case: case.into(),
            n,
            threads: 1,
            ours,
            reference: None,
            reference_name: "-".to_owned(),
            limit: None,
            unit,
            allocations: None,
            allocations_limit: None,
        }
    }

    /// Beside a reference.
    #[must_use]
    pub fn beside(mut self, name: impl Into<String>, reference: f64) -> Self {
        (self.reference_name, self.reference) = (name.into(), Some(reference));
        self
    }

    /// With the ratio that is promised, if one is.
    #[must_use]
    pub fn limited(mut self, ratio: Option<f64>) -> Self {
        self.limit = ratio;
        self
    }

    /// Ours over the reference.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        self.reference.filter(|reference| *reference > 0.0).map(|reference| self.ours / reference)
    }

    /// Whether what is promised is kept; `None` if nothing is.
    #[must_use]
    pub fn ok(&self) -> Option<bool> {
        let ratio = self.limit.map(|limit| self.ratio().is_some_and(|ratio| ratio <= limit));
        let allocations =
            self.allocations_limit.map(|limit| self.allocations.is_some_and(|count| count <= limit + NO_ALLOCATION));
        match (ratio, allocations) {
            (None, other) | (other, None) => other,
            (Some(ratio), Some(allocations)) => Some(ratio && allocations),
        }
    }
}

/// A reference on its own: ours is not there.
#[derive(Debug, Clone, Serialize)]
pub struct Reference {
    /// What was measured.
    pub case: String,
    /// How many instances there were.
    pub n: usize,
    /// How many threads did it at once.
    pub threads: usize,
    /// What it cost.
    pub reference: f64,
    /// What it is.
    pub reference_name: String,
    /// Of the number.
    pub unit: &'static str,
    /// Per operation.
    #[serde(rename = "allocs")]
    pub allocations: f64,
}

#[derive(Serialize)]
struct JudgedRow {
    #[serde(flatten)]
    row: Row,
    ratio: Option<f64>,
    ok: Option<bool>,
}

#[derive(Serialize, Default)]
struct Document {
    #[serde(skip_serializing_if = "Option::is_none")]
    machine: Option<Machine>,
    rows: Vec<JudgedRow>,
    reference_only: Vec<Reference>,
    notes: Vec<String>,
}

/// Collects or prints.
#[derive(Default)]
pub struct Report {
    json: bool,
    document: Document,
    missed: usize,
}

impl Report {
    /// Starts one: says where it is measured and what the columns are.
    pub fn start(json: bool, machine: Machine) -> anyhow::Result<Self> {
        let mut report = Self { json, ..Self::default() };
        report.comment(&format!("cpu: {}, {} cores", machine.cpu, machine.cores))?;
        report.comment(&format!("{}; load average {}", machine.rustc, machine.load))?;
        report.document.machine = Some(machine);
        report.line(COLUMNS)?;
        Ok(report)
    }

    /// Ours beside a reference.
    pub fn row(&mut self, row: Row) -> anyhow::Result<()> {
        let (ratio, ok) = (row.ratio(), row.ok());
        self.missed += usize::from(ok == Some(false));
        let line = [
            row.case.clone(),
            row.n.to_string(),
            row.threads.to_string(),
            number(Some(row.ours)),
            number(row.reference),
            row.reference_name.clone(),
            number(ratio),
            number(row.limit),
            ok.map_or("-", |ok| if ok { "yes" } else { "NO" }).to_owned(),
            row.unit.to_owned(),
            number(row.allocations),
            number(row.allocations_limit),
        ]
        .join("\t");
        self.line(&line)?;
        self.document.rows.push(JudgedRow { row, ratio, ok });
        Ok(())
    }

    /// A reference alone, as a comment.
    pub fn reference(&mut self, reference: Reference) -> anyhow::Result<()> {
        self.comment(&format!(
            "reference only: {}\t{}\t{}\t{} {}\t{}\tallocs {}",
            reference.case,
            reference.n,
            reference.threads,
            number(Some(reference.reference)),
            reference.unit,
            reference.reference_name,
            number(Some(reference.allocations)),
        ))?;
        self.document.reference_only.push(reference);
        Ok(())
    }

    /// A remark that belongs to the numbers.
    pub fn note(&mut self, text: &str) -> anyhow::Result<()> {
        self.comment(text)?;
        self.document.notes.push(text.to_owned());
        Ok(())
    }

    /// A comment; JSON has none.
    pub fn comment(&self, text: &str) -> anyhow::Result<()> {
        for line in text.lines() {
            self.line(&format!("# {line}"))?;
        }
        Ok(())
    }

    /// Ends it: prints the JSON document, or how many promises were missed; gives that number.
    pub fn finish(self) -> anyhow::Result<usize> {
        if self.json {
            let mut out = std::io::stdout().lock();
            serde_json::to_writer_pretty(&mut out, &self.document)?;
            writeln!(out)?;
        } else {
            let rows = self.document.rows.len();
            self.comment(&format!("{rows} rows, {} above their limit", self.missed))?;
        }
        Ok(self.missed)
    }

    fn line(&self, line: &str) -> anyhow::Result<()> {
        if !self.json {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{line}")?;
            out.flush()?;
        }
        Ok(())
    }
}

/// Three figures are all that a shared machine can promise.
fn number(of: Option<f64>) -> String {
    match of {
        None => "-".to_owned(),
        Some(number) if number.abs() >= 100.0 => format!("{number:.0}"),
        Some(number) if number.abs() >= 10.0 => format!("{number:.1}"),
        Some(number) => format!("{number:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(ours: f64, limit: Option<f64>, allocations: f64) -> Row {
        Row {
            allocations: Some(allocations),
            allocations_limit: limit.map(|_| 0.0),
            ..Row::new("choose", 3, "ns", ours).beside("floor", 10.0).limited(limit)
        }
    }

    #[test]
    fn a_promise_is_kept_only_if_ratio_and_allocations_are() {
        assert_eq!(row(15.0, Some(1.5), 0.0).ok(), Some(true));
        assert_eq!(row(15.1, Some(1.5), 0.0).ok(), Some(false));
        assert_eq!(row(15.0, Some(1.5), 1.0).ok(), Some(false));
        assert_eq!(row(99.0, None, 9.0).ok(), None);
    }

    #[test]
    fn a_limit_without_a_reference_is_not_kept() {
        let row = Row { reference: None, ..row(1.0, Some(1.5), 0.0) };
        assert_eq!((row.ratio(), row.ok()), (None, Some(false)));
    }
}
