//! Endpoints for those who stay with tonic's own `balance_channel`.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sd_core::{Address, BoxError, Error, Health, Instance, Subscription};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;
use tonic::transport::{Channel, Endpoint, channel::Change};

/// So many changes may wait for tonic's balancer, which looks at them when a call is made.
const WAITING: usize = 1024;

/// Keeps tonic's own balanced channel fed; dropping it leaves the channel with the endpoints that it has then.
///
/// For those who stay with tonic's balancer. It picks at random, takes no part in weights and retries, and its calls
/// find out themselves that an instance is dead; [`Channel`](crate::Channel) does better in all of that.
#[must_use = "dropping it ends the feed"]
pub struct BalanceFeed {
    task: JoinHandle<()>,
}

/// tonic's own balanced channel to what `subscription` follows: instances that are up and of a weight above 0.
///
/// `endpoint` makes tonic's `Endpoint` of an instance: [`plain_endpoint`], or one with TLS and timeouts. An instance that
/// it refuses is logged and left out.
///
/// ```
/// # use sd_core::{FixedInstancer, Instancer};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), sd_core::Error> {
/// # let registry = FixedInstancer::new([]);
/// let (channel, _feed) = sd_tonic::balance_channel(registry.subscribe(&"book".parse()?), sd_tonic::plain_endpoint)?;
/// // let mut client = BookServiceClient::new(channel);
/// # Ok(()) }
/// ```
///
/// # Errors
/// `Config` outside a tokio runtime.
pub fn balance_channel(
    subscription: Subscription,
    endpoint: impl Fn(&Instance) -> Result<Endpoint, BoxError> + Send + 'static,
) -> Result<(Channel, BalanceFeed), Error> {
    let runtime = tokio::runtime::Handle::try_current()
        .map_err(|error| Error::config("make a balanced channel inside a tokio runtime").with_source(error))?;
    let (channel, changes) = Channel::balance_channel(WAITING);
    let task = runtime.spawn(feed(subscription, changes, endpoint));
    Ok((channel, BalanceFeed { task }))
}

/// An endpoint without TLS, that connects within a second.
///
/// # Errors
/// An address that is no URI.
pub fn plain_endpoint(instance: &Instance) -> Result<Endpoint, BoxError> {
    let address = instance.address();
    let uri = address.as_url().map_or_else(|| format!("http://{address}"), str::to_owned);
    Ok(Endpoint::from_shared(uri)?.connect_timeout(sd_core::defaults::INSTANCE_CONNECT_TIMEOUT))
}

/// Tells tonic what changed since it was told last. It waits while tonic has not looked, and then tells the newest.
async fn feed(
    mut subscription: Subscription,
    changes: Sender<Change<Arc<str>, Endpoint>>,
    endpoint: impl Fn(&Instance) -> Result<Endpoint, BoxError> + Send,
) {
    let mut told: HashMap<Arc<str>, Address> = HashMap::new();
    while let Some(snapshot) = subscription.changed().await {
        let is_wanted = |instance: &&Arc<Instance>| instance.health() == Health::Up && instance.weight() > 0;
        let wanted: HashMap<&str, &Arc<Instance>> =
            snapshot.iter().filter(is_wanted).map(|instance| (instance.id(), instance)).collect();
        let gone: Vec<_> = told.keys().filter(|id| !wanted.contains_key(&***id)).cloned().collect();
        for id in gone {
            told.remove(&id);
            if changes.send(Change::Remove(id)).await.is_err() {
                return;
            }
        }
        for (id, instance) in wanted {
            if told.get(id) == Some(instance.address()) {
                continue;
            }
            let id: Arc<str> = id.into();
            let stood_before = told.insert(Arc::clone(&id), instance.address().clone()).is_some();
            let change = match endpoint(instance) {
                // Under a key that it knows tonic puts the new one in the place of the old.
                Ok(endpoint) => Change::Insert(id, endpoint),
                Err(error) => {
                    tracing::warn!(instance = instance.id(), %error, "no endpoint can be made; left out");
                    if !stood_before {
                        continue;
                    }
                    Change::Remove(id)
                }
            };
            if changes.send(change).await.is_err() {
                return;
            }
        }
    }
}

impl Drop for BalanceFeed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for BalanceFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BalanceFeed")
    }
}
