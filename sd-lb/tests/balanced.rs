//! The balanced service: always ready, waits for the first answer, names who failed.

mod common;

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use common::{Act, fixed, following, instance, publisher, put, scripted};
use sd_core::{BoxError, FixedEndpointer, factory_fn};
use sd_lb::{Balanced, BoxClient, CallError, Client, Random, Retry, RoundRobin};
use tokio::time::Instant;
use tower::ServiceExt;
use tower_service::Service;

#[tokio::test(start_paused = true)]
async fn the_first_call_of_a_new_program_waits_for_the_registry() {
    let publisher = publisher();
    let balanced = Balanced::new(following(&publisher, RoundRobin::new()));
    let call = tokio::spawn(balanced.clone().oneshot(()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!call.is_finished());
    publisher.apply([put(instance(1))]);
    publisher.live();
    assert_eq!(call.await.unwrap().unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn waiting_has_an_end() {
    let publisher = publisher();
    let endpointer = following(&publisher, RoundRobin::new());
    let began = Instant::now();
    let error = Balanced::new(endpointer.clone()).oneshot(()).await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 3);
    assert!(matches!(error, CallError::NoEndpoints(ref nobody) if nobody.undecided && nobody.known == 0), "{error:?}");

    let began = Instant::now();
    let short = Balanced::new(endpointer.clone()).wait_timeout(Duration::from_millis(10));
    short.oneshot(()).await.unwrap_err();
    assert!((10..=11).contains(&began.elapsed().as_millis()));

    let began = Instant::now();
    let hasty = Balanced::new(endpointer).fail_fast(true);
    hasty.clone().oneshot(()).await.unwrap_err();
    let error = Retry::attempts(3).wrap(hasty).unwrap().call(()).await.unwrap_err();
    assert_eq!(error.reason, sd_lb::GaveUp::NoEndpoints);
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_empty_registry_is_known_to_be_empty_at_once() {
    let publisher = publisher();
    publisher.replace([]);
    let balanced = Balanced::new(following(&publisher, RoundRobin::new()));
    let began = Instant::now();
    let error = balanced.oneshot(()).await.unwrap_err();
    assert!(matches!(error, CallError::NoEndpoints(ref nobody) if !nobody.undecided && nobody.freshness.is_live()));
    assert_eq!(error.to_string(), "no endpoint may be picked: 0 known, as the registry says now");
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_total_time_of_a_retried_call_counts_while_it_waits_and_says_why() {
    let publisher = publisher();
    publisher.fail(sd_core::Error::unavailable("connection refused"));
    let client = Client::builder(publisher.subscribe())
        .retry(Retry::attempts(3).within(Duration::from_secs(5)))
        .connect_with(factory_fn(|_| Ok::<_, sd_core::Error>(common::Noop(1))))
        .unwrap();
    let began = Instant::now();
    let error = client.call(()).await.unwrap_err();
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(error.reason, sd_lb::GaveUp::TimedOut);
    assert!(error.no_endpoints().unwrap().freshness.error().unwrap().to_string().contains("connection refused"));
}

#[tokio::test(start_paused = true)]
async fn a_failure_counts_against_its_instance_and_a_dropped_call_does_not() {
    let services = scripted([Act::Fail]);
    let balanced = Balanced::new(fixed(&services, RoundRobin::new()));
    let load = || {
        let present = balanced.cell().load();
        let load = present.members().get(0).unwrap().load();
        (load.in_flight(), load.failures_in_a_row())
    };
    balanced.clone().oneshot(()).await.unwrap_err();
    assert_eq!(load(), (0, 1));
    services[0].set(Act::Hang);
    let call = Box::pin(balanced.clone().oneshot(()));
    let call = tokio::time::timeout(Duration::from_secs(1), call);
    assert!(call.await.is_err());
    assert_eq!(load(), (0, 1));
    services[0].set(Act::Answer);
    balanced.clone().oneshot(()).await.unwrap();
    assert_eq!(load(), (0, 0));
}

/// A service whose error is a `BoxError`, as tower's own layers have it, and that takes its time to become ready.
#[derive(Clone)]
struct Boxed {
    ready: bool,
}

impl<Req> Service<Req> for Boxed {
    type Response = &'static str;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<&'static str, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if std::mem::replace(&mut self.ready, true) {
            return Poll::Ready(Ok(()));
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn call(&mut self, _request: Req) -> Self::Future {
        assert!(self.ready, "called before it was ready");
        Box::pin(async { Err("boxed".into()) })
    }
}

fn boxed() -> Balanced<Boxed> {
    Balanced::new(Arc::new(FixedEndpointer::new([(instance(1), Boxed { ready: false })], &Random::new())))
}

#[tokio::test(start_paused = true)]
async fn boxed_errors_work_in_spawned_tasks() {
    let balanced = boxed();
    let call = balanced.clone();
    let error = tokio::spawn(async move { call.oneshot(()).await }).await.unwrap().unwrap_err();
    assert_eq!(error.service_error().unwrap().to_string(), "boxed");

    let retrying = Retry::attempts(2).wrap(balanced).unwrap();
    let call = retrying.clone();
    tokio::spawn(async move { call.oneshot(()).await }).await.unwrap().unwrap_err();
    let run = retrying.clone();
    let run = async move { run.run((), |service, ()| async move { service.oneshot(()).await }).await };
    tokio::spawn(run).await.unwrap().unwrap_err();

    let client = BoxClient::new(retrying);
    let call = client.clone();
    let error = tokio::spawn(async move { call.oneshot(()).await }).await.unwrap().unwrap_err();
    let error: BoxError = error.into();
    assert_eq!(error.source().unwrap().source().unwrap().to_string(), "boxed");
}

#[tokio::test(start_paused = true)]
async fn a_request_need_not_be_sync() {
    #[derive(Clone)]
    struct Request(#[allow(dead_code)] Cell<u8>);
    let services = scripted([Act::Fail, Act::Answer]);
    let balanced = Balanced::new(fixed(&services, RoundRobin::new()));
    let retrying = Retry::attempts(2).wrap(balanced.clone()).unwrap();
    for _ in 0..2 {
        let _ = tokio::spawn(balanced.clone().oneshot(Request(Cell::new(1)))).await.unwrap();
        tokio::spawn(retrying.clone().oneshot(Request(Cell::new(1)))).await.unwrap().unwrap();
        let run = retrying.run(Request(Cell::new(1)), ServiceExt::oneshot);
        tokio::spawn(run).await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_is_refused_with_bad_limits() {
    let publisher = publisher();
    let factory = || factory_fn(|_| Ok::<_, sd_core::Error>(common::Noop(1)));
    let builder = || Client::builder(publisher.subscribe());
    assert!(builder().panic_threshold(1.5).connect_with(factory()).is_err());
    assert!(builder().retry(Retry::attempts(0)).connect_with(factory()).is_err());
    assert!(builder().connect_with(factory()).is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_client_takes_layers_outside_and_is_filtered_anew() {
    let publisher = publisher();
    publisher.apply([put(instance(1).with_zone("a")), put(instance(2).with_zone("b"))]);
    publisher.live();
    let client = Client::builder(publisher.subscribe())
        .balancer(Random::new())
        .filter(sd_core::Filter::zone("a"))
        .connect_with(factory_fn(|instance: Arc<sd_core::Instance>| {
            Ok::<_, sd_core::Error>(common::Noop(if instance.zone() == Some("a") { 1 } else { 2 }))
        }))
        .unwrap();
    assert_eq!(client.call(()).await.unwrap(), 1);
    let layered = tower::ServiceBuilder::new()
        .layer(tower::timeout::TimeoutLayer::new(Duration::from_secs(1)))
        .service(client.service());
    assert_eq!(layered.oneshot(()).await.unwrap(), 1);
    client.set_filter(sd_core::Filter::zone("b"));
    let version = client.endpoints().version();
    client.endpoints().changed(version).await;
    assert_eq!(client.boxed().call(()).await.unwrap(), 2);
}
