//! Watches, as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::engine::change::Epoch;
use crate::engine::ledger::Following;
use crate::engine::watcher::{Begin, News, Scope, Snapshot, Watcher};
use crate::http::access::{Caller, Refreshed};
use crate::http::app::App;
use crate::http::problem::Problem;
use crate::http::reads::{queried, readable, stale_answer};
use crate::http::snapshot_parts::SnapshotParts;
use crate::metrics::Present;
use crate::wire::{StaleAnswer, present};

/// Where a watch goes on.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WatchQuery {
    #[serde(default, deserialize_with = "present")]
    revision: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    epoch: Option<String>,
}

pub(crate) async fn service(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<WatchQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let service = readable(&caller, path)?;
    watch_scope(app, caller, Scope::Service(service), query, &headers).await
}

pub(crate) async fn instances(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<WatchQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    watch_scope(app, caller, Scope::Instances, query, &headers).await
}

pub(crate) async fn names(
    State(app): State<App>,
    caller: Caller,
    query: Result<Query<WatchQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    watch_scope(app, caller, Scope::Names, query, &headers).await
}

async fn watch_scope(
    app: App,
    caller: Caller,
    scope: Scope,
    query: Result<Query<WatchQuery>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let query = queried(query)?;
    let view = app.ledger.view();
    let epoch = epoch_for(view.epoch, &caller, &scope);
    let resume = resume(epoch, &query, headers)?;
    let limit = app.limits.watchers;
    let present = app.metrics.watchers.enter(limit).ok_or_else(|| {
        Problem::too_many("too-many-watchers", format!("{limit} watches are open, which is the limit"))
    })?;
    let following = app.ledger.follow(&scope).await?;
    let (watcher, begin) = Watcher::new(view, scope.clone(), resume);
    let stopping = app.stopping.clone();
    let mut stream = Stream {
        epoch,
        said: Instant::now(),
        app: app.clone(),
        caller,
        scope,
        watcher,
        following,
        told_stale: false,
        stopping,
        ready: VecDeque::new(),
        parts: None,
        _present: present,
    };
    stream.begin(begin);
    let body = stream::unfold(stream, |mut stream| async move {
        let chunk = stream.next().await?;
        Some((Ok::<_, Infallible>(chunk), stream))
    });
    // Proxies that hold answers back until they are whole would never pass one on.
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-store"),
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

/// What a watch's revisions count in. Whoever sees a part of many services has an epoch of their own: at another part,
/// with other rights, nothing can be resumed.
fn epoch_for(epoch: Epoch, caller: &Caller, scope: &Scope) -> Epoch {
    match scope {
        Scope::Service(_) => epoch,
        Scope::Instances | Scope::Names => Epoch(epoch.0 ^ caller.outlook()),
    }
}

/// After which revision to go on; `None`: from the beginning.
fn resume(epoch: Epoch, query: &WatchQuery, headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let wrong = |field: &str, given: &str| {
        Problem::invalid(field, format!("{field} {given:?}: write what an event's id said: 16 hex digits, -, a number"))
    };
    if let Some(header) = headers.get("last-event-id").filter(|value| !value.is_empty()) {
        let text = header.to_str().unwrap_or_default();
        let parsed = text
            .split_once('-')
            .and_then(|(epoch, revision)| Some((epoch.parse::<Epoch>().ok()?, revision.parse::<u64>().ok()?)));
        let Some((of, revision)) = parsed else { return Err(wrong("last-event-id", text)) };
        return Ok((of == epoch).then_some(revision));
    }
    let of = match &query.epoch {
        Some(text) => text
            .parse::<Epoch>()
            .map_err(|()| Problem::invalid("epoch", format!("epoch {text:?}: allowed are 16 hex digits")))?,
        None => epoch,
    };
    Ok(query.revision.filter(|_| of == epoch))
}

/// One watch. What it holds beside its position is a part of a snapshot, or some shared events, that are on their way.
struct Stream {
    app: App,
    caller: Caller,
    scope: Scope,
    epoch: Epoch,
    watcher: Watcher,
    following: Following,
    told_stale: bool,
    stopping: watch::Receiver<bool>,
    ready: VecDeque<Bytes>,
    parts: Option<SnapshotParts>,
    said: Instant,
    _present: Present,
}

impl Stream {
    fn begin(&mut self, begin: Begin) {
        match begin {
            Begin::Resumed(revision) => {
                self.app.metrics.resumed.one();
                let data = json!({ "epoch": self.epoch.to_string(), "revision": revision });
                self.ready.push_back(event(Some((self.epoch, revision)), "resumed", &data.to_string()));
                self.tell_freshness();
            }
            Begin::Snapshot(snapshot) => self.start_over(snapshot),
        }
    }

    fn start_over(&mut self, snapshot: Snapshot) {
        self.app.metrics.snapshots.one();
        let stale: Option<StaleAnswer> = self.following.stale().map(stale_answer);
        self.told_stale = stale.is_some();
        let names_only = self.scope == Scope::Names;
        self.parts = Some(SnapshotParts::new(snapshot, self.epoch, names_only, stale));
    }

    /// What is sent next; `None` ends the stream.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if *self.stopping.borrow() {
                return None;
            }
            if let Some(frame) = self.ready.pop_front() {
                self.said = Instant::now();
                return Some(frame);
            }
            if let Some(parts) = &mut self.parts {
                match parts.next(&self.caller) {
                    Some(part) => {
                        self.said = Instant::now();
                        return Some(part);
                    }
                    None => self.parts = None,
                }
            }
            let beat = self.said + self.app.heartbeat;
            tokio::select! {
                news = self.watcher.next() => match news {
                    News::Events(events) => {
                        let seen = events.iter().filter(|event| self.caller.sees(event.change.service()));
                        self.ready.extend(seen.map(|event| event.frame_in(self.epoch)));
                    }
                    News::Behind(snapshot) => {
                        self.app.metrics.fell_behind.one();
                        self.start_over(snapshot);
                    }
                },
                () = self.following.changed() => self.tell_freshness(),
                () = tokio::time::sleep_until(beat) => self.beat()?,
                _ = self.stopping.changed() => return None,
            }
        }
    }

    /// A sign of life; `None` when the caller has lost the right to be told anything.
    fn beat(&mut self) -> Option<()> {
        match self.caller.refresh() {
            Refreshed::Same => {}
            Refreshed::Revoked => return None,
            Refreshed::Changed => {
                if let Scope::Service(service) = &self.scope {
                    self.caller.may_read(service).ok()?;
                }
                let epoch = epoch_for(self.app.ledger.view().epoch, &self.caller, &self.scope);
                if epoch != self.epoch {
                    // What may be seen now was not told before, and what was told may not be seen now.
                    self.epoch = epoch;
                    let snapshot = self.watcher.start_over();
                    self.start_over(snapshot);
                    return Some(());
                }
            }
        }
        let revision = self.watcher.caught_up_to();
        let data = json!({ "revision": revision }).to_string();
        self.ready.push_back(event(Some((self.epoch, revision)), "heartbeat", &data));
        Some(())
    }

    fn tell_freshness(&mut self) {
        let stale = self.following.stale();
        match &stale {
            Some(stale) if !self.told_stale => {
                self.ready.push_back(event(None, "stale", &json!({ "error": stale.error }).to_string()));
            }
            None if self.told_stale => self.ready.push_back(event(None, "live", "{}")),
            _ => {}
        }
        self.told_stale = stale.is_some();
    }
}

/// A server-sent event.
fn event(id: Option<(Epoch, u64)>, name: &str, data: &str) -> Bytes {
    let id = id.map(|(epoch, revision)| format!("id: {epoch}-{revision}\n")).unwrap_or_default();
    Bytes::from(format!("{id}event: {name}\ndata: {data}\n\n"))
}
