//! Measurements of this library against floors (the least that the work can cost) and peers (what others take for it).
//!
//! `harness` measures, `floors` and `peers` are what we are compared with, `registry` is whom all talk to, `ours` is what
//! we are, `cases` brings them together and knows the limits.
#![allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "counts and nanoseconds become ratios"
)]
#![allow(unreachable_pub, reason = "a program: pub is how far its own modules may see")]

mod cases;
mod cli;
mod data;
mod floors;
mod grpc;
mod harness;
mod ours;
mod peers;
mod registry;
mod services;

use std::io::Write as _;
use std::process::ExitCode;

use cli::Args;
use harness::Case;
use harness::case::{Explain, Settings};
use harness::machine::Machine;
use harness::report::Report;

#[global_allocator]
static ALLOCATOR: harness::alloc::Counting = harness::alloc::Counting;

fn main() -> anyhow::Result<ExitCode> {
    match run() {
        // Whoever reads has seen enough.
        Err(error) if is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        done => done,
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io.or(json) == Some(std::io::ErrorKind::BrokenPipe)
    })
}

fn run() -> anyhow::Result<ExitCode> {
    if sd_testkit::child::is_asked() {
        return provide();
    }
    if sd_testkit::registry::is_asked() {
        registry::centre::serve();
        return Ok(ExitCode::SUCCESS);
    }
    let args = Args::parse(std::env::args().skip(1))?;
    let mut out = std::io::stdout();
    if args.help {
        write!(out, "{}", cli::HELP)?;
        return Ok(ExitCode::SUCCESS);
    }
    let cases: Vec<Case> = cases::all()
        .into_iter()
        .filter(|case| args.filters.is_empty() || args.filters.iter().any(|f| case.matches(f)))
        .collect();
    if args.list || args.explain {
        let mut said = String::new();
        for case in &cases {
            if args.explain && case.name != said {
                writeln!(out, "{}\n{}", case.name, explained(case.explain))?;
                said.clone_from(&case.name);
            } else if args.list {
                writeln!(out, "{}/{}", case.name, case.n)?;
            }
        }
        return Ok(ExitCode::SUCCESS);
    }
    let missed = measure(cases, &args)?;
    Ok(ExitCode::from(u8::from(args.check && missed > 0)))
}

/// What the cases start as further processes, to be killed: one registration, kept.
fn provide() -> anyhow::Result<ExitCode> {
    #[allow(clippy::expect_used, reason = "who started this process waits for its word, and tells that it has none")]
    sd_testkit::child::run_if_asked(|url| registry::drivers().connect(url).expect("a URL that a case has written"));
    Ok(ExitCode::SUCCESS)
}

fn measure(cases: Vec<Case>, args: &Args) -> anyhow::Result<usize> {
    let settings = if args.quick { Settings::QUICK } else { Settings::FULL };
    let mut report = Report::start(args.json, Machine::look())?;
    if !settings.is_full() {
        report.note("--quick: the numbers are not worth quoting")?;
    }
    let mut said = String::new();
    for case in cases {
        if case.name != said {
            said.clone_from(&case.name);
            report.comment(&format!("{}\n{}", case.name, explained(case.explain)))?;
        }
        let (name, n) = (case.name.clone(), case.n);
        if let Err(error) = case.run(settings, &mut report) {
            return Err(error.context(format!("case {name}/{n}")));
        }
    }
    report.finish()
}

fn explained(explain: Explain) -> String {
    format!("  inside:  {}\n  outside: {}", explain.inside, explain.outside)
}
