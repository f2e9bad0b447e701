//! The retry budget: 20 % and 10 per second over 10 s, and what it does to a service in trouble.

mod common;

use std::time::Duration;

use common::{Act, fixed, scripted};
use proptest::prelude::*;
use sd_core::ErrorKind;
use sd_lb::{Balanced, Budget, GaveUp, Retry, RoundRobin};
use tokio::time::advance;

const SECOND: Duration = Duration::from_secs(1);

/// How many retries it gives at this moment.
fn left(budget: &Budget) -> usize {
    std::iter::from_fn(|| budget.withdraw().then_some(())).take(100_000).count()
}

fn call(budget: &Budget, times: usize) {
    for _ in 0..times {
        budget.deposit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_of_calls_and_some_per_second() {
    let budget = Budget::default();
    assert_eq!(left(&budget), 100);
    call(&budget, 1000);
    assert_eq!(left(&budget), 200);
    assert_eq!(left(&budget), 0);
}

#[tokio::test(start_paused = true)]
async fn both_leave_the_window() {
    let budget = Budget::default();
    call(&budget, 1000);
    assert_eq!(left(&budget), 300);
    advance(5 * SECOND).await;
    assert_eq!(left(&budget), 0);
    advance(5 * SECOND).await;
    assert_eq!(left(&budget), 100);
}

#[tokio::test(start_paused = true)]
async fn in_a_steady_stream_the_share_is_kept() {
    let budget = Budget::new(0.2, 0, 10 * SECOND).unwrap();
    let mut retries = 0;
    for _ in 0..600 {
        call(&budget, 100);
        retries += left(&budget);
        advance(SECOND / 10).await;
    }
    assert!((11_500..=12_100).contains(&retries), "{retries}");
}

#[tokio::test(start_paused = true)]
async fn calls_of_long_ago_count_at_their_mean_rate_and_for_one_window() {
    let budget = Budget::new(0.2, 0, 10 * SECOND).unwrap();
    // An hour of 100 calls a second, and then the first trouble.
    call(&budget, 360_000);
    advance(Duration::from_secs(3600)).await;
    let given = left(&budget);
    assert!((190..=201).contains(&given), "{given}");
    advance(10 * SECOND).await;
    assert_eq!(left(&budget), 0);
}

#[test]
fn bad_budgets_are_refused() {
    for (share, window) in [(-0.1, 10), (f64::NAN, 10), (f64::INFINITY, 10), (0.2, 0), (0.2, 61)] {
        let error = Budget::new(share, 10, Duration::from_secs(window)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
}

#[test]
fn calls_of_all_threads_count() {
    let budget = Budget::new(0.5, 0, 10 * SECOND).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| call(&budget, 1000));
        }
    });
    assert_eq!(left(&budget), 4000);
}

#[test]
fn none_and_everything() {
    assert_eq!(left(&Budget::new(0.0, 0, SECOND).unwrap()), 0);
    assert_eq!(left(&Budget::unlimited()), 100_000);
}

#[tokio::test(start_paused = true)]
async fn a_service_in_trouble_gets_little_more_than_its_calls() {
    let services = scripted([Act::Fail, Act::Fail, Act::Fail]);
    let retrying = Retry::attempts(3).wrap(Balanced::new(fixed(&services, RoundRobin::new()))).unwrap();
    let mut reasons = std::collections::HashMap::new();
    for _ in 0..10_000 {
        let error = retrying.clone().call(()).await.unwrap_err();
        *reasons.entry(error.reason).or_insert(0) += 1;
        assert!(!error.attempts.is_empty());
    }
    let attempts: usize = services.iter().map(common::Scripted::calls).sum();
    // Pauses take time, in which 10 retries a second come back.
    assert!((12_000..12_400).contains(&attempts), "{attempts}");
    assert!(reasons[&GaveUp::BudgetExhausted] > 5_000);
}

#[tokio::test(start_paused = true)]
async fn a_budget_may_be_shared() {
    let budget = Budget::new(0.0, 1, SECOND).unwrap();
    let services = scripted([Act::Fail, Act::Fail]);
    let balanced = Balanced::new(fixed(&services, RoundRobin::new()));
    let reason = async || {
        let retrying = Retry::attempts(2).budget(budget.clone()).wrap(balanced.clone()).unwrap();
        retrying.call(()).await.unwrap_err().reason
    };
    assert_eq!(reason().await, GaveUp::Exhausted);
    assert_eq!(reason().await, GaveUp::BudgetExhausted);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever happens when: as often as a retry is given, those of the window before it are no more than the calls of
    /// that window, and of the step before it, allow.
    #[test]
    fn never_more_than_allowed_in_a_window(
        steps in prop::collection::vec((0usize..200, 0u64..3000, any::<bool>()), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let budget = Budget::new(0.2, 2, 10 * SECOND).unwrap();
            let (mut now, mut calls, mut retries) = (0, Vec::new(), Vec::new());
            for (count, millis, ask) in steps {
                call(&budget, count);
                calls.push((now, count));
                // Asked at each step, so that no call is misplaced by more than a step.
                let given = if ask { left(&budget) } else { usize::from(budget.withdraw()) };
                retries.push((now, given));
                advance(Duration::from_millis(millis)).await;
                now += millis;
            }
            for (at, _) in retries.iter().filter(|(_, given)| *given > 0) {
                let within = |list: &[(u64, usize)], before: u64| -> usize {
                    let from = at.saturating_sub(before);
                    list.iter().filter(|(when, _)| (from..=*at).contains(when)).map(|(_, count)| count).sum()
                };
                // The window is 9 to 10 slices long, and calls may be credited from the slice before.
                let (given, called) = (within(&retries, 8_999), within(&calls, 13_000));
                assert!(given as f64 <= 0.2 * called as f64 + 20.0, "{given} of {called} at {at}");
            }
        });
    }
}
