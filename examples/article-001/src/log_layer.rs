//! The article's client logger, as a layer of `tracing`: lines go to whoever provides the log service.

use std::fmt::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::log_service::MAX_MESSAGE_BYTES;
use crate::provider::Provider;

/// So many lines wait for a log service; those that come when it is full are counted, and the count is logged later.
pub const BUFFER: usize = 1_024;
/// While there is no log service, it is looked for this often.
const PAUSE: Duration = Duration::from_millis(200);

/// Ships what a program logs to the log service, with its prefix: `[GradingService] - text`.
///
/// Logging never waits: a line goes into a buffer of 1,024, and a task takes it from there. One line after another, in
/// order, each until a log service has answered that it has it; so none is lost while there is room, and one whose
/// answer is lost may be there twice.
#[derive(Debug)]
pub struct LogLayer {
    prefix: String,
    lines: mpsc::Sender<String>,
    lost: Arc<AtomicU64>,
}

/// Where a [`LogLayer`]'s lines go; they wait in its buffer until [`ship`](Self::ship).
#[derive(Debug)]
pub struct Lines {
    prefix: String,
    lines: mpsc::Receiver<String>,
    lost: Arc<AtomicU64>,
}

/// The task that ships.
#[derive(Debug)]
pub struct Shipping {
    finish: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl LogLayer {
    /// For a program that logs as `service`.
    #[must_use]
    pub fn new(service: &str) -> (Self, Lines) {
        let (sender, lines) = mpsc::channel(BUFFER);
        let (prefix, lost) = (format!("[{service}] - "), Arc::<AtomicU64>::default());
        let layer = Self { prefix: prefix.clone(), lines: sender, lost: Arc::clone(&lost) };
        (layer, Lines { prefix, lines, lost })
    }
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        // What shipping itself logs would be shipped, and log again.
        let target = event.metadata().target();
        if !target.starts_with(env!("CARGO_CRATE_NAME")) {
            return;
        }
        let mut line = self.prefix.clone();
        event.record(&mut Text(&mut line));
        line.truncate(boundary(&line, MAX_MESSAGE_BYTES));
        if self.lines.try_send(line).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Lines {
    /// Begins to ship to a log service.
    #[must_use]
    pub fn ship(self, log: Provider) -> Shipping {
        let (finish, finished) = oneshot::channel();
        Shipping { finish, task: tokio::spawn(ship(self, log, finished)) }
    }
}

impl Shipping {
    /// Ships what is left, for so long at most, and ends.
    ///
    /// # Cancel safety
    /// When this future is dropped, the task ends by itself once the buffer is empty.
    pub async fn finish(mut self, within: Duration) {
        // An error says that the task has ended already.
        let _ = self.finish.send(());
        if tokio::time::timeout(within, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

async fn ship(mut lines: Lines, log: Provider, mut finished: oneshot::Receiver<()>) {
    loop {
        let line = tokio::select! {
            biased;
            line = lines.lines.recv() => line,
            _ = &mut finished => lines.lines.try_recv().ok(),
        };
        let Some(line) = line else { return };
        deliver(&log, line).await;
        let lost = lines.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            deliver(&log, format!("{}{lost} lines were lost: no log service took them in time", lines.prefix)).await;
        }
    }
}

/// Until it is there.
async fn deliver(log: &Provider, line: String) {
    loop {
        match log.call(Method::POST, "/log", line.clone()).await {
            Ok((StatusCode::OK, _)) => return,
            // It will never be taken.
            Ok((StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE, _)) => return,
            Ok(_) | Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Writes an event as a line: its message, then its fields.
struct Text<'a>(&'a mut String);

impl Visit for Text<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let start = self.0.len();
        // Writing to a String can't fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?}"),
            name => write!(self.0, " {name}={value:?}"),
        };
        if self.0[start..].contains(char::is_control) {
            // A line stays a line, whatever is in it.
            let clean: String = self.0[start..].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            self.0.replace_range(start.., &clean);
        }
    }
}

/// The longest beginning of no more than `most` bytes that is text.
fn boundary(text: &str, most: usize) -> usize {
    (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    #[test]
    fn lines_bear_the_prefix_stay_lines_and_the_buffer_has_an_end() {
        let (layer, mut lines) = LogLayer::new("GradingService");
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            tracing::info!(student = 7, "one\ntwo");
            tracing::info!("{}", "ä".repeat(MAX_MESSAGE_BYTES));
            tracing::info!(target: "hyper", "not shipped");
            (2..BUFFER + 5).for_each(|n| tracing::info!("{n}"));
        });
        assert_eq!(lines.lines.try_recv().unwrap(), "[GradingService] - one two student=7");
        assert!(lines.lines.try_recv().unwrap().len() <= MAX_MESSAGE_BYTES);
        assert_eq!(lines.lines.try_recv().unwrap(), "[GradingService] - 2");
        assert_eq!(lines.lost.load(Ordering::Relaxed), 5);
    }
}
