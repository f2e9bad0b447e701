//! Tests of the engine, on paused time: leases, takeovers, limits, and a model that everything is compared with.

use std::collections::BTreeMap;

use proptest::prelude::*;
use sd_core::{Address, Codec, Instance, UnknownFields};

use super::*;
use crate::engine::change::{Change, Epoch};
use crate::engine::watcher::{Begin, News, Watcher};

const SECOND: Duration = Duration::from_secs(1);

fn engine_with(settings: Settings) -> Engine {
    let loaded = Loaded { epoch: Epoch(1), revision: 0, entries: Vec::new() };
    Engine::start(Store::Memory, loaded, settings, Arc::default())
}

fn engine() -> Engine {
    engine_with(Settings::default())
}

fn instance(id: &str, weight: u32) -> Instance {
    Instance::new("127.0.0.1:80".parse::<Address>().unwrap()).with_id(id).with_weight(weight)
}

fn put(service: &str, id: &str, owner: &str) -> Put {
    let owner = Owner::from_text(owner);
    let instance = entry::encode(&instance(id, 1), &owner, &UnknownFields::default()).unwrap();
    Put { service: service.parse().unwrap(), id: id.into(), owner, instance, ttl: 10 * SECOND, prior: false }
}

fn update(id: &str, owner: &str, weight: u32) -> Update {
    let owner = Owner::from_text(owner);
    let instance = entry::encode(&instance(id, weight), &owner, &UnknownFields::default()).unwrap();
    Update { service: "book".parse().unwrap(), id: id.into(), owner, instance }
}

fn renew(engine: &Engine, id: &str, owner: &str) -> Renewed {
    engine.renew(&[Renewal { service: "book", id, owner }])[0]
}

fn ids(engine: &Engine) -> Vec<String> {
    let (_, entries) = engine.view().entries(&"book".parse().unwrap());
    entries.keys().map(ToString::to_string).collect()
}

fn weight(engine: &Engine, id: &str) -> u32 {
    let entry = engine.view().entry(&"book".parse().unwrap(), id).unwrap();
    Codec::decode(entry.instance.as_bytes()).unwrap().instance.weight()
}

#[tokio::test(start_paused = true)]
async fn an_entry_stands_for_its_ttl_and_a_renewal_begins_it_anew() {
    let engine = engine();
    engine.register(put("book", "a", "one")).await.unwrap();
    tokio::time::sleep(9 * SECOND).await;
    assert_eq!(renew(&engine, "a", "one"), Renewed::Ok);
    tokio::time::sleep(9 * SECOND).await;
    assert_eq!(ids(&engine), ["a"], "renewed in time");
    tokio::time::sleep(2 * SECOND).await;
    assert!(ids(&engine).is_empty(), "the TTL has passed");
    assert_eq!(renew(&engine, "a", "one"), Renewed::Gone);
    assert_eq!(engine.view().counts().services, 0);
}

#[tokio::test(start_paused = true)]
async fn a_registration_again_by_the_same_owner_changes_nothing_and_renews() {
    let engine = engine();
    let first = engine.register(put("book", "a", "one")).await.unwrap();
    tokio::time::sleep(9 * SECOND).await;
    let again = engine.register(put("book", "a", "one")).await.unwrap();
    assert_eq!(again, Registered { revision: first.revision, created: false, took_over: false });
    tokio::time::sleep(9 * SECOND).await;
    assert_eq!(ids(&engine), ["a"]);
    // A shorter TTL holds from now on.
    let short = Put { ttl: SECOND, ..put("book", "a", "one") };
    engine.register(short).await.unwrap();
    tokio::time::sleep(2 * SECOND).await;
    assert!(ids(&engine).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_newest_registrant_wins_and_the_older_is_told() {
    let engine = engine();
    engine.register(put("book", "a", "old")).await.unwrap();
    let taken = engine.register(put("book", "a", "new")).await.unwrap();
    assert!(taken.took_over && !taken.created);
    assert_eq!(renew(&engine, "a", "old"), Renewed::Superseded);
    assert!(matches!(engine.update(update("a", "old", 5)).await, Err(Refusal::Superseded { .. })));
    let prior = Put { prior: true, ..put("book", "a", "old") };
    assert!(matches!(engine.register(prior).await, Err(Refusal::Superseded { .. })));
    let book = || "book".parse().unwrap();
    let removed = engine.deregister(book(), "a".into(), Some(Owner::from_text("old"))).await.unwrap();
    assert!(!removed.removed, "only one's own entry is taken away");
    assert_eq!(renew(&engine, "a", "new"), Renewed::Ok);
    // The lease of the older one must not end what the newer one holds.
    for _ in 0..4 {
        tokio::time::sleep(4 * SECOND).await;
        assert_eq!(renew(&engine, "a", "new"), Renewed::Ok);
    }
}

#[tokio::test(start_paused = true)]
async fn an_owner_whose_entry_is_gone_may_put_it_again_with_prior() {
    let engine = engine();
    engine.register(put("book", "a", "one")).await.unwrap();
    tokio::time::sleep(11 * SECOND).await;
    let again = engine.register(Put { prior: true, ..put("book", "a", "one") }).await.unwrap();
    assert!(again.created);
}

#[tokio::test(start_paused = true)]
async fn an_update_keeps_the_lease_and_one_of_nothing_writes_nothing() {
    let engine = engine();
    assert!(matches!(engine.update(update("a", "one", 5)).await, Err(Refusal::NotFound { .. })));
    engine.register(put("book", "a", "one")).await.unwrap();
    tokio::time::sleep(5 * SECOND).await;
    engine.update(update("a", "one", 5)).await.unwrap();
    assert_eq!(weight(&engine, "a"), 5);
    tokio::time::sleep(11 * SECOND).await;
    assert!(ids(&engine).is_empty(), "an update renews, and does not make it immortal");
}

#[tokio::test(start_paused = true)]
async fn draining_and_deregistering_by_an_administrator() {
    let engine = engine();
    let (book, a): (ServiceName, Arc<str>) = ("book".parse().unwrap(), "a".into());
    assert!(matches!(engine.drain(book.clone(), a.clone()).await, Err(Refusal::NotFound { .. })));
    engine.register(put("book", "a", "one")).await.unwrap();
    let revision = engine.drain(book.clone(), a.clone()).await.unwrap();
    assert_eq!(engine.drain(book.clone(), a.clone()).await.unwrap(), revision, "again changes nothing");
    let decoded = engine.view().entry(&book, "a").unwrap().decode().unwrap();
    assert_eq!(decoded.instance.health(), sd_core::Health::Draining);
    assert_eq!(renew(&engine, "a", "one"), Renewed::Ok, "the owner holds it still");
    assert!(engine.deregister(book.clone(), a.clone(), None).await.unwrap().removed);
    assert!(matches!(engine.deregister(book, a, None).await, Err(Refusal::NotFound { .. })));
    assert_eq!(renew(&engine, "a", "one"), Renewed::Gone);
}

#[tokio::test(start_paused = true)]
async fn limits_refuse_and_change_nothing() {
    let limits = Limits { instances: 3, instances_per_service: 2, value_bytes: 200, ..Limits::default() };
    let engine = engine_with(Settings { limits, ..Settings::default() });
    engine.register(put("book", "a", "one")).await.unwrap();
    engine.register(put("book", "b", "one")).await.unwrap();
    let Err(Refusal::Full(why)) = engine.register(put("book", "c", "one")).await else { panic!("refused") };
    assert!(why.contains("book has 2 instances"), "{why}");
    engine.register(put("other", "a", "one")).await.unwrap();
    let Err(Refusal::Full(why)) = engine.register(put("third", "a", "one")).await else { panic!("refused") };
    assert!(why.contains("holds 3 instances"), "{why}");
    engine.register(put("book", "a", "another")).await.unwrap();
    let large = Put { instance: "x".repeat(201).into(), ..put("book", "a", "one") };
    let Err(Refusal::Invalid(error)) = engine.register(large).await else { panic!("refused") };
    assert!(error.to_string().contains("201 bytes") && error.to_string().contains("200"), "{error}");
    assert_eq!(engine.view().counts().instances, 3);
    // What goes makes room.
    engine.deregister("book".parse().unwrap(), "b".into(), None).await.unwrap();
    engine.register(put("book", "c", "one")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_lapses_stops_evictions_until_enough_renew() {
    let engine = engine();
    let all: Vec<_> = (0..100).map(|number| format!("i{number:02}")).collect();
    for id in &all {
        engine.register(put("book", id, "one")).await.unwrap();
    }
    tokio::time::sleep(11 * SECOND).await;
    assert_eq!(ids(&engine).len(), 100, "all lapsed at once: the network, more likely than they");
    assert!(engine.condition().preserving.is_some_and(|(_, kept)| kept == 100));
    for id in &all[..90] {
        assert_eq!(renew(&engine, id, "one"), Renewed::Ok, "a lapsed entry that is kept can be renewed");
    }
    tokio::time::sleep(2 * SECOND).await;
    assert_eq!(engine.condition().preserving, None);
    assert_eq!(ids(&engine).len(), 90, "the ten that did not come back are gone");
}

#[tokio::test(start_paused = true)]
async fn what_lapsed_is_kept_no_longer_than_the_age_limit() {
    let preservation = SelfPreservation { age_limit: 60 * SECOND, ..SelfPreservation::default() };
    let engine = engine_with(Settings { preservation, ..Settings::default() });
    for number in 0..20 {
        engine.register(put("book", &number.to_string(), "one")).await.unwrap();
    }
    tokio::time::sleep(65 * SECOND).await;
    assert_eq!(ids(&engine).len(), 20);
    tokio::time::sleep(10 * SECOND).await;
    assert!(ids(&engine).is_empty());
    assert_eq!(engine.condition().preserving, None, "and then it is over");
}

#[tokio::test(start_paused = true)]
async fn leases_do_not_lapse_for_the_time_in_which_the_centre_stood_still() {
    let engine = engine();
    engine.register(put("book", "a", "one")).await.unwrap();
    tokio::time::sleep(SECOND).await;
    // One leap, in which no task runs: a stopped process.
    tokio::time::advance(60 * SECOND).await;
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(ids(&engine), ["a"]);
    tokio::time::sleep(7 * SECOND).await;
    assert!(ids(&engine).is_empty(), "one TTL more, and no other");
}

#[tokio::test(start_paused = true)]
async fn after_a_restart_leases_go_on_with_a_grace() {
    let owner = Owner::from_text("one");
    let found = |id: &str| crate::store::LoadedEntry {
        service: "book".parse().unwrap(),
        id: id.into(),
        owner: owner.clone(),
        revision: 7,
        registered_at: Some(3),
        ttl: 10 * SECOND,
        instance: put("book", id, "one").instance,
    };
    let loaded = Loaded { epoch: Epoch(1), revision: 7, entries: vec![found("a"), found("b")] };
    let settings = Settings { grace: 30 * SECOND, ..Settings::default() };
    let engine = Engine::start(Store::Memory, loaded, settings, Arc::default());
    assert_eq!(engine.view().counts().revision, 7);
    tokio::time::sleep(25 * SECOND).await;
    assert_eq!(renew(&engine, "a", "one"), Renewed::Ok);
    tokio::time::sleep(6 * SECOND).await;
    assert_eq!(ids(&engine), ["a"]);
    let next = engine.register(put("book", "c", "one")).await.unwrap();
    assert!(next.revision > 7, "revisions never go back");
}

/// A view that is kept up by a watcher alone.
struct Reader {
    watcher: Watcher,
    seen: BTreeMap<String, String>,
    revision: u64,
}

impl Reader {
    fn new(engine: &Engine, resume: Option<(u64, BTreeMap<String, String>)>) -> Self {
        let scope = Scope::Service("book".parse().unwrap());
        let (watcher, begin) = Watcher::new(engine.view(), scope, resume.as_ref().map(|(revision, _)| *revision));
        let mut reader = Self { watcher, seen: BTreeMap::new(), revision: 0 };
        match begin {
            Begin::Resumed(revision) => {
                (reader.revision, reader.seen) = (revision, resume.unwrap().1);
            }
            Begin::Snapshot(snapshot) => reader.start_over(&snapshot),
        }
        reader
    }

    fn start_over(&mut self, snapshot: &crate::engine::watcher::Snapshot) {
        let entries = &snapshot.services[0].1;
        self.seen = entries.iter().map(|(id, entry)| (id.to_string(), entry.instance.to_string())).collect();
        self.revision = snapshot.revision;
    }

    /// Reads all there is, without waiting for more.
    async fn read(&mut self) {
        while let Ok(news) = tokio::time::timeout(Duration::ZERO, self.watcher.next()).await {
            match news {
                News::Behind(snapshot) => self.start_over(&snapshot),
                News::Events(events) => {
                    for event in events {
                        assert!(event.change.revision() > self.revision, "in order, and each once");
                        self.revision = event.change.revision();
                        match &event.change {
                            Change::Put(entry) => {
                                self.seen.insert(entry.id.to_string(), entry.instance.to_string());
                            }
                            Change::Remove { entry, .. } => {
                                assert!(self.seen.remove(&*entry.id).is_some(), "what goes has been there");
                            }
                            other => panic!("{other:?}"),
                        }
                    }
                }
            }
        }
        self.revision = self.revision.max(self.watcher.caught_up_to());
    }
}

fn truth(engine: &Engine) -> BTreeMap<String, String> {
    let (_, entries) = engine.view().entries(&"book".parse().unwrap());
    entries.iter().map(|(id, entry)| (id.to_string(), entry.instance.to_string())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_slow_watcher_gets_a_snapshot_and_never_a_gap() {
    let engine = engine();
    let mut slow = Reader::new(&engine, None);
    for round in 0..500 {
        engine.register(put("book", &(round % 7).to_string(), &format!("o{round}"))).await.unwrap();
    }
    slow.read().await;
    assert_eq!(slow.seen, truth(&engine));
}

#[tokio::test(start_paused = true)]
async fn a_revision_from_the_future_or_too_far_back_is_answered_with_a_snapshot() {
    let engine = engine();
    engine.register(put("book", "a", "one")).await.unwrap();
    let scope = || Scope::Service("book".parse().unwrap());
    assert!(matches!(Watcher::new(engine.view(), scope(), Some(99)).1, Begin::Snapshot(_)));
    assert!(matches!(Watcher::new(engine.view(), scope(), Some(1)).1, Begin::Resumed(1)));
    assert!(matches!(Watcher::new(engine.view(), scope(), Some(0)).1, Begin::Resumed(0)));
    for round in 0..200 {
        engine.register(put("book", "a", &format!("o{round}"))).await.unwrap();
    }
    assert!(matches!(Watcher::new(engine.view(), scope(), Some(1)).1, Begin::Snapshot(_)));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_nobody_has_or_watches_leaves_nothing_behind() {
    let engine = engine();
    let book: ServiceName = "book".parse().unwrap();
    let (watcher, _) = Watcher::new(engine.view(), Scope::Service(book.clone()), None);
    engine.register(put("book", "a", "one")).await.unwrap();
    engine.deregister(book.clone(), "a".into(), None).await.unwrap();
    assert!(format!("{:?}", engine.view()).contains("\"book\""), "it is being watched");
    drop(watcher);
    let services = format!("{:?}", engine.view());
    assert!(services.contains("services: {}"), "{services}");
}

#[derive(Debug, Clone)]
enum Step {
    Register { id: u8, owner: u8, weight: u32, prior: bool },
    Update { id: u8, owner: u8, weight: u32 },
    Deregister { id: u8, owner: Option<u8> },
    Drain { id: u8 },
    Renew { id: u8, owner: u8 },
    Pass { steps: u64 },
    Reconnect { reader: usize },
    Read { reader: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let (id, owner) = (0u8..4, 0u8..3);
    prop_oneof![
        4 => (id.clone(), owner.clone(), 1u32..4, any::<bool>())
            .prop_map(|(id, owner, weight, prior)| Step::Register { id, owner, weight, prior }),
        2 => (id.clone(), owner.clone(), 1u32..4).prop_map(|(id, owner, weight)| Step::Update { id, owner, weight }),
        2 => (id.clone(), prop::option::of(owner.clone())).prop_map(|(id, owner)| Step::Deregister { id, owner }),
        1 => id.clone().prop_map(|id| Step::Drain { id }),
        3 => (id, owner).prop_map(|(id, owner)| Step::Renew { id, owner }),
        2 => (1u64..600).prop_map(|steps| Step::Pass { steps }),
        1 => (0usize..3).prop_map(|reader| Step::Reconnect { reader }),
        2 => (0usize..3).prop_map(|reader| Step::Read { reader }),
    ]
}

/// What an entry is, in the simplest terms.
#[derive(Debug, Clone, PartialEq)]
struct Model {
    owner: u8,
    weight: u32,
    draining: bool,
    until: tokio::time::Instant,
}

/// Acts fall on multiples of ten milliseconds, deadlines between them: none falls on the moment at which a lease lapses.
const BETWEEN: Duration = Duration::from_millis(10_005);
const STEP: Duration = Duration::from_millis(10);

async fn run(steps: Vec<Step>) {
    let preservation = SelfPreservation { share: 1.0, ..SelfPreservation::default() };
    let engine = engine_with(Settings { preservation, ..Settings::default() });
    let mut model: BTreeMap<u8, Model> = BTreeMap::new();
    let mut readers: Vec<_> = (0..3).map(|_| Reader::new(&engine, None)).collect();
    let mut revision = 0;
    let name = |number: u8| format!("o{number}");
    for step in steps {
        tokio::time::sleep(STEP).await;
        let now = tokio::time::Instant::now();
        model.retain(|_, entry| entry.until > now);
        let until = now + BETWEEN;
        match step {
            Step::Register { id, owner, weight, prior } => {
                let text = entry::encode(
                    &instance(&id.to_string(), weight),
                    &Owner::from_text(&name(owner)),
                    &UnknownFields::default(),
                );
                let put =
                    Put { instance: text.unwrap(), prior, ttl: BETWEEN, ..put("book", &id.to_string(), &name(owner)) };
                let before = model.get(&id).cloned();
                let is_anothers = before.as_ref().is_some_and(|entry| entry.owner != owner);
                match engine.register(put).await {
                    Ok(done) => {
                        assert!(!(prior && is_anothers));
                        assert_eq!((done.created, done.took_over), (before.is_none(), is_anothers));
                        model.insert(id, Model { owner, weight, draining: false, until });
                    }
                    Err(Refusal::Superseded { .. }) => assert!(prior && is_anothers),
                    Err(other) => panic!("{other:?}"),
                }
            }
            Step::Update { id, owner, weight } => {
                match (engine.update(update(&id.to_string(), &name(owner), weight)).await, model.get_mut(&id)) {
                    (Ok(_), Some(entry)) if entry.owner == owner => {
                        *entry = Model { owner, weight, draining: false, until };
                    }
                    (Err(Refusal::Superseded { .. }), Some(entry)) => assert_ne!(entry.owner, owner),
                    (Err(Refusal::NotFound { .. }), None) => {}
                    other => panic!("{other:?}"),
                }
            }
            Step::Deregister { id, owner } => {
                let by = owner.map(|owner| Owner::from_text(&name(owner)));
                let result = engine.deregister("book".parse().unwrap(), id.to_string().into(), by).await;
                let may = model.get(&id).is_some_and(|entry| owner.is_none_or(|owner| owner == entry.owner));
                match result {
                    Ok(done) => assert_eq!(done.removed, may),
                    Err(Refusal::NotFound { .. }) => assert!(owner.is_none() && !model.contains_key(&id)),
                    Err(other) => panic!("{other:?}"),
                }
                if may {
                    model.remove(&id);
                }
            }
            Step::Drain { id } => {
                let result = engine.drain("book".parse().unwrap(), id.to_string().into()).await;
                assert_eq!(result.is_ok(), model.contains_key(&id));
                if let Some(entry) = model.get_mut(&id) {
                    entry.draining = true;
                }
            }
            Step::Renew { id, owner } => {
                let expected = match model.get_mut(&id) {
                    None => Renewed::Gone,
                    Some(entry) if entry.owner != owner => Renewed::Superseded,
                    Some(entry) => {
                        entry.until = until;
                        Renewed::Ok
                    }
                };
                assert_eq!(renew(&engine, &id.to_string(), &name(owner)), expected);
            }
            Step::Pass { steps } => {
                tokio::time::sleep(STEP * u32::try_from(steps).unwrap()).await;
            }
            Step::Reconnect { reader } => {
                let old = &readers[reader];
                readers[reader] = Reader::new(&engine, Some((old.revision, old.seen.clone())));
            }
            Step::Read { reader } => readers[reader].read().await,
        }
        assert!(engine.view().revision() >= revision, "revisions never go back");
        revision = engine.view().revision();
    }
    tokio::time::sleep(STEP).await;
    let now = tokio::time::Instant::now();
    model.retain(|_, entry| entry.until > now);
    let truth = truth(&engine);
    let is: BTreeMap<_, _> = truth
        .iter()
        .map(|(id, text)| {
            let decoded = Codec::decode(text.as_bytes()).unwrap();
            let draining = decoded.instance.health() == sd_core::Health::Draining;
            (id.clone(), (decoded.owner.unwrap().as_str().to_owned(), decoded.instance.weight(), draining))
        })
        .collect();
    let should: BTreeMap<_, _> =
        model.iter().map(|(id, entry)| (id.to_string(), (name(entry.owner), entry.weight, entry.draining))).collect();
    assert_eq!(is, should);
    for reader in &mut readers {
        reader.read().await;
        assert_eq!(reader.seen, truth, "a watcher that reconnects ends with the store's own view");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn it_does_what_the_model_does_and_watchers_see_it(steps in prop::collection::vec(step(), 1..150)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(steps));
    }
}
