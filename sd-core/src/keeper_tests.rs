//! What the keeper does with a registry that answers as a script says, on paused time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::*;
use crate::catalog::CatalogPublisher;
use crate::connection::Connection;
use crate::probe::ProbeReport;
use crate::publisher::Publisher;
use crate::randomness::SeededRandomness;
use crate::registrar::{Registrar as _, Registration};
use crate::registration::RegistrationHandle;
use crate::service::ServiceName;

const LONG: Duration = Duration::from_secs(3600);

/// How one act is answered, and when.
#[derive(Debug, Clone)]
struct Answer {
    after: Duration,
    result: Result<(), Error>,
}

fn ok() -> Answer {
    Answer { after: Duration::ZERO, result: Ok(()) }
}

fn fails(error: Error) -> Answer {
    Answer { after: Duration::ZERO, result: Err(error) }
}

fn late(answer: Answer, after: Duration) -> Answer {
    Answer { after, ..answer }
}

fn down() -> Error {
    Error::unavailable("down")
}

fn unauthorized() -> Error {
    Error::new(ErrorKind::Unauthorized, "wrong password")
}

/// Answers as told, then well; notes what it was asked, and when.
#[derive(Debug)]
struct Scripted {
    started: Instant,
    details: bool,
    puts: Mutex<VecDeque<Answer>>,
    updates: Mutex<VecDeque<Answer>>,
    removes: Mutex<VecDeque<Answer>>,
    lost: Mutex<VecDeque<Lost>>,
    lose: Notify,
    log: Mutex<Vec<(Duration, String)>>,
}

impl Scripted {
    fn new() -> Arc<Self> {
        Self::with_details(true)
    }

    fn with_details(details: bool) -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            details,
            puts: Mutex::default(),
            updates: Mutex::default(),
            removes: Mutex::default(),
            lost: Mutex::default(),
            lose: Notify::new(),
            log: Mutex::default(),
        })
    }

    fn puts(self: &Arc<Self>, answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        self.puts.lock().unwrap().extend(answers);
        Arc::clone(self)
    }

    fn updates(self: &Arc<Self>, answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        self.updates.lock().unwrap().extend(answers);
        Arc::clone(self)
    }

    fn removes(self: &Arc<Self>, answers: impl IntoIterator<Item = Answer>) -> Arc<Self> {
        self.removes.lock().unwrap().extend(answers);
        Arc::clone(self)
    }

    fn lose(&self, lost: Lost) {
        self.lost.lock().unwrap().push_back(lost);
        self.lose.notify_one();
    }

    /// What was asked, without the times.
    fn asked(&self) -> Vec<String> {
        self.log.lock().unwrap().iter().map(|(_, what)| what.clone()).collect()
    }

    /// When it was asked for what begins so.
    fn times(&self, what: &str) -> Vec<Duration> {
        self.log.lock().unwrap().iter().filter(|(_, asked)| asked.starts_with(what)).map(|(at, _)| *at).collect()
    }

    async fn answer(&self, what: &str, record: &Record, script: &Mutex<VecDeque<Answer>>) -> Result<(), Error> {
        let words = format!(
            "{what} {}{}",
            record.instance.weight(),
            match record.instance.health() {
                Health::Draining => " draining",
                _ => "",
            }
        );
        self.log.lock().unwrap().push((self.started.elapsed(), words));
        let answer = script.lock().unwrap().pop_front().unwrap_or_else(ok);
        tokio::time::sleep(answer.after).await;
        answer.result
    }
}

#[async_trait]
impl Registry for Scripted {
    fn name(&self) -> &'static str {
        "scripted"
    }
    fn ttl(&self) -> Duration {
        Duration::from_secs(10)
    }
    fn carries_details(&self) -> bool {
        self.details
    }
    fn check(&self, record: &Record) -> Result<(), Error> {
        if record.instance.has_tag("refused") { Err(Error::config("refused by check")) } else { Ok(()) }
    }
    async fn put(&self, record: &Record, _prior: Option<&Grant>) -> Result<Grant, Error> {
        self.answer("put", record, &self.puts).await?;
        Ok(Grant { token: 1, ttl: Some(self.ttl()), warning: None })
    }
    async fn held(&self, _record: &Record, _grant: &Grant) -> Lost {
        loop {
            if let Some(lost) = self.lost.lock().unwrap().pop_front() {
                return lost;
            }
            self.lose.notified().await;
        }
    }
    async fn update(&self, record: &Record, _grant: &Grant) -> Result<(), Error> {
        self.answer("update", record, &self.updates).await
    }
    async fn remove(&self, record: &Record) -> Result<(), Error> {
        self.answer("remove", record, &self.removes).await
    }
    async fn watch(&self, _service: &ServiceName, _publisher: &Publisher) -> Error {
        std::future::pending().await
    }
    async fn services(&self) -> Result<BTreeSet<ServiceName>, Error> {
        Ok(BTreeSet::new())
    }
    async fn watch_services(&self, _publisher: &CatalogPublisher) -> Error {
        std::future::pending().await
    }
    async fn drain(&self, _service: &ServiceName, _id: &str) -> Result<(), Error> {
        Ok(())
    }
    async fn deregister(&self, _service: &ServiceName, _id: &str) -> Result<(), Error> {
        Ok(())
    }
    async fn probe(&self) -> Result<ProbeReport, Error> {
        Ok(ProbeReport::new(Duration::ZERO, "", ""))
    }
}

fn connection(registry: &Arc<Scripted>) -> Connection {
    let registry: Arc<dyn Registry> = Arc::clone(registry) as _;
    Connection::builder(registry).randomness(Arc::new(SeededRandomness::new(1))).build().unwrap()
}

fn instance(weight: u32) -> Instance {
    Instance::new("127.0.0.1:80".parse::<crate::address::Address>().unwrap()).with_weight(weight)
}

fn registration(weight: u32) -> Registration {
    Registration::new("book", instance(weight))
}

async fn registered(registry: &Arc<Scripted>) -> RegistrationHandle {
    timeout(LONG, connection(registry).register(registration(1))).await.unwrap().unwrap()
}

fn alive() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn kratos_3883_heartbeat_never_gives_up() {
    let registry = Scripted::new();
    let mut handle = registered(&registry).await;
    for _ in 0..1000 {
        registry.puts([fails(down())]);
    }
    registry.lose(Lost::Gone(down()));
    timeout(LONG * 24, handle.state.wait_for(RegistrationState::is_retrying)).await.unwrap().unwrap();
    timeout(LONG * 24, handle.accepted()).await.unwrap().unwrap();
    let times = registry.times("put");
    assert_eq!(times.len(), 1 + 1000 + 1, "each failure is followed by a further attempt");
    let longest = times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(longest <= Duration::from_secs(10), "{longest:?} between two attempts");
    let spread: std::collections::BTreeSet<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(spread.len() > 900, "without jitter a thousand processes come back together");
}

#[tokio::test(start_paused = true)]
async fn the_first_retry_after_a_loss_is_spread_over_a_second() {
    let mut delays = Vec::new();
    for seed in 0..200 {
        let registry = Scripted::new();
        let dynamic: Arc<dyn Registry> = Arc::clone(&registry) as _;
        let connection =
            Connection::builder(dynamic).randomness(Arc::new(SeededRandomness::new(seed))).build().unwrap();
        let mut handle = connection.register(registration(1)).await.unwrap();
        tokio::time::sleep(LONG).await;
        let lost_at = registry.started.elapsed();
        registry.lose(Lost::Gone(down()));
        timeout(LONG, handle.state.wait_for(RegistrationState::is_retrying)).await.unwrap().unwrap();
        timeout(LONG, handle.accepted()).await.unwrap().unwrap();
        delays.push(registry.times("put")[1] - lost_at);
    }
    delays.sort();
    assert!(delays[199] <= Duration::from_millis(1001), "{:?}", delays[199]);
    assert!(delays[100] > Duration::from_millis(350) && delays[100] < Duration::from_millis(650), "{:?}", delays[100]);
}

/// A connection with a thousand registrations: the last would be back only after the longest backoff.
#[tokio::test(start_paused = true)]
async fn when_one_is_accepted_after_an_outage_the_others_follow_within_a_second() {
    let failures = 700;
    let registry = Scripted::new().puts(std::iter::repeat_n(fails(down()), failures));
    let connection = connection(&registry);
    let registering = (1..101).map(|port| {
        let at: crate::address::Address = format!("127.0.0.1:{port}").parse().unwrap();
        connection.register_in_background(Registration::new("book", Instance::new(at))).unwrap()
    });
    for mut handle in registering.collect::<Vec<_>>() {
        timeout(LONG, handle.accepted()).await.unwrap().unwrap();
    }
    let times = registry.times("put");
    assert_eq!(times.len(), failures + 100);
    let after = times[times.len() - 1] - times[failures];
    assert!(after <= Duration::from_millis(1001), "the last came {after:?} after the first");
    assert!(after > Duration::from_millis(500), "spread, not all at once: {after:?}");
}

/// A registry that takes some and refuses others is not asked by all of them whenever it takes one.
#[tokio::test(start_paused = true)]
async fn one_that_has_hurried_in_vain_keeps_to_its_backoff() {
    const FAILURES: usize = 9;
    let mut waited = Duration::ZERO;
    for seed in 0..20 {
        let registry = Scripted::new();
        let dynamic: Arc<dyn Registry> = Arc::clone(&registry) as _;
        let connection =
            Connection::builder(dynamic).randomness(Arc::new(SeededRandomness::new(seed))).build().unwrap();
        let other = |port: u16| {
            let at: crate::address::Address = format!("127.0.0.2:{port}").parse().unwrap();
            connection.register(Registration::new("book", Instance::new(at)))
        };
        let asked = async |times: usize| {
            while registry.times("put 2").len() < times {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            registry.times("put 2")[times - 1]
        };
        registry.puts(std::iter::repeat_n(fails(down()), FAILURES));
        let _failing = connection.register_in_background(registration(2)).unwrap();
        asked(FAILURES).await;
        registry.puts([ok(), fails(down())]);
        let _first = other(1).await.unwrap();
        let in_vain = asked(FAILURES + 1).await;
        let _second = other(2).await.unwrap();
        waited += asked(FAILURES + 2).await - in_vain;
    }
    assert!(waited / 20 > Duration::from_secs(3), "{waited:?} in 20 times, of up to 10 s each");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_an_error_before_the_first_acceptance_only() {
    let registry = Scripted::new().puts([fails(unauthorized())]);
    let error = connection(&registry).register(registration(1)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    tokio::time::sleep(LONG).await;
    assert_eq!(registry.asked(), ["put 1"], "nothing is tried any more, and nothing was there to take back");

    let registry = Scripted::new().puts([ok(), fails(unauthorized()), fails(unauthorized()), ok()]);
    let mut handle = registered(&registry).await;
    registry.lose(Lost::Gone(down()));
    timeout(LONG, handle.state.wait_for(RegistrationState::is_retrying)).await.unwrap().unwrap();
    timeout(LONG, handle.accepted()).await.unwrap().unwrap();
    let times = registry.times("put");
    assert_eq!(times.len(), 4, "the password was rotated meanwhile");
    assert!(times[2] - times[1] >= Duration::from_secs(5), "at the longest backoff");
}

#[tokio::test(start_paused = true)]
async fn a_refused_background_registration_says_so_and_answers_all_the_same() {
    let registry = Scripted::new().puts([fails(down()), fails(unauthorized())]);
    let mut handle = connection(&registry).register_in_background(registration(1)).unwrap();
    let error = timeout(LONG, handle.accepted()).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    assert!(matches!(handle.state(), RegistrationState::Refused { .. }));
    assert_eq!(handle.update(instance(2)).await.unwrap_err().kind(), ErrorKind::Unauthorized);
    timeout(LONG, handle.deregister()).await.unwrap().unwrap();
    assert_eq!(registry.asked(), ["put 1", "put 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_superseded_one_writes_no_more() {
    let registry = Scripted::new();
    let mut handle = registered(&registry).await;
    registry.lose(Lost::Superseded);
    timeout(LONG, handle.state.wait_for(RegistrationState::is_superseded)).await.unwrap().unwrap();
    let error = handle.update(instance(2)).await.unwrap_err();
    assert!(error.kind() == ErrorKind::Conflict && !error.is_retryable());
    timeout(LONG, handle.drain(Duration::from_secs(1))).await.unwrap().unwrap();
    tokio::time::sleep(LONG).await;
    assert_eq!(registry.asked(), ["put 1"], "neither drained nor removed");
}

fn taken() -> Error {
    Error::new(ErrorKind::Conflict, "a newer registrant has taken this id").with_retryable(false)
}

#[tokio::test(start_paused = true)]
async fn one_that_comes_back_to_find_a_newer_registrant_gives_way() {
    let registry = Scripted::new().puts([ok(), fails(taken())]);
    let mut handle = registered(&registry).await;
    registry.lose(Lost::Gone(down()));
    while !handle.state().is_superseded() {
        handle.changed().await.unwrap();
    }
    handle.deregister().await.unwrap();
    assert_eq!(registry.asked(), ["put 1", "put 1"]);
}

#[tokio::test(start_paused = true)]
async fn an_update_that_meets_a_newer_registrant_is_a_conflict_and_gives_way() {
    let registry = Scripted::new().updates([fails(taken())]);
    let handle = registered(&registry).await;
    assert_eq!(handle.update(instance(2)).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(handle.update(instance(3)).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert!(handle.state().is_superseded());
    assert_eq!(registry.asked(), ["put 1", "update 2"]);
}

#[tokio::test(start_paused = true)]
async fn an_update_whose_outcome_is_unknown_is_put_anew_and_answered_then() {
    let registry = Scripted::new().updates([fails(down())]).puts([ok(), fails(down()), ok()]);
    let handle = registered(&registry).await;
    timeout(LONG, handle.update(instance(2))).await.unwrap().unwrap();
    assert_eq!(registry.asked(), ["put 1", "update 2", "put 2", "put 2"]);
    assert!(handle.state().is_registered());
}

#[tokio::test(start_paused = true)]
async fn an_update_that_the_registry_refuses_leaves_it_as_it_was() {
    let registry = Scripted::new().updates([fails(Error::config("too large"))]);
    let handle = registered(&registry).await;
    assert_eq!(handle.update(instance(2)).await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(handle.update(instance(2).with_tag("refused")).await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(handle.update(instance(2).with_id("other")).await.unwrap_err().kind(), ErrorKind::Config);
    assert_eq!(handle.update(instance(65_536)).await.unwrap_err().kind(), ErrorKind::Config);
    registry.lose(Lost::Gone(down()));
    tokio::time::sleep(LONG).await;
    assert_eq!(registry.asked(), ["put 1", "update 2", "put 1"], "it is put anew as it was");
}

#[tokio::test(start_paused = true)]
async fn an_update_while_a_put_is_under_way_is_written_after_it() {
    let registry = Scripted::new().puts([late(ok(), Duration::from_secs(2))]);
    let handle = connection(&registry).register_in_background(registration(1)).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    timeout(LONG, handle.update(instance(2))).await.unwrap().unwrap();
    assert_eq!(registry.asked(), ["put 1", "put 2"], "the newest stands");
    assert!(handle.state().is_registered());
}

#[tokio::test(start_paused = true)]
async fn updates_during_an_outage_are_answered_when_it_is_over_and_only_the_last_is_written() {
    let registry = Scripted::new().puts(std::iter::repeat_n(fails(down()), 3));
    let handle = connection(&registry).register_in_background(registration(1)).unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (first, second) = (handle.update(instance(2)), handle.update(instance(3)));
    let (first, second) = timeout(LONG, async { tokio::join!(first, second) }).await.unwrap();
    first.unwrap();
    second.unwrap();
    assert_eq!(registry.asked().last().unwrap(), "put 3");
    assert!(!registry.asked().contains(&"put 2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn where_the_codec_carries_the_address_alone_nothing_else_is_updated_and_a_drain_removes_first() {
    let registry = Scripted::with_details(false);
    let handle = registered(&registry).await;
    assert_eq!(handle.update(instance(2)).await.unwrap_err().kind(), ErrorKind::Unsupported);
    handle.update(instance(1)).await.unwrap();
    let started = Instant::now();
    handle.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!(started.elapsed(), Duration::from_secs(5), "then it waits");
    assert_eq!(registry.asked(), ["put 1", "update 1", "remove 1"]);
}

#[tokio::test(start_paused = true)]
async fn without_details_a_new_address_can_be_told_but_nothing_new_with_it() {
    let registry = Scripted::with_details(false);
    let handle = registered(&registry).await;
    let moved = |port: u16, weight| {
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        Instance::new(address).with_id("127.0.0.1:80").with_weight(weight)
    };
    assert_eq!(handle.update(moved(81, 2)).await.unwrap_err().kind(), ErrorKind::Unsupported);
    handle.update(moved(81, 1)).await.unwrap();
    assert_eq!(handle.update(moved(81, 2)).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(registry.asked(), ["put 1", "update 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_drain_marks_waits_and_removes() {
    let registry = Scripted::new();
    let handle = registered(&registry).await;
    handle.drain(Duration::from_secs(5)).await.unwrap();
    assert_eq!(registry.asked(), ["put 1", "update 1 draining", "remove 1 draining"]);
    let times = registry.times("");
    assert_eq!(times[2] - times[1], Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_can_not_be_written_removes_at_once() {
    let registry = Scripted::new().updates([fails(down())]);
    let started = Instant::now();
    registered(&registry).await.drain(LONG).await.unwrap();
    assert_eq!(registry.asked(), ["put 1", "update 1 draining", "remove 1"]);
    assert!(started.elapsed() < Duration::from_secs(1));

    // One that hangs is not waited for beyond the limit of a deregistration.
    let registry = Scripted::new().updates([late(ok(), LONG)]);
    let started = Instant::now();
    registered(&registry).await.drain(LONG).await.unwrap();
    assert!(started.elapsed() <= DEREGISTER_TIMEOUT * 2, "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_drain_whose_future_is_dropped_is_cut_short() {
    let registry = Scripted::new();
    let handle = registered(&registry).await;
    assert!(timeout(Duration::from_secs(1), handle.drain(LONG)).await.is_err());
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(registry.asked().last().unwrap(), "remove 1 draining");
}

#[tokio::test(start_paused = true)]
async fn deregistering_tries_for_three_seconds_and_says_what_was_in_the_way() {
    let registry = Scripted::new().removes(std::iter::repeat_n(fails(down()), 1000));
    let handle = registered(&registry).await;
    let started = Instant::now();
    let error = handle.deregister().await.unwrap_err();
    assert_eq!(error.message(), "down");
    assert!(started.elapsed() <= DEREGISTER_TIMEOUT, "{:?}", started.elapsed());
    assert!(registry.times("remove").len() > 3, "it was tried again");

    let registry = Scripted::new().removes([late(ok(), LONG)]);
    let started = Instant::now();
    let error = registered(&registry).await.deregister().await.unwrap_err();
    assert!(error.message().contains("3s") && error.operation() == "deregister", "{error}");
    assert_eq!(started.elapsed(), DEREGISTER_TIMEOUT);

    let registry = Scripted::new().removes([fails(unauthorized())]);
    let error = registered(&registry).await.deregister().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "at once: trying again does not help");
}

#[tokio::test(start_paused = true)]
async fn a_handle_dropped_while_a_put_is_under_way_takes_back_after_it() {
    let registry = Scripted::new().puts([late(ok(), Duration::from_secs(1))]);
    let handle = connection(&registry).register_in_background(registration(1)).unwrap();
    tokio::time::sleep(Duration::from_millis(500)).await;
    drop(handle);
    tokio::time::sleep(LONG).await;
    let times = registry.times("");
    assert_eq!(registry.asked(), ["put 1", "remove 1"]);
    assert_eq!(times[1], Duration::from_secs(1), "not before the put has ended, and no later");

    // A put that hangs is not waited for for ever.
    let registry = Scripted::new().puts([late(ok(), LONG)]);
    drop(timeout(Duration::from_secs(1), connection(&registry).register(registration(1))).await);
    tokio::time::sleep(LONG).await;
    assert_eq!(registry.asked(), ["put 1", "remove 1"]);
    assert!(registry.times("remove")[0] <= Duration::from_secs(1) + DEREGISTER_TIMEOUT);
}

#[tokio::test(start_paused = true)]
async fn a_registration_given_up_during_an_outage_is_taken_back_too() {
    let registry = Scripted::new().puts(std::iter::repeat_n(fails(down()), 1000));
    assert!(timeout(Duration::from_secs(60), connection(&registry).register(registration(1))).await.is_err());
    tokio::time::sleep(Duration::from_secs(10)).await;
    let puts = registry.times("put").len();
    assert_eq!(registry.times("remove").len(), 1, "a put that seemed to fail may have landed");
    tokio::time::sleep(LONG).await;
    assert_eq!(registry.times("put").len(), puts, "and nothing is put any more");
}

#[tokio::test(start_paused = true)]
async fn go_kit_stop_leaks_no_task() {
    let before = alive();
    let registry = Scripted::new();
    for end in 0..4 {
        let mut handle = registered(&registry).await;
        match end {
            0 => drop(handle),
            1 => handle.deregister().await.unwrap(),
            2 => handle.drain(Duration::from_secs(1)).await.unwrap(),
            _ => {
                registry.lose(Lost::Superseded);
                handle.state.wait_for(RegistrationState::is_superseded).await.unwrap();
            }
        }
    }
    tokio::time::sleep(LONG).await;
    assert_eq!(alive(), before);
}

#[tokio::test(start_paused = true)]
async fn states_tell_a_whole_life_and_how_long_it_has_been_out() {
    let registry = Scripted::new().puts([ok(), fails(down()), fails(Error::unavailable("still down")), ok()]);
    let mut handle = connection(&registry).register_in_background(registration(1)).unwrap();
    assert!(matches!(handle.state(), RegistrationState::Retrying { error: None, .. }));
    assert!(matches!(
        handle.changed().await.unwrap(),
        RegistrationState::Registered { ttl: Some(ttl), warning: None } if ttl == Duration::from_secs(10)
    ));
    registry.lose(Lost::Gone(Error::unavailable("lease lost")));
    let mut since = None;
    let mut messages = Vec::new();
    loop {
        match handle.changed().await.unwrap() {
            RegistrationState::Retrying { since: now, error: Some(error) } => {
                assert_eq!(*since.get_or_insert(now), now, "out since the loss, not since the last failure");
                messages.push(error.message().to_owned());
            }
            RegistrationState::Registered { .. } => break,
            state => panic!("{state:?}"),
        }
    }
    assert_eq!(messages, ["lease lost", "down", "still down"]);
    let mut state = handle.state.clone();
    handle.deregister().await.unwrap();
    assert!(matches!(*state.borrow_and_update(), RegistrationState::Deregistered));
}

#[tokio::test(start_paused = true)]
async fn a_process_that_stood_still_registers_at_once() {
    let registry = Scripted::new();
    let mut handle = registered(&registry).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    // Time jumps without anything having run.
    tokio::time::advance(Duration::from_secs(60)).await;
    timeout(Duration::from_secs(1), async {
        while registry.times("put").len() < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await
    .unwrap();
    timeout(LONG, handle.accepted()).await.unwrap().unwrap();
    assert!(registry.times("put")[1] < Duration::from_secs(61), "no backoff: it is the process that was away");
}

#[tokio::test(start_paused = true)]
async fn bad_input_is_refused_before_anything_is_asked() {
    let registry = Scripted::new();
    let connection = connection(&registry);
    for bad in [
        Registration::new("a/b", instance(1)),
        Registration::new("book", instance(1).with_id("a/b")),
        Registration::new("book", instance(65_536)),
        Registration::new("book", instance(1).with_tag("refused")),
    ] {
        assert_eq!(connection.register(bad.clone()).await.unwrap_err().kind(), ErrorKind::Config);
        assert_eq!(connection.register_in_background(bad).unwrap_err().kind(), ErrorKind::Config);
    }
    tokio::time::sleep(LONG).await;
    assert!(registry.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_registrations_of_one_process_have_different_owners() {
    let draw = || crate::codec::Owner::random(&crate::randomness::ThreadRandomness);
    let owners: std::collections::HashSet<_> = (0..100).map(|_| draw()).collect();
    assert_eq!(owners.len(), 100);
}
