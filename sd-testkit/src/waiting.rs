//! Waiting for what must happen, and watching for what must not.

use std::fmt;
use std::time::Duration;

use sd_core::{CatalogSnapshot, CatalogSubscription, RegistrationHandle, RegistrationState, Snapshot, Subscription};
use tokio::time::{Instant, timeout};

/// How long anything that must happen may take before a test fails: generous, for slow and shared machines.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// Waits until a reader sees a snapshot that is as wanted.
///
/// # Panics
/// After [`PATIENCE`], telling `what` was waited for and what was seen last.
pub async fn until(
    what: &str,
    subscription: &mut Subscription,
    wanted: impl Fn(&Snapshot) -> bool + Send + Sync,
) -> Snapshot {
    until_it_is(what, subscription, wanted).await
}

/// Waits until a reader sees exactly these ids, live.
///
/// # Panics
/// After [`PATIENCE`].
pub async fn until_ids(what: &str, subscription: &mut Subscription, ids: &[&str]) -> Snapshot {
    let mut wanted = ids.to_vec();
    wanted.sort_unstable();
    let is_so = |snapshot: &Snapshot| {
        snapshot.freshness().is_live() && snapshot.iter().map(|i| i.id()).eq(wanted.iter().copied())
    };
    until(what, subscription, is_so).await
}

/// Waits until a reader of the catalog sees what is wanted.
///
/// # Panics
/// After [`PATIENCE`].
pub async fn until_catalog(
    what: &str,
    subscription: &mut CatalogSubscription,
    wanted: impl Fn(&CatalogSnapshot) -> bool + Send + Sync,
) -> CatalogSnapshot {
    until_it_is(what, subscription, wanted).await
}

/// Waits until a registration stands as wanted.
///
/// # Panics
/// After [`PATIENCE`].
pub async fn until_state(
    what: &str,
    handle: &mut RegistrationHandle,
    wanted: impl Fn(&RegistrationState) -> bool + Send + Sync,
) -> RegistrationState {
    until_it_is(what, handle, wanted).await
}

/// Asks again and again until the answer is yes: for what nobody gives word of.
///
/// # Panics
/// After [`PATIENCE`].
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Looks at every snapshot that a reader gets for as long as `time`, and wants each to be as said.
///
/// # Panics
/// At the first that is not.
pub async fn stays(
    what: &str,
    time: Duration,
    subscription: &mut Subscription,
    wanted: impl Fn(&Snapshot) -> bool + Send + Sync,
) {
    let check = |snapshot: &Snapshot| assert!(wanted(snapshot), "{what}: {snapshot:?}");
    check(&subscription.snapshot());
    let watched = timeout(time, async {
        while let Some(snapshot) = subscription.changed().await {
            check(&snapshot);
        }
    });
    assert!(watched.await.is_err(), "{what}: the subscription has ended");
}

/// The outcome of something that must end by itself.
///
/// # Panics
/// After [`PATIENCE`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: not within {PATIENCE:?}"),
    }
}

/// What has a newest state, and gives word of another.
trait Stateful: Send + Sync {
    type State: fmt::Debug + Send;

    fn newest(&self) -> Self::State;

    /// `false` when no other will come.
    fn another(&mut self) -> impl Future<Output = bool> + Send;
}

impl Stateful for Subscription {
    type State = Snapshot;

    fn newest(&self) -> Snapshot {
        self.snapshot()
    }

    async fn another(&mut self) -> bool {
        self.changed().await.is_some()
    }
}

impl Stateful for CatalogSubscription {
    type State = CatalogSnapshot;

    fn newest(&self) -> CatalogSnapshot {
        self.snapshot()
    }

    async fn another(&mut self) -> bool {
        self.changed().await.is_some()
    }
}

impl Stateful for RegistrationHandle {
    type State = RegistrationState;

    fn newest(&self) -> RegistrationState {
        self.state()
    }

    async fn another(&mut self) -> bool {
        self.changed().await.is_some()
    }
}

async fn until_it_is<S: Stateful>(
    what: &str,
    of: &mut S,
    wanted: impl Fn(&S::State) -> bool + Send + Sync,
) -> S::State {
    let seen = timeout(PATIENCE, async {
        loop {
            let state = of.newest();
            if wanted(&state) {
                return state;
            }
            assert!(of.another().await, "{what}: it has ended as {state:?}");
        }
    });
    match seen.await {
        Ok(state) => state,
        Err(_) => panic!("{what}: not within {PATIENCE:?}; last seen: {:?}", of.newest()),
    }
}
