//! `sdkit ping`: is the registry there, does it let us in, how fast is it, which version?

use clap::Args;
use sd_core::{BoxError, Error, ErrorKind};
use serde_json::json;

use crate::output::Format;
use crate::program::{Exit, Outcome, code_of};
use crate::registry::RegistryArgs;
use crate::table::{Cell, Table, Tone};

/// Check a registry: connection, credentials, latency, version; and say what is wrong
#[derive(Args)]
pub(crate) struct Ping {
    #[command(flatten)]
    registry: RegistryArgs,

    /// How it is printed
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    output: Format,
}

impl Ping {
    pub(crate) async fn run(self) -> Outcome {
        let registry = self.registry.connect()?;
        let shown = self.registry.shown();
        let report = match self.registry.bounded("probe", registry.probe()).await {
            Ok(report) => report,
            Err(error) => return Err(diagnosis(&shown, &error)),
        };
        let milliseconds = report.latency.as_secs_f64() * 1000.0;
        let value = json!({
            "registry": shown,
            "endpoint": report.endpoint,
            "version": report.version,
            "latency_ms": milliseconds,
        });
        let or_none = |text: &str| if text.is_empty() { Cell::new("-", Tone::Faint) } else { text.into() };
        self.output.print(&value, || {
            let mut table = Table::new(&["REGISTRY", "ANSWERED BY", "LATENCY", "VERSION", "STATE"]);
            table.row([
                shown.as_str().into(),
                or_none(&report.endpoint),
                format!("{milliseconds:.2} ms").into(),
                or_none(&report.version),
                Cell::new("ok", Tone::Good),
            ]);
            table
        })?;
        Ok(())
    }
}

/// What is wrong, in a sentence.
fn diagnosis(registry: &str, error: &Error) -> BoxError {
    let wrong = match error.kind() {
        ErrorKind::Unavailable => "can't be reached",
        ErrorKind::Unauthorized => "is there, and refuses these credentials",
        ErrorKind::Protocol => "is there, and does not speak as such a registry does",
        ErrorKind::Unsupported => "can't be checked",
        _ => "does not work",
    };
    let mut message = format!("{registry} {wrong}: {}", error.message());
    // What the system says (refused, no route, unknown name) is the very thing that one wants to know.
    if let Some(cause) = std::error::Error::source(error).map(ToString::to_string)
        && !message.contains(&cause)
    {
        message = format!("{message}: {cause}");
    }
    Exit { code: code_of(&error.clone().into()), message }.into()
}
