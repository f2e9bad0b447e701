//! Tests of services that are lost.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;

use crate::admission::LeftOut;
use crate::balancer::{Balancer, PickContext, Picker};
use crate::defaults::INSTANCE_SETTLED;
use crate::endpointer::{DefaultEndpointer, Endpointer};
use crate::endpoints::Endpoints;
use crate::error::BoxError;
use crate::factory::{Connecting, Factory};
use crate::instance::{Health, Instance};
use crate::instancer::FixedInstancer;
use crate::members::Members;
use crate::publisher::Change;

#[derive(Debug)]
struct Nobody;

impl Balancer for Nobody {
    fn picker(&self, _members: &Members, _previous: Option<&Arc<dyn Picker>>) -> Arc<dyn Picker> {
        Arc::new(Self)
    }
}

impl Picker for Nobody {
    fn pick(&self, _context: &PickContext<'_>) -> Option<usize> {
        None
    }
}

/// Services that break when the test says so.
#[derive(Default, Clone)]
struct Breaking {
    made: Arc<AtomicUsize>,
    newest: Arc<Mutex<Option<watch::Sender<bool>>>>,
}

impl Breaking {
    fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    fn break_newest(&self) {
        self.newest.lock().unwrap().take().unwrap().send_replace(true);
    }
}

impl Factory for Breaking {
    type Service = watch::Receiver<bool>;

    fn make(&self, _instance: Arc<Instance>) -> Connecting<Self::Service> {
        self.made.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = watch::channel(false);
        *self.newest.lock().unwrap() = Some(sender);
        // Both ways of making are watched: every other one takes its time.
        if self.made().is_multiple_of(2) {
            Connecting::Now(Ok(receiver))
        } else {
            Connecting::Later(Box::pin(async { Ok(receiver) }))
        }
    }

    fn lost(&self, service: &Self::Service) -> Option<Pin<Box<dyn Future<Output = BoxError> + Send>>> {
        let mut broken = service.clone();
        Some(Box::pin(async move {
            let _ = broken.wait_for(|broken| *broken).await;
            "broken".into()
        }))
    }
}

fn instance() -> Instance {
    Instance::new(std::net::SocketAddr::from(([127, 0, 0, 1], 1)))
}

fn following(instancer: &FixedInstancer) -> (Breaking, DefaultEndpointer<watch::Receiver<bool>>) {
    let factory = Breaking::default();
    let endpointer = DefaultEndpointer::builder(instancer.publisher().subscribe(), factory.clone(), Nobody);
    (factory, endpointer.spawn().unwrap())
}

async fn until<S: Send + Sync>(endpointer: &DefaultEndpointer<S>, is: impl Fn(&Endpoints<S>) -> bool) {
    let cell = endpointer.cell();
    loop {
        let version = cell.version();
        if is(&cell.load()) {
            return;
        }
        cell.changed(version).await;
    }
}

/// Waits until so many were made, without letting time pass.
async fn at_once(factory: &Breaking, made: usize) {
    let made = async {
        while factory.made() < made {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_millis(1), made).await.expect("it waits before it connects again");
}

#[tokio::test(start_paused = true)]
async fn services_lost_one_after_the_other_come_back_with_backoff_and_the_same_key() {
    let (factory, endpointer) = following(&FixedInstancer::new([instance()]));
    until(&endpointer, |set| set.members().len() == 1).await;
    let mut keys = vec![endpointer.cell().load().members().get(0).unwrap().key()];
    factory.break_newest();
    at_once(&factory, 2).await;
    for round in 2..6 {
        until(&endpointer, |set| set.members().len() == 1).await;
        assert_eq!(factory.made(), round);
        keys.push(endpointer.cell().load().members().get(0).unwrap().key());
        factory.break_newest();
        until(&endpointer, |set| {
            let cause = |why: &LeftOut| match why {
                LeftOut::Unconnected(error) => std::error::Error::source(error).map(ToString::to_string),
                _ => None,
            };
            set.members().is_empty() && set.left_out().any(|(_, why)| cause(why).as_deref() == Some("broken"))
        })
        .await;
        assert!(!endpointer.cell().load().is_undecided());
    }
    keys.dedup();
    assert_eq!(keys.len(), 1, "its record is lost with its connection");
}

#[tokio::test(start_paused = true)]
async fn those_that_had_settled_are_made_anew_at_once() {
    let (factory, endpointer) = following(&FixedInstancer::new([instance()]));
    for round in 1..4 {
        until(&endpointer, |set| set.members().len() == 1).await;
        tokio::time::sleep(INSTANCE_SETTLED).await;
        factory.break_newest();
        at_once(&factory, round + 1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_lost_while_it_may_not_be_picked_is_made_anew_when_it_may() {
    let instancer = FixedInstancer::new([instance()]);
    let (factory, endpointer) = following(&instancer);
    until(&endpointer, |set| set.members().len() == 1).await;
    let say = |health| instancer.publisher().apply([Change::Put(Arc::new(instance().with_health(health)))]);
    say(Health::Draining);
    until(&endpointer, |set| set.left_out().any(|(_, why)| matches!(why, LeftOut::Draining))).await;
    factory.break_newest();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(factory.made(), 1, "nobody wants it");
    say(Health::Up);
    until(&endpointer, |set| set.members().len() == 1).await;
    assert_eq!(factory.made(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_one_that_is_gone_is_nothing() {
    let instancer = FixedInstancer::new([instance()]);
    let (factory, endpointer) = following(&instancer);
    until(&endpointer, |set| set.members().len() == 1).await;
    instancer.publisher().apply([Change::Remove(instance().id().into())]);
    until(&endpointer, |set| set.known() == 0).await;
    factory.break_newest();
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!((factory.made(), endpointer.cell().load().known()), (1, 0));
}
