//! Follows the services that a member requires, into what it is to be told.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use sd_core::{Health, ServiceName};

use crate::engine::change::Change;
use crate::engine::entry::Entry;
use crate::engine::ledger::{Following, Ledger, Refusal};
use crate::engine::watcher::{Begin, News, Scope, Watcher};
use crate::push::delivery::Delivery;

/// The services that one member requires.
#[derive(Debug, Default)]
pub(crate) struct Required {
    services: Vec<(ServiceName, Watcher)>,
    /// Keeps a front mirroring them.
    _followed: Vec<Following>,
}

impl Required {
    /// Follows `services`, and puts who is there now into `delivery`.
    ///
    /// # Errors
    /// `Unavailable`, where a registry behind can't be read.
    pub(crate) async fn follow(
        ledger: &Arc<dyn Ledger>,
        services: &[ServiceName],
        delivery: &mut Delivery,
    ) -> Result<Self, Refusal> {
        let mut required = Self::default();
        for service in services {
            let scope = Scope::Service(service.clone());
            required._followed.push(ledger.follow(&scope).await?);
            let (watcher, begin) = Watcher::new(ledger.view(), scope, None);
            if let Begin::Snapshot(snapshot) = begin {
                take(service, &News::Behind(snapshot), delivery);
            }
            required.services.push((service.clone(), watcher));
        }
        Ok(required)
    }

    /// Waits for changes, and puts them into `delivery`.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn next(&mut self, delivery: &mut Delivery) {
        let mut waiting: Vec<_> =
            self.services.iter_mut().map(|(service, watcher)| (&*service, Box::pin(watcher.next()))).collect();
        let (service, news) = poll_fn(|cx| {
            for (service, next) in &mut waiting {
                if let Poll::Ready(news) = Pin::new(next).poll(cx) {
                    return Poll::Ready((*service, news));
                }
            }
            Poll::Pending
        })
        .await;
        take(service, &news, delivery);
    }
}

fn take(service: &ServiceName, news: &News, delivery: &mut Delivery) {
    match news {
        News::Events(events) => {
            for event in events {
                match &event.change {
                    Change::Put(entry) => delivery.set(service, &entry.id, url_of(entry)),
                    Change::Remove { entry, .. } => delivery.set(service, &entry.id, None),
                    Change::Appeared { .. } | Change::Vanished { .. } => {}
                }
            }
        }
        News::Behind(snapshot) => {
            let entries = snapshot.services.iter().filter(|(name, _)| name == service).map(|(_, entries)| entries);
            let entries: Vec<_> = entries.flat_map(|entries| entries.values()).collect();
            let present = |id: &str| entries.binary_search_by(|entry| (*entry.id).cmp(id)).is_ok();
            delivery.retain(service, present);
            entries.iter().for_each(|entry| delivery.set(service, &entry.id, url_of(entry)));
        }
    }
}

/// What the article's programs call: the URL as it was registered, or one made of an address. Who drains or is down is
/// not to be called.
fn url_of(entry: &Entry) -> Option<String> {
    let instance = entry.decode().ok()?.instance;
    let url = || match instance.address().as_url() {
        Some(url) => url.to_owned(),
        None => format!("http://{}", instance.address().authority()),
    };
    (instance.health() == Health::Up).then(url)
}
