//! Tests of the endpointer and its updater.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::admission::LeftOut;
use crate::balancer::{PickContext, PickRequest, Picker};
use crate::factory::{async_factory_fn, factory_fn};
use crate::instance::Health;
use crate::instancer::FixedInstancer;
use crate::publisher::{Change, Publisher};
use crate::staleness::StalenessPolicy;

/// Picks the first.
#[derive(Debug)]
struct First;

#[derive(Debug)]
struct FirstPicker(usize);

impl Balancer for First {
    fn picker(&self, members: &Members, _previous: Option<&Arc<dyn Picker>>) -> Arc<dyn Picker> {
        Arc::new(FirstPicker(members.len()))
    }
}

impl Picker for FirstPicker {
    fn pick(&self, _context: &PickContext<'_>) -> Option<usize> {
        (self.0 > 0).then_some(0)
    }
}

/// A service that says which instance it was made for, and by which call of the factory.
type Made = Arc<(String, usize)>;

fn instance(port: u16) -> Instance {
    Instance::new(std::net::SocketAddr::from(([127, 0, 0, 1], port)))
}

fn put(instance: Instance) -> Change {
    Change::Put(Arc::new(instance))
}

fn remove(instance: &Instance) -> Change {
    Change::Remove(instance.id().into())
}

/// A factory that counts how often it was asked.
fn counting() -> (Arc<AtomicUsize>, impl Factory<Service = Made>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let factory = factory_fn(move |instance: Arc<Instance>| {
        let nth = count.fetch_add(1, Ordering::Relaxed);
        Ok::<_, Error>(Arc::new((instance.address().to_string(), nth)))
    });
    (asked, factory)
}

fn publisher() -> Publisher {
    Publisher::new(StalenessPolicy::default(), defaults::TTL)
}

/// Waits until the set is as `is` says.
async fn until<S: Send + Sync>(endpointer: &impl Endpointer<S>, is: impl Fn(&Endpoints<S>) -> bool) {
    let cell = endpointer.cell();
    loop {
        let version = cell.version();
        if is(&cell.load()) {
            return;
        }
        cell.changed(version).await;
    }
}

/// Every member's service must be the one made for its address.
fn check(endpoints: &Endpoints<Made>) {
    for (index, member) in endpoints.members().iter().enumerate() {
        let service = endpoints.service(index).unwrap();
        assert_eq!(service.0, member.instance().address().to_string());
    }
    assert!(endpoints.service(endpoints.members().len()).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_was_read_before_gives_all_it_holds() {
    let publisher = publisher();
    publisher.replace([Arc::new(instance(1))]);
    let mut subscription = publisher.subscribe();
    assert_eq!(subscription.known().await.len(), 1);
    let endpointer = DefaultEndpointer::builder(subscription, counting().1, First).spawn().unwrap();
    until(&endpointer, |set| set.members().len() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_is_made_once_and_weight_health_and_metadata_keep_it() {
    let publisher = publisher();
    let (asked, factory) = counting();
    let endpointer = DefaultEndpointer::builder(publisher.subscribe(), factory, First).spawn().unwrap();
    publisher.replace([Arc::new(instance(1))]);
    until(&endpointer, |set| set.members().len() == 1).await;
    let key = endpointer.cell().load().members().get(0).unwrap().key();
    for changed in [
        instance(1).with_weight(5),
        instance(1).with_metadata("a", "b"),
        instance(1).with_health(Health::Down),
        instance(1).with_health(Health::Draining),
        instance(1).with_weight(0),
        instance(1),
    ] {
        let up = changed.health() == Health::Up && changed.weight() > 0;
        publisher.apply([put(changed.clone())]);
        until(&endpointer, |set| match set.left_out().next() {
            Some((left_out, _)) => !up && **left_out == changed,
            None => up && **set.members().get(0).unwrap().instance() == changed,
        })
        .await;
    }
    assert_eq!(asked.load(Ordering::Relaxed), 1);
    assert_eq!(endpointer.cell().load().members().get(0).unwrap().key(), key);
}

#[tokio::test(start_paused = true)]
async fn another_address_under_the_same_id_is_another_service() {
    let publisher = publisher();
    let (asked, factory) = counting();
    let endpointer = DefaultEndpointer::builder(publisher.subscribe(), factory, First).spawn().unwrap();
    publisher.replace([Arc::new(instance(1).with_id("a"))]);
    until(&endpointer, |set| set.members().len() == 1).await;
    let key = endpointer.cell().load().members().get(0).unwrap().key();
    publisher.apply([put(instance(2).with_id("a"))]);
    until(&endpointer, |set| set.service(0).is_some_and(|made| made.0 == "127.0.0.1:2")).await;
    assert_eq!(asked.load(Ordering::Relaxed), 2);
    assert_ne!(endpointer.cell().load().members().get(0).unwrap().key(), key);
}

#[tokio::test(start_paused = true)]
async fn who_is_draining_down_weightless_or_filtered_is_left_out_and_the_set_says_why() {
    let instancer = FixedInstancer::new([
        instance(1),
        instance(2).with_health(Health::Draining),
        instance(3).with_health(Health::Down),
        instance(4).with_weight(0),
        instance(5).with_tag("other"),
    ]);
    let (_, factory) = counting();
    let endpointer = DefaultEndpointer::builder(instancer.publisher().subscribe(), factory, First)
        .filter(Filter::tag("other").negated())
        .spawn()
        .unwrap();
    until(&endpointer, |set| set.known() == 5).await;
    let set = endpointer.cell().load();
    assert_eq!(set.members().iter().map(|m| m.instance().id()).collect::<Vec<_>>(), ["127.0.0.1:1"]);
    let why: HashMap<_, _> = set.left_out().map(|(i, why)| (i.address().port().unwrap(), why)).collect();
    assert!(matches!(why[&2], LeftOut::Draining));
    assert!(matches!(why[&3], LeftOut::Down));
    assert!(matches!(why[&4], LeftOut::Weightless));
    assert!(matches!(why[&5], LeftOut::Filtered));
}

#[tokio::test(start_paused = true)]
async fn changing_the_filter_reconnects_nobody() {
    let instancer = FixedInstancer::new([instance(1).with_zone("a"), instance(2).with_zone("b")]);
    let (asked, factory) = counting();
    let endpointer = DefaultEndpointer::builder(instancer.publisher().subscribe(), factory, First).spawn().unwrap();
    until(&endpointer, |set| set.members().len() == 2).await;
    for (filter, left) in [(Filter::zone("a"), 1), (Filter::zone("c"), 0), (Filter::all(), 2), (Filter::zone("b"), 1)] {
        endpointer.set_filter(filter);
        until(&endpointer, |set| set.members().len() == left).await;
        check(&endpointer.cell().load());
    }
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn below_the_threshold_those_who_are_down_are_picked_too_and_draining_ones_never() {
    let publisher = publisher();
    let (_, factory) = counting();
    let endpointer = DefaultEndpointer::builder(publisher.subscribe(), factory, First)
        .panic_threshold(0.5)
        .unwrap()
        .spawn()
        .unwrap();
    let down = |port| instance(port).with_health(Health::Down);
    publisher.replace([instance(1), instance(2), down(3), instance(4).with_health(Health::Draining)].map(Arc::new));
    until(&endpointer, |set| set.members().len() == 2 && !set.is_panicking()).await;
    publisher.apply([put(down(2))]);
    until(&endpointer, |set| set.members().len() == 3 && set.is_panicking()).await;
    publisher.apply([put(instance(2))]);
    until(&endpointer, |set| set.members().len() == 2 && !set.is_panicking()).await;
    assert!(DefaultEndpointer::builder(publisher.subscribe(), counting().1, First).panic_threshold(1.5).is_err());
}

#[tokio::test(start_paused = true)]
async fn go_kit_failed_factory_is_asked_again_with_backoff_and_holds_up_nobody() {
    let instancer = FixedInstancer::new([instance(1), instance(2), instance(3)]);
    let asked: Arc<Mutex<HashMap<u16, usize>>> = Arc::default();
    let count = Arc::clone(&asked);
    let factory = async_factory_fn(move |instance: Arc<Instance>| {
        let port = instance.address().port().unwrap();
        let nth = *count.lock().unwrap().entry(port).and_modify(|n| *n += 1).or_insert(1);
        async move {
            match port {
                1 if nth < 4 => Err("refused"),
                2 if nth < 3 => std::future::pending().await,
                _ => Ok(port),
            }
        }
    });
    let endpointer = DefaultEndpointer::builder(instancer.publisher().subscribe(), factory, First).spawn().unwrap();
    until(&endpointer, |set| set.members().len() == 1 && set.service(0) == Some(&3)).await;
    until(&endpointer, |set| {
        set.left_out().any(|(i, why)| i.address().port() == Some(1) && matches!(why, LeftOut::Unconnected(_)))
    })
    .await;
    until(&endpointer, |set| set.members().len() == 3 && set.left_out().len() == 0).await;
    assert_eq!(*asked.lock().unwrap(), HashMap::from([(1, 4), (2, 3), (3, 1)]));
}

#[tokio::test(start_paused = true)]
async fn a_factory_that_panics_ends_nothing() {
    let instancer = FixedInstancer::new([instance(1), instance(2), instance(3)]);
    let asked = AtomicUsize::new(0);
    let factory = factory_fn(move |_| match asked.fetch_add(1, Ordering::Relaxed) {
        0 => panic!("a bug of the caller's"),
        nth => Ok::<_, Error>(nth),
    });
    let endpointer = DefaultEndpointer::builder(instancer.publisher().subscribe(), factory, First).spawn().unwrap();
    until(&endpointer, |set| set.members().len() == 3).await;

    let factory =
        async_factory_fn(|_| async { if true { panic!("a bug of the caller's") } else { Ok::<_, Error>(()) } });
    let endpointer = DefaultEndpointer::builder(instancer.publisher().subscribe(), factory, First).spawn().unwrap();
    until(&endpointer, |set| set.left_out().filter(|(_, why)| matches!(why, LeftOut::Unconnected(_))).count() == 3)
        .await;
}

#[tokio::test(start_paused = true)]
async fn removal_drops_the_service_and_a_call_in_flight_keeps_its_clone() {
    let publisher = publisher();
    let (_, factory) = counting();
    let endpointer = DefaultEndpointer::builder(publisher.subscribe(), factory, First).spawn().unwrap();
    publisher.replace([Arc::new(instance(1))]);
    until(&endpointer, |set| set.members().len() == 1).await;
    let parked = endpointer.handle();
    let picked = endpointer.cell().pick(PickRequest::new()).unwrap();
    let weak = Arc::downgrade(&picked.service);
    assert_eq!(endpointer.cell().load().members().get(0).unwrap().load().in_flight(), 1);
    publisher.apply([remove(&instance(1))]);
    until(&endpointer, |set| set.members().is_empty()).await;
    assert!(weak.upgrade().is_some());
    let error = endpointer.cell().pick(PickRequest::new()).unwrap_err();
    assert!(error.known == 0 && error.freshness.is_live() && !error.undecided);
    drop(picked);
    // The set that held it may still wait for its readers to leave.
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(weak.upgrade().is_none(), "a parked handle keeps a removed service alive");
    drop(parked);
}

#[tokio::test(start_paused = true)]
async fn load_survives_every_rebuild() {
    let publisher = publisher();
    let (_, factory) = counting();
    let endpointer = DefaultEndpointer::builder(publisher.subscribe(), factory, First).spawn().unwrap();
    publisher.replace([Arc::new(instance(1))]);
    until(&endpointer, |set| set.members().len() == 1).await;
    let ticket = endpointer.cell().pick(PickRequest::new()).unwrap().ticket;
    publisher.apply((2..100).map(|port| put(instance(port))));
    publisher.apply([put(instance(1).with_weight(9))]);
    until(&endpointer, |set| set.members().len() == 99).await;
    let of_first = |set: &Endpoints<Made>| {
        let member = set.members().iter().find(|m| m.instance().address().port() == Some(1));
        member.unwrap().load().in_flight()
    };
    assert_eq!(of_first(&endpointer.cell().load()), 1);
    drop(ticket);
    assert_eq!(of_first(&endpointer.cell().load()), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_set_is_undecided_and_a_stale_one_keeps_serving() {
    let publisher = publisher();
    let (_, factory) = counting();
    let endpointer = DefaultEndpointer::builder(publisher.subscribe(), factory, First).spawn().unwrap();
    let error = endpointer.cell().pick(PickRequest::new()).unwrap_err();
    assert!(error.undecided && error.freshness.is_pending());
    publisher.fail(Error::unavailable("down"));
    until(&endpointer, |set| set.freshness().error().is_some()).await;
    assert!(endpointer.cell().load().is_undecided());
    publisher.replace([Arc::new(instance(1))]);
    until(&endpointer, |set| set.freshness().is_live()).await;
    publisher.fail(Error::unavailable("down"));
    until(&endpointer, |set| set.freshness().is_stale()).await;
    assert_eq!(*endpointer.cell().load().basis(), Basis::LastKnownGood);
    endpointer.cell().pick(PickRequest::new()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn dropping_the_endpointer_ends_its_task_and_its_dials() {
    let instancer = FixedInstancer::new([instance(1), instance(2)]);
    let factory = async_factory_fn(|_| std::future::pending::<Result<(), Error>>());
    let metrics = tokio::runtime::Handle::current().metrics();
    let endpointer = DefaultEndpointer::builder(instancer.publisher().subscribe(), factory, First).spawn().unwrap();
    until(&endpointer, |set| set.known() == 2).await;
    assert_eq!(metrics.num_alive_tasks(), 3);
    drop(endpointer);
    while metrics.num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_thousands_of_changes_the_set_equals_the_truth() {
    let publisher = publisher();
    let (_, factory) = counting();
    let endpointer = DefaultEndpointer::builder(publisher.subscribe(), factory, First).spawn().unwrap();
    let mut truth: HashMap<u16, Instance> = HashMap::new();
    let randomness = crate::SeededRandomness::new(11);
    use crate::Randomness;
    for step in 0..3000u64 {
        let port = 1 + (randomness.next_u64() % 700) as u16;
        let change = match randomness.next_u64() % 4 {
            0 => {
                truth.remove(&port);
                remove(&instance(port))
            }
            1 => {
                let down = instance(port).with_health(Health::Down);
                truth.insert(port, down.clone());
                put(down)
            }
            _ => {
                let next = instance(port).with_weight(1 + (step % 5) as u32);
                truth.insert(port, next.clone());
                put(next)
            }
        };
        publisher.apply([change]);
        if step % 7 == 0 {
            tokio::task::yield_now().await;
            check(&endpointer.cell().load());
        }
    }
    let up: HashMap<_, _> = truth.iter().filter(|(_, i)| i.health() == Health::Up).collect();
    until(&endpointer, |set| {
        set.known() == truth.len()
            && set.members().len() == up.len()
            && set.members().iter().all(|m| up.get(&m.instance().address().port().unwrap()) == Some(&&**m.instance()))
    })
    .await;
    check(&endpointer.cell().load());
}
