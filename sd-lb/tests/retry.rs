//! Retry: attempts, times, pauses, budget, errors.

mod common;

use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;

use common::{Act, Scripted, fixed, scripted};
use sd_core::{ErrorKind, SeededRandomness};
use sd_lb::{Balanced, Budget, CallError, Counted, GaveUp, Never, Retry, RetryErrors, RoundRobin};
use tokio::time::Instant;

fn retry() -> Retry {
    Retry::attempts(3).budget(Budget::unlimited()).randomness(Arc::new(SeededRandomness::new(1)))
}

fn over(services: &[Scripted]) -> Balanced<Scripted> {
    Balanced::new(fixed(services, RoundRobin::new()))
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn the_first_answer_is_the_answer() {
    let services = scripted([Act::Answer]);
    let retrying = retry().wrap(over(&services)).unwrap();
    assert_eq!(retrying.call(()).await.unwrap(), 1);
    assert_eq!(services[0].calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_goes_to_another_instance_and_is_in_the_error() {
    let services = scripted([Act::Fail, Act::Fail, Act::Fail]);
    let retrying = retry().wrap(over(&services)).unwrap();
    for _ in 0..20 {
        let error = retrying.call(()).await.unwrap_err();
        assert_eq!(error.reason, GaveUp::Exhausted);
        let mut called: Vec<_> = error.attempts.iter().map(|attempt| attempt.instance().unwrap().id()).collect();
        called.sort_unstable();
        assert_eq!(called, ["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]);
        assert!(error.to_string().starts_with("all 3 attempts failed (127.0.0.1:"), "{error}");
        let source = error.source().unwrap();
        assert!(source.to_string().starts_with("the call to 127.0.0.1:"), "{source}");
        assert_eq!(source.source().unwrap().to_string(), "refused");
    }
}

#[tokio::test(start_paused = true)]
async fn the_second_attempt_is_at_once_and_the_third_after_a_pause() {
    let services = scripted([Act::Fail, Act::Fail, Act::Fail]);
    let retrying = retry().wrap(over(&services)).unwrap();
    let mut pauses = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let began = Instant::now();
        retrying.call(()).await.unwrap_err();
        pauses.insert(began.elapsed().as_millis());
    }
    assert!(pauses.iter().all(|millis| (25..=51).contains(millis)), "{pauses:?}");
    assert!(pauses.len() > 10, "jitter: {pauses:?}");
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_to_the_longest() {
    let services = scripted([Act::Fail]);
    let retrying = retry().pauses(Duration::from_millis(10), Duration::from_millis(40)).wrap(over(&services)).unwrap();
    let began = Instant::now();
    assert_eq!(retrying.call(()).await.unwrap_err().attempts.len(), 3);
    // 10 to 20, and 10 to 40; timers are of whole milliseconds.
    assert!((20..=62).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_total_time_counts_pauses_and_slow_attempts() {
    let services = scripted([Act::FailAfter(SECOND)]);
    let retrying = Retry::attempts(100).within(3 * SECOND).wrap(over(&services)).unwrap();
    let began = Instant::now();
    let error = retrying.call(()).await.unwrap_err();
    assert_eq!((error.reason, error.attempts.len()), (GaveUp::TimedOut, 3));
    assert_eq!(began.elapsed().as_millis(), 3000);
    assert_eq!(error.attempts[0].took.as_millis(), 1000);
    assert!(matches!(error.last(), Some(CallError::TimedOut { .. })));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up_and_its_place_in_the_count_with_it() {
    let services = scripted([Act::Hang, Act::Hang, Act::Answer]);
    let balanced = over(&services);
    let retrying = retry().within(10 * SECOND).per_attempt(SECOND).wrap(balanced.clone()).unwrap();
    for _ in 0..10 {
        assert_eq!(retrying.call(()).await.unwrap(), 3);
    }
    let present = balanced.cell().load();
    assert!(present.members().iter().all(|member| member.load().in_flight() == 0));
    assert!(present.members().iter().any(|member| member.load().failures_in_a_row() > 0));
}

#[tokio::test(start_paused = true)]
async fn a_policy_may_refuse_a_response() {
    let services = scripted([Act::Answer, Act::Answer]);
    let retrying = retry().policy(Odd).wrap(over(&services)).unwrap();
    for _ in 0..10 {
        assert_eq!(retrying.call(()).await.unwrap(), 2);
    }
    // The last attempt's response stands.
    let retrying = retry().policy(Odd).wrap(over(&services[..1])).unwrap();
    assert_eq!(retrying.call(()).await.unwrap(), 1);
}

#[derive(Debug)]
struct Odd;

impl<E> sd_lb::RetryPolicy<(), u16, E> for Odd {
    fn clone_request(&self, _request: &()) -> Option<()> {
        Some(())
    }

    fn judge(&self, result: Result<&u16, &CallError<E>>) -> sd_lb::Verdict {
        match result {
            Ok(answer) if answer % 2 == 0 => sd_lb::Verdict::Stands,
            _ => sd_lb::Verdict::TryAgain,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_be_cloned_gets_one_attempt() {
    struct Once;
    let services = scripted([Act::Fail, Act::Answer]);
    let retrying = retry().policy(Never).wrap(over(&services[..1])).unwrap();
    let error = retrying.call(Once).await.unwrap_err();
    assert_eq!((error.reason, error.attempts.len()), (GaveUp::NotRetryable, 1));
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_moves_the_request() {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    static CLONES: AtomicUsize = AtomicUsize::new(0);
    #[derive(Debug)]
    struct Request;
    impl Clone for Request {
        fn clone(&self) -> Self {
            CLONES.fetch_add(1, Relaxed);
            Self
        }
    }
    let services = scripted([Act::Fail, Act::Fail, Act::Fail]);
    let retrying = retry().wrap(over(&services)).unwrap();
    retrying.call(Request).await.unwrap_err();
    assert_eq!(CLONES.load(Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn bad_limits_are_refused_by_name() {
    let balanced = || over(&scripted([]));
    let refused = [
        Retry::attempts(0).wrap(balanced()),
        Retry::attempts(1).within(Duration::ZERO).wrap(balanced()),
        Retry::attempts(1).per_attempt(Duration::ZERO).wrap(balanced()),
        Retry::attempts(1).pauses(2 * SECOND, SECOND).wrap(balanced()),
    ];
    for refused in refused {
        let error = refused.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Config);
    }
    assert!(Retry::attempts(u32::MAX).within(Duration::MAX).wrap(balanced()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_it_waits_without_one() {
    let services = scripted([Act::Take(3600 * SECOND)]);
    let retrying = Retry::attempts(1).within(Duration::MAX).wrap(over(&services)).unwrap();
    assert_eq!(retrying.call(()).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_closure_form_retries_and_counts() {
    let services = scripted([Act::Fail, Act::Answer]);
    let balanced = over(&services);
    let retrying = retry().wrap(balanced.clone()).unwrap();
    for _ in 0..10 {
        let run = retrying.run(5u16, |service: Counted<Scripted>, add| async move {
            let answer = tower::ServiceExt::oneshot(service, ()).await?;
            Ok::<_, common::Refused>(answer + add)
        });
        assert_eq!(tokio::spawn(run).await.unwrap().unwrap(), 7);
    }
    assert!(balanced.cell().load().members().iter().all(|member| member.load().in_flight() == 0));
    assert!(services[0].calls() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_kept_by_the_closures_result_still_counts() {
    let services = scripted([Act::Answer]);
    let balanced = over(&services);
    let retrying = retry().wrap(balanced.clone()).unwrap();
    let stream = retrying.run((), |service, ()| async move { Ok::<_, common::Refused>(service) }).await.unwrap();
    let in_flight = || balanced.cell().load().members().get(0).unwrap().load().in_flight();
    assert_eq!(in_flight(), 1);
    drop(stream);
    assert_eq!(in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_default_policy_is_for_any_clone_request() {
    let services = scripted([Act::Fail, Act::Answer]);
    let retrying = retry().policy(RetryErrors).wrap(over(&services)).unwrap();
    assert_eq!(retrying.call("text".to_owned()).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn only_the_errors_that_are_named_are_tried_again_and_attempts_out_of_time() {
    let services = scripted([Act::Fail, Act::Fail]);
    let never = retry().only_if(|_: &common::Refused| false).wrap(over(&services)).unwrap();
    let error = never.call(()).await.unwrap_err();
    assert_eq!((error.reason, error.attempts.len()), (GaveUp::NotRetryable, 1));
    let always = retry().only_if(|_: &common::Refused| true).wrap(over(&services)).unwrap();
    assert_eq!(always.call(()).await.unwrap_err().attempts.len(), 3);

    let services = scripted([Act::Hang, Act::Hang]);
    let late = retry().per_attempt(SECOND / 10).only_if(|_: &common::Refused| false).wrap(over(&services)).unwrap();
    assert_eq!(late.call(()).await.unwrap_err().attempts.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_picked_service_says_who_it_is_until_its_ticket_is_taken() {
    let services = scripted([Act::Answer]);
    let retrying = retry().wrap(over(&services)).unwrap();
    let run = retrying.run((), |mut service: Counted<Scripted>, ()| async move {
        let who = service.instance().unwrap().id().to_owned();
        assert!(service.clone().instance().is_none());
        tower::Service::<()>::call(&mut service, ()).await?;
        assert!(service.instance().is_none());
        Ok::<_, common::Refused>(who)
    });
    assert_eq!(run.await.unwrap(), "127.0.0.1:1");
}
