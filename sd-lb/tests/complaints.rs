//! What users of others complain of, shown not to happen here. Each is named after the project and the number.

mod common;

use std::collections::HashMap;
use std::future::Ready;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use common::{Act, Refused, fixed, following, instance, noops, publisher, put, remove, scripted, until};
use sd_core::{Balancer, Endpointer, FixedEndpointer, Members, PickContext, PickRequest, Picker};
use sd_lb::{Balanced, Budget, CallError, GaveUp, Random, Retry, RetryPolicy, RoundRobin, Verdict};
use tokio::time::Instant;
use tower::ServiceExt;
use tower_service::Service;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn go_kit_1015_per_attempt_timeout() {
    let services = scripted([Act::Hang, Act::Answer]);
    let balanced = Balanced::new(fixed(&services, RoundRobin::new()));
    let retrying = Retry::attempts(3).within(10 * SECOND).per_attempt(SECOND).wrap(balanced).unwrap();
    let began = Instant::now();
    for _ in 0..2 {
        assert_eq!(retrying.call(()).await.unwrap(), 2);
    }
    assert_eq!((began.elapsed().as_secs(), services[0].calls()), (1, 1));
}

/// go-kit makes 1000 attempts in 0.77 ms.
#[tokio::test(start_paused = true)]
async fn go_kit_retry_backs_off_against_one_dead_endpoint() {
    let services = scripted([Act::Fail]);
    let balanced = Balanced::new(fixed(&services, RoundRobin::new()));
    let retry = Retry::attempts(1000).within(3 * SECOND);
    let began = Instant::now();
    let error = retry.clone().budget(Budget::unlimited()).wrap(balanced.clone()).unwrap().call(()).await.unwrap_err();
    assert_eq!((error.reason, began.elapsed().as_secs()), (GaveUp::TimedOut, 3));
    assert!((12..60).contains(&services[0].calls()), "{}", services[0].calls());
    // And a thousand callers together share one budget.
    let (retrying, before) = (retry.wrap(balanced).unwrap(), services[0].calls());
    let calls: Vec<_> = (0..1000).map(|_| tokio::spawn(retrying.call(()))).collect();
    for call in calls {
        call.await.unwrap().unwrap_err();
    }
    assert!(services[0].calls() - before < 1000 + 340, "{}", services[0].calls() - before);
}

/// go-kit makes 1000 attempts in 0.45 ms.
#[tokio::test(start_paused = true)]
async fn go_kit_retry_gives_up_at_once_on_a_known_empty_set() {
    let balanced = Balanced::new(fixed(&[], RoundRobin::new()));
    let retrying = Retry::attempts(1000).wrap(balanced).unwrap();
    let began = Instant::now();
    let error = retrying.call(()).await.unwrap_err();
    assert_eq!((error.reason, error.attempts.len()), (GaveUp::NoEndpoints, 1));
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert!(error.no_endpoints().is_some_and(|nobody| !nobody.undecided));
}

#[tokio::test(start_paused = true)]
async fn go_kit_total_timeout_keeps_collected_errors() {
    let services = scripted([Act::Fail, Act::Fail, Act::Hang]);
    let balanced = Balanced::new(fixed(&services, RoundRobin::new()));
    let retrying = Retry::attempts(5).within(SECOND).budget(Budget::unlimited()).wrap(balanced).unwrap();
    for _ in 0..10 {
        let error = retrying.call(()).await.unwrap_err();
        assert_eq!(error.reason, GaveUp::TimedOut);
        let (last, before) = error.attempts.split_last().unwrap();
        assert!(matches!(&last.error, CallError::TimedOut { instance, .. } if instance.id() == "127.0.0.1:3"));
        assert!(before.iter().all(|attempt| matches!(attempt.error, CallError::Service { .. })));
        assert!(error.attempts.len() <= 3);
    }
    // Also when the time ends in a pause.
    let balanced = Balanced::new(fixed(&services[..1], RoundRobin::new()));
    let slow = Retry::attempts(2).pauses(5 * SECOND, 5 * SECOND).within(SECOND).wrap(balanced).unwrap();
    let error = slow.call(()).await.unwrap_err();
    assert_eq!((error.reason, error.attempts.len()), (GaveUp::TimedOut, 1));
    assert!(error.attempts[0].error.service_error().is_some());
}

#[tokio::test(start_paused = true)]
async fn go_kit_retry_prefers_untried_instances() {
    let mut acts = vec![Act::Fail; 9];
    acts.push(Act::Answer);
    for balancer in [RoundRobin::new(), RoundRobin::strict()] {
        let services = scripted(acts.clone());
        let retrying = Retry::attempts(10).budget(Budget::unlimited()).wrap(Balanced::new(fixed(&services, balancer)));
        assert_eq!(retrying.unwrap().call(()).await.unwrap(), 10);
        assert!(services.iter().all(|service| service.calls() <= 1));
    }
    let services = scripted(acts);
    let retrying = Retry::attempts(10).budget(Budget::unlimited()).wrap(Balanced::new(fixed(&services, Random::new())));
    assert_eq!(retrying.unwrap().call(()).await.unwrap(), 10);
    assert!(services.iter().all(|service| service.calls() <= 1));
}

#[test]
fn go_kit_random_is_no_data_race() {
    let endpointer = noops(5, Random::new());
    let pick_all = || {
        let mut hits = [0u32; 5];
        for _ in 0..50_000 {
            hits[usize::from(endpointer.cell().pick(PickRequest::new()).unwrap().service.0 - 1)] += 1;
        }
        hits
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(pick_all)).collect();
        for thread in threads {
            let hits = thread.join().unwrap();
            assert!(hits.iter().all(|hits| hits.abs_diff(10_000) < 600), "{hits:?}");
        }
    });
}

/// A policy of a user's own: one key always goes to one instance.
#[derive(Debug)]
struct ByHash;

#[derive(Debug)]
struct ByHashPicker(u64);

impl Balancer for ByHash {
    fn picker(&self, members: &Members, _previous: Option<&Arc<dyn Picker>>) -> Arc<dyn Picker> {
        Arc::new(ByHashPicker(members.len() as u64))
    }
}

impl Picker for ByHashPicker {
    fn pick(&self, context: &PickContext<'_>) -> Option<usize> {
        Some(context.hash()?.checked_rem(self.0)? as usize)
    }
}

#[derive(Debug)]
struct KeyOf;

impl<T, E> RetryPolicy<String, T, E> for KeyOf {
    fn clone_request(&self, request: &String) -> Option<String> {
        Some(request.clone())
    }

    fn judge(&self, _result: Result<&T, &CallError<E>>) -> Verdict {
        Verdict::Stands
    }

    fn hash(&self, request: &String) -> Option<u64> {
        Some(BuildHasherDefault::<DefaultHasher>::default().hash_one(request))
    }
}

#[tokio::test(start_paused = true)]
async fn go_kit_875_pick_sees_the_request() {
    let balanced = Balanced::new(noops(16, ByHash));
    let retrying = Retry::attempts(1).policy(KeyOf).wrap(balanced.clone()).unwrap();
    let mut seen = HashMap::new();
    for round in 0..3 {
        for key in 0..50 {
            let answer = retrying.call(format!("user {key}")).await.unwrap();
            let before = seen.insert(key, answer);
            assert!(round == 0 || before == Some(answer));
        }
    }
    assert!(seen.values().collect::<std::collections::HashSet<_>>().len() > 8);
    assert_eq!(balanced.call_with(PickRequest::new().with_hash(19), ()).await.unwrap(), 4);
}

#[tokio::test(start_paused = true)]
async fn pingora_821_in_flight_survives_rebuild() {
    let publisher = publisher();
    publisher.apply([put(instance(1))]);
    publisher.live();
    let endpointer = following(&publisher, RoundRobin::new());
    until(&*endpointer, |endpoints| endpoints.members().len() == 1).await;
    let picked = endpointer.cell().pick(PickRequest::new()).unwrap();
    publisher.apply((2..=50).map(|port| put(instance(port))));
    publisher.apply([put(instance(1).with_weight(7))]);
    until(&*endpointer, |endpoints| endpoints.members().len() == 50).await;
    let in_flight = || {
        let present = endpointer.cell().load();
        present.members().iter().map(|member| member.load().in_flight()).sum::<u32>()
    };
    assert_eq!(in_flight(), 1);
    drop(picked);
    assert_eq!(in_flight(), 0);
}

/// pingora panics with a remainder by zero.
#[tokio::test(start_paused = true)]
async fn pingora_all_weights_zero_is_no_panic() {
    for balancer in [&RoundRobin::new(), &RoundRobin::strict()] {
        let publisher = publisher();
        publisher.replace((1..=3).map(|port| Arc::new(instance(port).with_weight(0))));
        let balanced = Balanced::new(following(&publisher, balancer.clone()));
        let error = balanced.oneshot(()).await.unwrap_err();
        assert!(matches!(error, CallError::NoEndpoints(ref nobody) if nobody.known == 3 && !nobody.undecided));
    }
    let publisher = publisher();
    publisher.replace((1..=3).map(|port| Arc::new(instance(port).with_weight(0))));
    Balanced::new(following(&publisher, Random::new())).oneshot(()).await.unwrap_err();
}

/// A service that is dead, and says so when it is asked whether it is ready.
#[derive(Debug, Clone)]
struct Unready(Arc<AtomicBool>, u16);

impl Service<()> for Unready {
    type Response = u16;
    type Error = Refused;
    type Future = Ready<Result<u16, Refused>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Refused>> {
        Poll::Ready(if self.0.load(Ordering::Relaxed) { Err(Refused) } else { Ok(()) })
    }

    fn call(&mut self, (): ()) -> Self::Future {
        std::future::ready(Ok(self.1))
    }
}

fn unready() -> (Arc<AtomicBool>, Balanced<Unready>) {
    let dead = Arc::new(AtomicBool::new(true));
    let services = [(instance(1), Unready(Arc::clone(&dead), 1)), (instance(2), Unready(Arc::default(), 2))];
    (dead, Balanced::new(Arc::new(FixedEndpointer::new(services, &RoundRobin::new()))))
}

#[tokio::test(start_paused = true)]
async fn tower_286_poll_ready_is_never_an_error() {
    let (_dead, mut balanced) = unready();
    let mut answers = [0; 2];
    for _ in 0..10 {
        let balanced = balanced.ready().await.unwrap();
        answers[usize::from(balanced.call(()).await.is_ok())] += 1;
    }
    assert_eq!(answers, [5, 5]);
    let mut retrying = Retry::attempts(2).wrap(balanced).unwrap();
    for _ in 0..10 {
        assert_eq!(retrying.ready().await.unwrap().call(()).await.unwrap(), 2);
    }
}

/// tonic's ready cache drops an endpoint for ever once it was not ready.
#[tokio::test(start_paused = true)]
async fn tonic_2839_an_endpoint_that_was_not_ready_is_called_again_when_it_is() {
    let (dead, balanced) = unready();
    for _ in 0..4 {
        let _ = balanced.clone().oneshot(()).await;
    }
    let failures = |balanced: &Balanced<Unready>| {
        let present = balanced.cell().load();
        present.members().iter().map(|member| member.load().failures_in_a_row()).sum::<u32>()
    };
    assert_eq!(failures(&balanced), 2);
    dead.store(false, Ordering::Relaxed);
    let mut hits = [0; 2];
    for _ in 0..4 {
        hits[usize::from(balanced.clone().oneshot(()).await.unwrap() - 1)] += 1;
    }
    assert_eq!((hits, failures(&balanced)), ([2, 2], 0));
}

#[tokio::test(start_paused = true)]
async fn tonic_1552_error_names_the_instance() {
    let services = scripted([Act::Fail]);
    let balanced = Balanced::new(fixed(&services, RoundRobin::new()));
    let error = balanced.clone().oneshot(()).await.unwrap_err();
    assert_eq!(error.to_string(), "the call to 127.0.0.1:1 failed");
    assert_eq!(error.instance().unwrap().id(), "127.0.0.1:1");
    let error = Retry::attempts(1).wrap(balanced).unwrap().call(()).await.unwrap_err();
    assert_eq!(error.to_string(), "all 1 attempts failed (127.0.0.1:1)");
}

#[tokio::test(start_paused = true)]
async fn tower_856_removed_endpoint_is_never_picked() {
    let publisher = publisher();
    publisher.replace((1..=8).map(|port| Arc::new(instance(port))));
    let endpointer = following(&publisher, RoundRobin::new());
    until(&*endpointer, |endpoints| endpoints.members().len() == 8).await;
    let (balanced, mut handle) = (Balanced::new(endpointer.clone()), endpointer.handle());
    for gone in 1..8 {
        publisher.apply([remove(gone)]);
        until(&*endpointer, |endpoints| endpoints.members().len() == usize::from(8 - gone)).await;
        for _ in 0..50 {
            assert!(balanced.clone().oneshot(()).await.unwrap() > gone);
            assert!(handle.pick(PickRequest::new()).unwrap().service.port > gone);
        }
    }
}

/// tower's balance looks at its discovery only when a request comes.
#[tokio::test(start_paused = true)]
async fn tower_824_discovery_is_driven_without_requests() {
    let publisher = publisher();
    publisher.replace([Arc::new(instance(1))]);
    let endpointer = following(&publisher, RoundRobin::new());
    until(&*endpointer, |endpoints| endpoints.members().len() == 1).await;
    publisher.replace([Arc::new(instance(1)), Arc::new(instance(2))]);
    publisher.apply([remove(1)]);
    // Nobody calls; the endpointer's own task follows.
    until(&*endpointer, |endpoints| {
        endpoints.members().len() == 1 && endpoints.service(0).is_some_and(|service| service.port == 2)
    })
    .await;
    assert_eq!(Balanced::new(endpointer).oneshot(()).await.unwrap(), 2);
}

/// tower's exponential backoff loses its jitter when its base is whole seconds.
#[tokio::test(start_paused = true)]
async fn tower_backoff_of_whole_seconds_keeps_its_jitter() {
    let services = scripted([Act::Fail]);
    let balanced = Balanced::new(fixed(&services, RoundRobin::new()));
    let retry = Retry::attempts(2).pauses(SECOND, 8 * SECOND).within(100 * SECOND).wrap(balanced).unwrap();
    let mut taken = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let began = Instant::now();
        retry.call(()).await.unwrap_err();
        taken.insert(began.elapsed().as_millis());
    }
    assert!(taken.len() > 10 && taken.iter().all(|millis| (1000..=2001).contains(millis)), "{taken:?}");
}

/// With tonic, where each request clones the channel, one server took all the traffic (influxdb_iox#6508).
#[tokio::test(start_paused = true)]
async fn influxdb_iox_6508_a_clone_per_request_spreads_evenly() {
    let balanced = Balanced::new(noops(4, RoundRobin::new()));
    let mut hits = [0; 4];
    for _ in 0..400 {
        hits[usize::from(balanced.clone().oneshot(()).await.unwrap() - 1)] += 1;
    }
    assert_eq!(hits, [100; 4]);
}
