//! Changes as a stream, and endpoints for tower's own balancer.

mod common;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use common::{instance, publisher, put, remove};
use futures_core::Stream;
use sd_lb::{Changed, Changes};

async fn next<T: Stream + Unpin>(stream: &mut T) -> Option<T::Item> {
    poll_fn(|cx| Pin::new(&mut *stream).poll_next(cx)).await
}

fn ids(instances: &[Arc<sd_core::Instance>]) -> Vec<&str> {
    instances.iter().map(|instance| instance.id().trim_start_matches("127.0.0.1:")).collect()
}

#[tokio::test(start_paused = true)]
async fn changes_come_as_deltas_and_none_is_lost_when_waiting_is_given_up() {
    let publisher = publisher();
    publisher.replace([Arc::new(instance(1)), Arc::new(instance(2))]);
    let mut changes = Changes::new(publisher.subscribe());
    let Changed { delta, snapshot, .. } = next(&mut changes).await.unwrap();
    assert_eq!((ids(&delta.added), snapshot.len()), (vec!["1", "2"], 2));

    let patience = std::time::Duration::from_millis(1);
    for _ in 0..5 {
        assert!(tokio::time::timeout(patience, next(&mut changes)).await.is_err());
    }
    publisher.apply([put(instance(3))]);
    publisher.apply([remove(1), put(instance(2).with_weight(5))]);
    let Changed { delta, .. } = next(&mut changes).await.unwrap();
    assert_eq!((ids(&delta.added), ids(&delta.changed), ids(&delta.removed)), (vec!["3"], vec!["2"], vec!["1"]));
}

#[tokio::test(start_paused = true)]
async fn changes_end_when_nothing_can_come_any_more() {
    let publisher = publisher();
    publisher.replace([]);
    let mut changes = Changes::new(publisher.subscribe());
    assert!(next(&mut changes).await.is_some());
    drop(publisher);
    assert!(next(&mut changes).await.is_none());
    assert!(next(&mut changes).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn the_first_item_holds_everything_also_for_a_subscription_that_was_read() {
    let publisher = publisher();
    publisher.replace([Arc::new(instance(1))]);
    let mut subscription = publisher.subscribe();
    assert!(subscription.changed().await.is_some());
    let mut changes = Changes::new(subscription);
    assert_eq!(ids(&next(&mut changes).await.unwrap().delta.added), ["1"]);
    publisher.apply([put(instance(2))]);
    assert_eq!(ids(&next(&mut changes).await.unwrap().delta.added), ["2"]);
}

#[cfg(feature = "discover")]
mod discover {
    use super::*;
    use common::{Scripted, following, until};
    use sd_lb::{Discovered, RoundRobin};
    use tower::discover::{Change, Discover};
    use tower::{Service, ServiceExt};

    fn is_discover<D: Discover<Service = Scripted>>(_: &D) {}

    #[tokio::test(start_paused = true)]
    async fn tower_gets_what_changed() {
        let publisher = publisher();
        publisher.replace([Arc::new(instance(1)), Arc::new(instance(2))]);
        let endpointer = following(&publisher, RoundRobin::new());
        until(&*endpointer, |endpoints| endpoints.members().len() == 2).await;
        let mut discovered = Discovered::new(endpointer);
        is_discover(&discovered);
        for _ in 0..2 {
            assert!(matches!(next(&mut discovered).await, Some(Ok(Change::Insert(_, _)))));
        }
        publisher.apply([put(instance(2).with_weight(9)), remove(1)]);
        assert!(matches!(next(&mut discovered).await, Some(Ok(Change::Remove(id))) if &*id == "127.0.0.1:1"));
        // The same id elsewhere is another service.
        publisher.apply([put(instance(7).with_id("127.0.0.1:2"))]);
        assert!(matches!(next(&mut discovered).await, Some(Ok(Change::Insert(id, _))) if &*id == "127.0.0.1:2"));
    }

    #[tokio::test(start_paused = true)]
    async fn towers_own_balancer_follows_a_registry() {
        let publisher = publisher();
        publisher.replace([Arc::new(instance(1))]);
        let endpointer = following(&publisher, RoundRobin::new());
        let discovered = Discovered::new(endpointer.clone());
        let loaded =
            tower::load::PendingRequestsDiscover::new::<()>(discovered, tower::load::CompleteOnResponse::default());
        let mut balance = tower::balance::p2c::Balance::new(loaded);
        assert_eq!(balance.ready().await.unwrap().call(()).await.unwrap(), 1);
        publisher.replace([Arc::new(instance(1)), Arc::new(instance(2))]);
        publisher.apply([remove(1)]);
        until(&*endpointer, |endpoints| endpoints.service(0).is_some_and(|service| service.port == 2)).await;
        assert_eq!(balance.ready().await.unwrap().call(()).await.unwrap(), 2);
    }
}
