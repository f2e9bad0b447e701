//! What the centre has told one registration, and when it was heard last.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sd_core::Error;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;

/// A patch as either centre writes it; Go's empty lists are `null`.
#[derive(Debug, Deserialize)]
pub(crate) struct Patch {
    #[serde(rename = "Added", default)]
    added: Option<Vec<Provider>>,
    #[serde(rename = "Removed", default)]
    removed: Option<Vec<Provider>>,
}

/// One provider of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub(crate) struct Provider {
    #[serde(rename = "Name")]
    pub(crate) name: String,
    #[serde(rename = "URL")]
    pub(crate) url: String,
}

/// What one registration hears.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) number: u64,
    state: Mutex<State>,
    /// Counts patches; a receiver sees that there are more.
    changed: watch::Sender<u64>,
    closed: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    /// A set, where the article's clients have a list: a centre that tells the whole again tells nothing new.
    providers: BTreeSet<Provider>,
    heard: Instant,
}

impl Feed {
    pub(crate) fn new(number: u64) -> Self {
        let state = State { providers: BTreeSet::new(), heard: Instant::now() };
        Self { number, state: Mutex::new(state), changed: watch::Sender::new(0), closed: watch::Sender::new(false) }
    }

    /// The centre has asked for a heartbeat.
    pub(crate) fn beat(&self) {
        self.state().heard = Instant::now();
    }

    /// The centre has pushed: first what is added counts, then what is removed, as with the article's clients.
    pub(crate) fn take(&self, patch: Patch) {
        let mut state = self.state();
        state.heard = Instant::now();
        state.providers.extend(patch.added.unwrap_or_default());
        for removed in patch.removed.unwrap_or_default() {
            state.providers.remove(&removed);
        }
        drop(state);
        self.changed.send_modify(|count| *count += 1);
    }

    /// The URLs of one service, in order.
    pub(crate) fn urls(&self, service: &str) -> Vec<String> {
        let state = self.state();
        state.providers.iter().filter(|provider| provider.name == service).map(|found| found.url.clone()).collect()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Nothing will be heard by this any more.
    pub(crate) fn close(&self) {
        self.closed.send_replace(true);
    }

    /// Resolves when nothing has been heard for so long, or nothing will be, and says why. Cancel safe.
    pub(crate) async fn silent(&self, limit: Duration) -> Error {
        let mut closed = self.closed.subscribe();
        let quiet = async {
            loop {
                let until = self.state().heard + limit;
                if until <= Instant::now() {
                    return;
                }
                tokio::time::sleep_until(until).await;
            }
        };
        tokio::select! {
            () = quiet => Error::unavailable(format!("the centre has let nothing be heard for {limit:?}")),
            // The sender lives in this feed.
            _ = closed.wait_for(|closed| *closed) => Error::unavailable("its registration has been taken back"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_again_is_nothing_new_and_null_is_an_empty_list() {
        let feed = Feed::new(1);
        let take = |text: &str| feed.take(serde_json::from_str(text).unwrap());
        take(r#"{"Added":[{"Name":"LogService","URL":"a"}],"Removed":null}"#);
        take(r#"{"Added":[{"Name":"LogService","URL":"a"},{"Name":"Other","URL":"b"}],"Removed":[]}"#);
        assert_eq!(feed.urls("LogService"), ["a"]);
        take(r#"{"Added":null,"Removed":[{"Name":"LogService","URL":"a"}]}"#);
        assert!(feed.urls("LogService").is_empty());
        assert_eq!(feed.urls("Other"), ["b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_counted_from_what_was_heard_last() {
        let feed = Feed::new(1);
        let limit = Duration::from_secs(10);
        tokio::time::advance(Duration::from_secs(9)).await;
        feed.beat();
        assert!(tokio::time::timeout(Duration::from_secs(9), feed.silent(limit)).await.is_err());
        assert!(tokio::time::timeout(Duration::from_secs(2), feed.silent(limit)).await.is_ok());
        let other = Feed::new(2);
        other.close();
        assert!(tokio::time::timeout(Duration::from_secs(1), other.silent(limit)).await.is_ok());
    }
}
