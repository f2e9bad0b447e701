//! Tests of the front, over the memory backend.

use sd_core::{Address, Connection, Health, Instance, MemoryRegistry, UnknownFields};

use super::*;
use crate::engine::entry::encode;
use crate::engine::watcher::Begin;

const SECOND: Duration = Duration::from_secs(1);

fn connection(registry: &MemoryRegistry) -> Arc<dyn Backend> {
    Arc::new(Connection::builder(Arc::new(registry.clone())).build().unwrap())
}

fn front(registry: &MemoryRegistry) -> Front {
    Front::start(connection(registry), Epoch(1), Limits::default(), Arc::default())
}

fn book() -> ServiceName {
    "book".parse().unwrap()
}

fn instance(id: &str) -> Instance {
    Instance::new("127.0.0.1:80".parse::<Address>().unwrap()).with_id(id)
}

fn put(id: &str, owner: &str, prior: bool) -> Put {
    let owner = Owner::from_text(owner);
    let instance = encode(&instance(id), &owner, &UnknownFields::default()).unwrap();
    Put { service: book(), id: id.into(), owner, instance, ttl: 10 * SECOND, prior }
}

fn renew(front: &Front, id: &str, owner: &str) -> Renewed {
    front.renew(&[Renewal { service: "book", id, owner }])[0]
}

/// What a front shows: ids and owners.
async fn shown(front: &Front) -> Vec<(String, String)> {
    let _followed = front.follow(&Scope::Service(book())).await.unwrap();
    let (_, entries) = front.view().entries(&book());
    entries.values().map(|entry| (entry.id.to_string(), entry.owner.as_str().to_owned())).collect()
}

async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what}");
}

fn pair(id: &str, owner: &str) -> (String, String) {
    (id.to_owned(), owner.to_owned())
}

#[tokio::test(start_paused = true)]
async fn what_one_front_registers_all_fronts_and_the_backends_own_clients_see() {
    let registry = MemoryRegistry::new();
    let (one, two) = (front(&registry), front(&registry));
    let done = one.register(put("a", "x", false)).await.unwrap();
    assert!(done.created && !done.took_over);
    assert_eq!(shown(&one).await, [pair("a", "x")], "whoever was answered sees it");
    eventually("the other front shows it", async || shown(&two).await == [pair("a", "x")]).await;
    let natively = connection(&registry);
    let mut subscription = natively.subscribe(&book());
    assert_eq!(subscription.known().await.len(), 1);
    let handle = natively.register(Registration::new("book", instance("n"))).await.unwrap();
    eventually("what others register is shown", async || shown(&two).await == [pair("a", "x"), pair("n", "")]).await;
    handle.deregister().await.unwrap();
    eventually("and goes with them", async || shown(&two).await == [pair("a", "x")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_front_keeps_no_registration_longer_than_it_is_renewed() {
    let registry = MemoryRegistry::new();
    let front = front(&registry);
    front.register(put("a", "x", false)).await.unwrap();
    for _ in 0..5 {
        tokio::time::sleep(9 * SECOND).await;
        assert_eq!(renew(&front, "a", "x"), Renewed::Ok);
    }
    assert_eq!(shown(&front).await, [pair("a", "x")]);
    tokio::time::sleep(11 * SECOND).await;
    assert_eq!(renew(&front, "a", "x"), Renewed::Gone);
    eventually("it is gone from the backend", async || shown(&front).await.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn the_newest_registrant_wins_across_fronts_and_the_older_is_told() {
    let registry = MemoryRegistry::new();
    let (one, two) = (front(&registry), front(&registry));
    one.register(put("a", "old", false)).await.unwrap();
    eventually("the other shows it", async || !shown(&two).await.is_empty()).await;
    assert!(two.register(put("a", "new", false)).await.unwrap().took_over);
    eventually("the older is told", async || renew(&one, "a", "old") == Renewed::Superseded).await;
    eventually("the first front shows the newer", async || shown(&one).await == [pair("a", "new")]).await;
    for front in [&one, &two] {
        let again = front.register(put("a", "old", true)).await;
        assert!(matches!(again, Err(Refusal::Superseded { .. })), "{again:?}");
    }
    let left = one.deregister(book(), "a".into(), Some(Owner::from_text("old"))).await.unwrap();
    assert!(!left.removed);
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(shown(&two).await, [pair("a", "new")], "the end of the older ends nothing of the newer");
}

#[tokio::test(start_paused = true)]
async fn a_registrant_that_comes_to_another_front_goes_on_there() {
    let registry = MemoryRegistry::new();
    let (one, two) = (front(&registry), front(&registry));
    one.register(put("a", "x", false)).await.unwrap();
    eventually("the other shows it", async || !shown(&two).await.is_empty()).await;
    assert_eq!(renew(&two, "a", "x"), Renewed::Gone, "not renewed here before");
    assert!(!two.register(put("a", "x", true)).await.unwrap().took_over, "it is the same owner's");
    one.close().await;
    drop(one);
    for _ in 0..5 {
        tokio::time::sleep(5 * SECOND).await;
        assert_eq!(renew(&two, "a", "x"), Renewed::Ok);
        assert_eq!(shown(&two).await, [pair("a", "x")], "the first front's lease ends nothing");
    }
}

#[tokio::test(start_paused = true)]
async fn a_front_that_is_closed_leaves_what_it_keeps_for_as_long_as_it_was_renewed() {
    let registry = MemoryRegistry::new();
    let (one, two) = (front(&registry), front(&registry));
    one.register(put("a", "x", false)).await.unwrap();
    eventually("the other shows it", async || !shown(&two).await.is_empty()).await;
    one.close().await;
    drop(one);
    tokio::time::sleep(8 * SECOND).await;
    assert_eq!(shown(&two).await, [pair("a", "x")]);
    tokio::time::sleep(4 * SECOND).await;
    eventually("and no longer", async || shown(&two).await.is_empty()).await;
}

#[tokio::test(start_paused = true)]
async fn updates_drains_and_deregistrations_reach_the_backend() {
    let registry = MemoryRegistry::new();
    let front = front(&registry);
    let (x, id): (Owner, Arc<str>) = (Owner::from_text("x"), "a".into());
    let changed = |weight| {
        let instance = encode(&instance("a").with_weight(weight), &x, &UnknownFields::default()).unwrap();
        Update { service: book(), id: "a".into(), owner: x.clone(), instance }
    };
    assert!(matches!(front.update(changed(5)).await, Err(Refusal::NotFound { .. })));
    assert!(matches!(front.drain(book(), id.clone()).await, Err(Refusal::NotFound { .. })));
    assert!(matches!(front.deregister(book(), id.clone(), None).await, Err(Refusal::NotFound { .. })));
    front.register(put("a", "x", false)).await.unwrap();
    front.update(changed(5)).await.unwrap();
    let decoded = |front: &Front| front.view().entry(&book(), "a").unwrap().decode().unwrap().instance;
    assert_eq!(decoded(&front).weight(), 5);
    assert!(decoded(&front).metadata().is_empty(), "the mark is not shown");
    let not_ours = Update { owner: Owner::from_text("y"), ..changed(6) };
    assert!(matches!(front.update(not_ours).await, Err(Refusal::Superseded { .. })));
    front.drain(book(), id.clone()).await.unwrap();
    assert_eq!(decoded(&front).health(), Health::Draining);
    assert!(front.deregister(book(), id, None).await.unwrap().removed);
    assert!(shown(&front).await.is_empty());
    assert_eq!(renew(&front, "a", "x"), Renewed::Gone);
}

#[tokio::test(start_paused = true)]
async fn while_the_backend_is_down_what_was_known_stays_and_is_said_to_be_stale() {
    let registry = MemoryRegistry::new();
    let front = front(&registry);
    front.register(put("a", "x", false)).await.unwrap();
    let mut followed = front.follow(&Scope::Service(book())).await.unwrap();
    assert!(followed.stale().is_none());
    registry.set_down(true);
    followed.changed().await;
    assert!(followed.stale().is_some_and(|stale| stale.error.contains("taken down")));
    assert_eq!(shown(&front).await, [pair("a", "x")]);
    let refused = front.register(put("b", "x", false)).await;
    assert!(matches!(refused, Err(Refusal::Unavailable(_))), "{refused:?}");
    assert_eq!(renew(&front, "a", "x"), Renewed::Ok, "it is being registered anew for as long as it is renewed");
    let unknown = front.follow(&Scope::Service("other".parse().unwrap())).await;
    assert!(matches!(unknown, Err(Refusal::Unavailable(_))), "unknown is not empty");
    eventually("it says so", async || front.condition().trouble.is_some()).await;
    renew(&front, "a", "x");
    registry.set_down(false);
    while followed.stale().is_some() {
        followed.changed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn all_services_are_followed_while_somebody_looks_and_forgotten_after() {
    let registry = MemoryRegistry::new();
    let front = front(&registry);
    front.register(put("a", "x", false)).await.unwrap();
    let natively = connection(&registry);
    let _other = natively.register(Registration::new("other", instance("n"))).await.unwrap();
    let followed = front.follow(&Scope::Instances).await.unwrap();
    eventually("both are shown", async || front.view().counts().services == 2).await;
    let (watcher, begin) = Watcher::new(front.view(), Scope::Instances, None);
    assert!(matches!(begin, Begin::Snapshot(snapshot) if snapshot.services.len() == 2));
    let at = front.view().revision();
    drop((watcher, followed));
    tokio::time::sleep(100 * SECOND).await;
    assert_eq!(front.view().counts().services, 0, "nobody looks");
    let _followed = front.follow(&Scope::Instances).await.unwrap();
    let (_, begin) = Watcher::new(front.view(), Scope::Instances, Some(at));
    assert!(matches!(begin, Begin::Snapshot(_)), "what was forgotten can't be resumed");
}
