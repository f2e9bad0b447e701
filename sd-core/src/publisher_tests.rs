//! What is published, when, and what is not.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tokio::time::advance;

use super::*;
use crate::delta::Delta;
use crate::snapshot::Basis;

const TTL: Duration = Duration::from_secs(10);
const GRACE: Duration = Duration::from_secs(30);

fn instance(number: u16, weight: u32) -> Arc<Instance> {
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], 1000 + number));
    Arc::new(Instance::new(address).with_id(format!("{number:05}")).with_weight(weight))
}

fn instances(numbers: impl IntoIterator<Item = u16>) -> Vec<Arc<Instance>> {
    numbers.into_iter().map(|number| instance(number, 1)).collect()
}

fn remove(number: u16) -> Change {
    Change::Remove(instance(number, 1).shared_id())
}

fn publisher() -> Publisher {
    Publisher::new(StalenessPolicy::default(), TTL)
}

fn numbers(snapshot: &Snapshot) -> Vec<u16> {
    snapshot.iter().map(|instance| instance.id().parse().unwrap()).collect()
}

fn outage() -> Error {
    Error::unavailable("down")
}

/// Lets the deadlines be kept while time passes.
async fn pass(publisher: &Publisher, time: Duration) {
    tokio::select! {
        () = publisher.keep_deadlines() => {}
        () = tokio::time::sleep(time) => {}
    }
}

#[derive(Debug, Clone)]
enum Act {
    Replace(Vec<(u16, u32)>),
    Apply(Vec<(u16, Option<u32>)>),
    Fail,
    Live,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let entry = (0u16..20, 1u32..4);
    let change = (0u16..20, prop::option::of(1u32..4));
    let act = prop_oneof![
        prop::collection::vec(entry, 0..25).prop_map(Act::Replace),
        prop::collection::vec(change, 0..8).prop_map(Act::Apply),
        Just(Act::Fail),
        Just(Act::Live),
    ];
    prop::collection::vec(act, 0..30)
}

proptest! {
    /// Without holds, the newest publication is what the acts add up to; and every promise about it holds on the way.
    #[test]
    fn any_sequence_of_acts_ends_at_what_the_model_says(acts in acts()) {
        let policy = StalenessPolicy::default().hold_share(1.0).unwrap();
        let publisher = Publisher::new(policy, TTL);
        let mut model: BTreeMap<u16, u32> = BTreeMap::new();
        for act in acts {
            let before = publisher.current();
            let model_before = model.clone();
            match &act {
                Act::Replace(entries) => {
                    model = entries.iter().copied().collect();
                    publisher.replace(entries.iter().map(|(number, weight)| instance(*number, *weight)));
                }
                Act::Apply(changes) => {
                    for (number, weight) in changes {
                        match weight {
                            Some(weight) => model.insert(*number, *weight),
                            None => model.remove(number),
                        };
                    }
                    publisher.apply(changes.iter().map(|(number, weight)| match weight {
                        Some(weight) => Change::Put(instance(*number, *weight)),
                        None => remove(*number),
                    }));
                }
                Act::Fail => publisher.fail(outage()),
                Act::Live => publisher.live(),
            }
            let after = publisher.current();
            // The content.
            let found: BTreeMap<u16, u32> =
                after.iter().map(|instance| (instance.id().parse().unwrap(), instance.weight())).collect();
            prop_assert_eq!(&found, &model);
            prop_assert_eq!(after.len(), model.len());
            prop_assert!(after.iter().zip(after.iter().skip(1)).all(|(a, b)| a.id() < b.id()));
            // The freshness.
            let failed = matches!(act, Act::Fail);
            prop_assert_eq!(after.freshness().is_live(), !failed);
            prop_assert_eq!(after.freshness().is_pending(), failed && before.freshness().is_pending());
            // The version moves exactly when something moved.
            let moved = failed || !before.freshness().is_live() || model != model_before;
            prop_assert_eq!(after.version(), before.version() + u64::from(moved), "after {:?}", act);
            // What did not change is the very same.
            for instance in before.iter() {
                if let Some(kept) = after.get(instance.id()) {
                    prop_assert_eq!(Arc::ptr_eq(instance, kept), instance == kept);
                }
            }
        }
    }

    /// A subscriber that follows every publication by deltas arrives at the same set.
    #[test]
    fn deltas_add_up(acts in acts()) {
        let publisher = publisher();
        let mut followed: BTreeMap<String, Arc<Instance>> = BTreeMap::new();
        let mut last = publisher.current();
        for act in acts {
            match act {
                Act::Replace(entries) => publisher.replace(entries.iter().map(|(n, w)| instance(*n, *w))),
                Act::Apply(changes) => publisher.apply(changes.iter().map(|(number, weight)| match weight {
                    Some(weight) => Change::Put(instance(*number, *weight)),
                    None => remove(*number),
                })),
                Act::Fail => publisher.fail(outage()),
                Act::Live => publisher.live(),
            }
            let now = publisher.current();
            let delta = Delta::between(&last, &now);
            for gone in &delta.removed {
                prop_assert!(followed.remove(gone.id()).is_some());
            }
            for new in delta.added.iter().chain(&delta.changed) {
                followed.insert(new.id().to_owned(), Arc::clone(new));
            }
            prop_assert!(followed.values().eq(now.iter()));
            last = now;
        }
    }

    /// However holds come and go: nothing that is registered is missing, and nothing is kept beyond the age limit.
    #[test]
    fn a_hold_only_ever_adds_and_always_ends(
        sets in prop::collection::vec((prop::collection::btree_set(0u16..20, 0..20), 0u64..40), 1..20),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let publisher = publisher();
            for (set, seconds) in sets {
                publisher.fail(outage());
                publisher.replace(instances(set.iter().copied()));
                pass(&publisher, Duration::from_secs(seconds)).await;
                let seen = numbers(&publisher.current());
                prop_assert!(set.iter().all(|number| seen.contains(number)));
                match *publisher.current().basis() {
                    Basis::Held { missing, .. } => prop_assert_eq!(seen.len(), set.len() + missing),
                    ref basis => {
                        prop_assert_eq!(basis, &Basis::Registry);
                        prop_assert_eq!(seen.len(), set.len());
                    }
                }
                let last = set;
                if seen.len() > last.len() {
                    let mut trial = Vec::new();
                    let after = publisher.clone();
                    pass(&after, crate::defaults::HOLD_AGE_LIMIT).await;
                    trial.extend(numbers(&after.current()));
                    prop_assert_eq!(trial, last.into_iter().collect::<Vec<_>>());
                }
            }
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn go_kit_empty_answer_does_not_wipe_everything() {
    let publisher = publisher();
    publisher.replace(instances(0..10));
    publisher.fail(outage());
    publisher.replace(instances([]));
    let held = publisher.current();
    assert_eq!(held.len(), 10);
    assert!(held.freshness().is_live());
    assert!(matches!(held.basis(), Basis::Held { missing: 10, .. }), "{held:?}");
    pass(&publisher, GRACE - Duration::from_secs(1)).await;
    assert_eq!(publisher.current().len(), 10);
    pass(&publisher, Duration::from_secs(2)).await;
    assert!(publisher.current().is_empty());
    assert_eq!(*publisher.current().basis(), Basis::Registry);
}

#[tokio::test(start_paused = true)]
async fn those_that_come_back_during_a_hold_are_counted_out_of_it() {
    let publisher = publisher();
    publisher.replace(instances(0..4));
    publisher.fail(outage());
    publisher.replace(instances([]));
    publisher.apply([Change::Put(instance(0, 1))]);
    assert!(matches!(publisher.current().basis(), Basis::Held { missing: 3, .. }));
    publisher.replace(instances(0..3));
    assert!(matches!(publisher.current().basis(), Basis::Held { missing: 1, .. }));
    publisher.apply([Change::Put(instance(3, 1))]);
    assert_eq!(*publisher.current().basis(), Basis::Registry);
    assert_eq!(numbers(&publisher.current()), [0, 1, 2, 3]);
    pass(&publisher, GRACE * 20).await;
    assert_eq!(publisher.current().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn half_or_less_may_go_at_once_and_so_may_what_a_live_watch_sees_go() {
    let publisher = publisher();
    publisher.replace(instances(0..10));
    publisher.fail(outage());
    publisher.replace(instances(0..5));
    assert_eq!((publisher.current().len(), publisher.current().basis()), (5, &Basis::Registry));
    publisher.apply((0..5).map(remove));
    assert!(publisher.current().is_empty(), "a live registry is believed");
    publisher.replace(instances(0..10));
    publisher.replace(instances([]));
    assert!(publisher.current().is_empty(), "so is a re-list without a break");
}

#[tokio::test(start_paused = true)]
async fn a_live_mass_removal_is_held_where_that_is_asked_for() {
    let publisher = Publisher::new(StalenessPolicy::default().hold_live(true), TTL);
    publisher.replace(instances(0..4));
    publisher.apply([remove(0)]);
    assert_eq!(numbers(&publisher.current()), [1, 2, 3], "one of four may go");
    publisher.apply([remove(1), remove(2), Change::Put(instance(2, 1)), remove(3), remove(2)]);
    assert_eq!(numbers(&publisher.current()), [1, 2, 3]);
    assert!(matches!(publisher.current().basis(), Basis::Held { missing: 3, .. }));
    pass(&publisher, GRACE + Duration::from_secs(1)).await;
    assert!(publisher.current().is_empty());
}

#[tokio::test(start_paused = true)]
async fn dubbo_9965_no_hold_lasts_longer_than_its_age_limit_however_often_it_is_renewed() {
    let policy = StalenessPolicy::default().hold_age_limit(Duration::from_secs(60));
    let publisher = Publisher::new(policy, TTL);
    publisher.replace(instances(0..8));
    let started = Instant::now();
    // A registry that flaps: each round loses most of what came back since.
    while publisher.current().get("00000").is_some() {
        assert!(started.elapsed() <= Duration::from_secs(61), "held for {:?}", started.elapsed());
        publisher.fail(outage());
        publisher.replace(instances([]));
        pass(&publisher, Duration::from_secs(5)).await;
        publisher.apply((1..8).map(|number| Change::Put(instance(number, 1))));
    }
}

#[tokio::test(start_paused = true)]
async fn a_grace_is_three_ttls_and_at_least_half_a_minute() {
    for (ttl, grace) in [(1, 30), (10, 30), (20, 60), (1000, 300)] {
        let publisher = Publisher::new(StalenessPolicy::default(), Duration::from_secs(ttl));
        publisher.replace(instances(0..3));
        publisher.fail(outage());
        publisher.replace(instances([]));
        let Basis::Held { until, .. } = *publisher.current().basis() else { panic!("not held") };
        assert_eq!(until - Instant::now().into_std(), Duration::from_secs(grace), "TTL {ttl}");
    }
}

#[tokio::test(start_paused = true)]
async fn spring_1215_a_stale_set_is_kept_without_limit_and_shows_its_age() {
    let publisher = publisher();
    publisher.replace(instances(0..3));
    publisher.fail(outage());
    pass(&publisher, Duration::from_secs(24 * 3600)).await;
    publisher.fail(Error::unavailable("still down"));
    let stale = publisher.current();
    assert_eq!(stale.len(), 3);
    assert_eq!(*stale.basis(), Basis::LastKnownGood);
    assert!(stale.freshness().age().unwrap() >= Duration::from_secs(24 * 3600), "since the first failure");
    assert_eq!(stale.freshness().error().unwrap().message(), "still down", "the newest error");
    publisher.live();
    assert!(publisher.current().freshness().is_live() && *publisher.current().basis() == Basis::Registry);
}

#[tokio::test(start_paused = true)]
async fn a_stale_set_is_dropped_after_the_time_that_was_asked_for() {
    let policy = StalenessPolicy::default().invalidate_after(Duration::from_secs(60));
    let publisher = Publisher::new(policy, TTL);
    publisher.replace(instances(0..3));
    publisher.fail(outage());
    pass(&publisher, Duration::from_secs(59)).await;
    publisher.fail(outage());
    assert_eq!(publisher.current().len(), 3);
    pass(&publisher, Duration::from_secs(2)).await;
    let dropped = publisher.current();
    assert!(dropped.is_empty() && dropped.freshness().is_stale() && *dropped.basis() == Basis::Invalidated);
    let version = dropped.version();
    pass(&publisher, Duration::from_secs(3600)).await;
    assert_eq!(publisher.current().version(), version, "it is dropped once");
}

#[tokio::test(start_paused = true)]
async fn a_session_that_resumes_after_the_set_was_dropped_has_all_of_it() {
    let policy = StalenessPolicy::default().invalidate_after(Duration::from_secs(60));
    for resume in [
        (|publisher: &Publisher| publisher.live()) as fn(&Publisher),
        |publisher| publisher.apply([]),
        |publisher| publisher.replace(instances(0..3)),
    ] {
        let publisher = Publisher::new(policy.clone(), TTL);
        publisher.replace(instances(0..3));
        let before = publisher.current();
        publisher.fail(outage());
        pass(&publisher, Duration::from_secs(61)).await;
        assert!(publisher.current().is_empty());
        resume(&publisher);
        let after = publisher.current();
        assert_eq!((numbers(&after), after.basis()), (vec![0, 1, 2], &Basis::Registry));
        assert!(after.freshness().is_live() && before.iter().zip(after.iter()).all(|(a, b)| Arc::ptr_eq(a, b)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_dropped_for_its_age_is_neither_held_nor_brought_back() {
    let policy = StalenessPolicy::default().invalidate_after(Duration::from_secs(10));
    let publisher = Publisher::new(policy, TTL);
    publisher.replace(instances(0..6));
    publisher.fail(outage());
    publisher.replace(instances([0]));
    assert_eq!(publisher.current().len(), 6, "five are held");
    publisher.fail(outage());
    pass(&publisher, Duration::from_secs(11)).await;
    assert!(publisher.current().is_empty());
    publisher.live();
    assert_eq!(numbers(&publisher.current()), [0], "what the registry held, without what was held beyond it");
    publisher.replace(instances(0..6));
    publisher.fail(outage());
    pass(&publisher, Duration::from_secs(11)).await;
    publisher.replace(instances([5]));
    assert_eq!((numbers(&publisher.current()), publisher.current().basis()), (vec![5], &Basis::Registry));
}

#[tokio::test(start_paused = true)]
async fn empty_unknown_and_failed_are_three_states() {
    let publisher = publisher();
    assert!(publisher.current().freshness().is_pending() && *publisher.current().basis() == Basis::Unknown);
    publisher.fail(outage());
    let failing = publisher.current();
    assert!(failing.freshness().is_pending() && failing.freshness().error().is_some());
    publisher.replace([]);
    assert!(publisher.current().freshness().is_live() && *publisher.current().basis() == Basis::Registry);
    publisher.fail(outage());
    assert!(publisher.current().freshness().is_stale() && *publisher.current().basis() == Basis::LastKnownGood);
}

#[tokio::test(start_paused = true)]
async fn kratos_one_bad_value_does_not_fail_the_list_and_is_counted_once() {
    let publisher = publisher();
    publisher.replace(instances(0..2));
    let reason = "no JSON";
    publisher.skip("/a", 1, &reason);
    let version = publisher.current().version();
    publisher.skip("/a", 1, &reason);
    assert_eq!(publisher.current().version(), version, "once per key and revision");
    publisher.skip("/a", 2, &reason);
    publisher.skip("/b", 2, &reason);
    assert_eq!((publisher.current().skipped(), publisher.current().len()), (2, 2));
    publisher.unskip("/a");
    publisher.unskip("/never");
    assert_eq!(publisher.current().skipped(), 1);
    publisher.retain_skipped(|key| key != "/b");
    assert_eq!(publisher.current().skipped(), 0);
    for number in 0..2000 {
        publisher.skip(&format!("/{number}"), 1, &reason);
    }
    assert!(publisher.current().skipped() <= SKIPPED_REMEMBERED, "what is remembered is bounded");
}

#[tokio::test(start_paused = true)]
async fn go_kit_626_unread_subscriber_blocks_nobody() {
    let publisher = publisher();
    let unread = publisher.subscribe();
    let mut slow = publisher.subscribe();
    slow.changed().await.unwrap();
    for weight in 1..1000 {
        publisher.apply([Change::Put(instance(0, weight))]);
    }
    let seen = slow.changed().await.unwrap();
    assert_eq!(seen.iter().next().unwrap().weight(), 999, "the newest, and none in between");
    assert!(tokio::time::timeout(GRACE, slow.changed()).await.is_err());
    drop(unread);
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_told_when_there_is_something_it_has_not_seen() {
    let publisher = publisher();
    publisher.replace(instances(0..1));
    let mut first = publisher.subscribe();
    assert_eq!(first.changed().await.unwrap().len(), 1, "what is known counts as unseen");
    let mut second = first.clone();
    assert!(tokio::time::timeout(TTL, second.changed()).await.is_err(), "a clone has seen what its origin saw");
    publisher.replace(instances(0..1));
    assert!(tokio::time::timeout(TTL, first.changed()).await.is_err(), "no change, no publication");
    publisher.replace(instances(0..2));
    assert_eq!((first.changed().await.unwrap().len(), second.changed().await.unwrap().len()), (2, 2));
    assert_eq!(publisher.subscribers(), 2);
    drop(publisher);
    assert!(first.changed().await.is_none() && first.snapshot().len() == 2, "the last state stays");
}

#[tokio::test(start_paused = true)]
async fn until_live_and_unwatched_resolve_when_it_is_so() {
    let publisher = publisher();
    let writer = publisher.clone();
    let live = tokio::spawn(async move { writer.until_live().await });
    advance(TTL).await;
    assert!(!live.is_finished());
    publisher.fail(outage());
    publisher.replace([]);
    live.await.unwrap();
    publisher.unwatched().await;
    let subscription = publisher.subscribe();
    assert!(tokio::time::timeout(TTL, publisher.unwatched()).await.is_err());
    drop(subscription);
    publisher.unwatched().await;
}

#[tokio::test(start_paused = true)]
async fn a_cursor_is_kept_through_failures_until_it_is_set_anew() {
    let publisher = publisher();
    assert_eq!(publisher.cursor(), None);
    let cursor = Cursor { position: 7, epoch: 1 };
    publisher.set_cursor(Some(cursor));
    publisher.fail(outage());
    publisher.replace(instances(0..2));
    assert_eq!(publisher.cursor(), Some(cursor));
    publisher.set_cursor(None);
    assert_eq!(publisher.cursor(), None);
}
