//! `/metrics`, as Prometheus reads it.

use std::fmt::{Display, Write as _};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::CONTENT_TYPE;

use crate::http::app::App;
use crate::metrics::{BOUNDS_US, Timing};

pub(crate) async fn metrics(State(app): State<App>) -> Response {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render(&app)).into_response()
}

fn render(app: &App) -> String {
    let mut text = Text(String::with_capacity(4096));
    let (metrics, condition) = (&app.metrics, app.ledger.condition());
    let counts = app.ledger.view().counts();
    let preserving = condition.preserving;
    text.gauge("sd_registry_services", "Services with an instance.", counts.services);
    text.gauge("sd_registry_instances", "Instances of all services.", counts.instances);
    text.gauge("sd_registry_revision", "The newest revision.", counts.revision);
    text.gauge("sd_registry_watchers", "Watches that are open.", metrics.watchers.value());
    text.gauge("sd_registry_connections", "Connections that are open.", metrics.connections.value());
    text.gauge("sd_registry_store_ok", "1 while the store can be written.", u8::from(condition.trouble.is_none()));
    let kept = preserving.map_or(0, |(_, kept)| kept);
    text.gauge("sd_registry_self_preservation", "1 while evictions are stopped.", u8::from(preserving.is_some()));
    text.gauge("sd_registry_lapsed_kept", "Lapsed entries that self-preservation keeps.", kept);
    text.counter("sd_registry_registrations_total", "Registrations accepted.", metrics.registered.value());
    text.counter("sd_registry_takeovers_total", "Registrations that took an id over.", metrics.takeovers.value());
    text.counter("sd_registry_updates_total", "Updates and drains accepted.", metrics.updated.value());
    text.counter("sd_registry_deregistrations_total", "Entries taken away.", metrics.deregistered.value());
    text.counter("sd_registry_expirations_total", "Entries whose lease lapsed.", metrics.expired.value());
    text.counter("sd_registry_renewals_total", "Renewals accepted.", metrics.renewed.value());
    let refused = metrics.renewals_refused.value();
    text.counter("sd_registry_renewals_refused_total", "Renewals of what is gone or another's.", refused);
    text.counter(
        "sd_registry_commit_failures_total",
        "Batches that could not be written.",
        metrics.commit_failures.value(),
    );
    text.counter("sd_registry_snapshots_total", "Snapshots sent to watches.", metrics.snapshots.value());
    text.counter("sd_registry_resumed_total", "Watches that went on where they had been.", metrics.resumed.value());
    text.counter("sd_registry_fell_behind_total", "Snapshots for being too slow.", metrics.fell_behind.value());
    text.gauge("sd_registry_push_members", "Services that registered by push.", app.push.members());
    text.counter("sd_registry_pushes_total", "Patches that were answered.", metrics.pushes.value());
    text.counter("sd_registry_pushes_failed_total", "Patches that were not.", metrics.pushes_failed.value());
    text.counter(
        "sd_registry_push_heartbeats_failed_total",
        "Heartbeats asked for and not answered.",
        metrics.heartbeats_failed.value(),
    );
    text.counter("sd_registry_tokens_refused_total", "Requests without a known token.", metrics.refused_tokens.value());
    text.counter("sd_registry_rate_refused_total", "Requests above a client's rate.", metrics.refused_rate.value());
    let refused = metrics.refused_connections.value();
    text.counter("sd_registry_connections_refused_total", "Connections above a limit.", refused);
    text.head("sd_registry_requests_total", "Requests, by class of status.", "counter");
    for (class, counter) in metrics.requests.iter().enumerate().skip(2) {
        text.line(&format!("sd_registry_requests_total{{status=\"{class}xx\"}}"), counter.value());
    }
    text.timing("sd_registry_commit_seconds", "How long a batch took to be safe on disk.", &metrics.commits);
    text.0
}

struct Text(String);

impl Text {
    fn head(&mut self, name: &str, help: &str, kind: &str) {
        // Writing to a String can't fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn line(&mut self, name: &str, value: impl Display) {
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "gauge");
        self.line(name, value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.head(name, help, "counter");
        self.line(name, value);
    }

    fn timing(&mut self, name: &str, help: &str, timing: &Timing) {
        self.head(name, help, "histogram");
        let mut below = 0;
        for (bound, bucket) in BOUNDS_US.iter().zip(&timing.buckets) {
            below += bucket.value();
            self.line(&format!("{name}_bucket{{le=\"{}\"}}", *bound as f64 / 1e6), below);
        }
        self.line(&format!("{name}_bucket{{le=\"+Inf\"}}"), timing.count.value());
        self.line(&format!("{name}_sum"), timing.total_us.value() as f64 / 1e6);
        self.line(&format!("{name}_count"), timing.count.value());
    }
}
