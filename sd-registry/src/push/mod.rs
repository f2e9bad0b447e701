//! The push protocol of article 001, on the same server and the same data: `POST` and `DELETE /services`, heartbeats
//! that the centre asks for, and patches of who came and went, posted to those who require them.

mod callback;
mod delivery;
mod following;
mod member;
mod patch;
mod posted;
mod registration;
pub(crate) mod routes;
mod rules;
mod running;
mod shelf;
mod standing;

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sd_core::ServiceName;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use rules::PushRules;

use crate::engine::ledger::Ledger;
use crate::metrics::Metrics;
use crate::push::member::{Member, Order};
use crate::push::posted::Posted;
use crate::push::registration::RegistrationBody;
pub(crate) use crate::push::shelf::{Saved, Shelf};

/// So many posts of one member wait for their turn; further ones are refused.
const WAITING: usize = 8;

/// All who registered by push. Their tasks end when this is dropped.
pub(crate) struct Push {
    context: Arc<Context>,
    tasks: Mutex<JoinSet<()>>,
}

/// What every member needs.
pub(crate) struct Context {
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) rules: PushRules,
    pub(crate) shelf: Shelf,
    pub(crate) metrics: Arc<Metrics>,
    seats: Mutex<Seats>,
}

/// Which instance a member is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) service: ServiceName,
    pub(crate) id: Arc<str>,
}

#[derive(Default)]
struct Seats {
    taken: HashMap<Key, Seat>,
    last: u64,
}

struct Seat {
    number: u64,
    orders: mpsc::Sender<Order>,
    /// What has been accepted of it; `None` before.
    accepted: Option<Accepted>,
}

struct Accepted {
    /// As it was posted.
    url: String,
    requires: Vec<ServiceName>,
}

/// Which services a member requires.
#[derive(Debug)]
pub(crate) struct Requirement {
    pub(crate) key: Key,
    pub(crate) requires: Vec<ServiceName>,
}

impl Accepted {
    fn of(posted: &Posted) -> Self {
        Self { url: posted.url.clone(), requires: posted.requires.clone() }
    }
}

impl Push {
    /// Starts with those that were kept.
    pub(crate) fn start(
        ledger: Arc<dyn Ledger>,
        rules: PushRules,
        (shelf, kept): (Shelf, Vec<Saved>),
        metrics: Arc<Metrics>,
    ) -> Self {
        let context = Context { ledger, rules, shelf, metrics, seats: Mutex::default() };
        let push = Self { context: Arc::new(context), tasks: Mutex::default() };
        for saved in kept.into_iter().filter(|_| push.is_on()) {
            match Posted::kept(&saved) {
                Ok(posted) => {
                    let key = posted.key.clone();
                    push.seat(&key, |member| member.restored(posted, saved));
                }
                Err(error) => tracing::error!(service = saved.service, error, "left out a push registration"),
            }
        }
        push
    }

    /// Registers; resolves when the present set has reached the registrant, and the registration stands.
    ///
    /// # Errors
    /// What is wrong with it, or why its receiver could not be reached; nothing is kept then.
    pub(crate) async fn register(&self, body: RegistrationBody, from: IpAddr) -> Result<(), String> {
        // Everything that waits on the registrant counts: it is promised an answer.
        let deadline = Instant::now() + member::FIRST_PUSH;
        let posted = Arc::new(Posted::check(body, from, &self.context.rules).await?);
        loop {
            let orders = self.seat(&posted.key, |member| member).ok_or("the centre has no room for more")?;
            let (reply, answer) = oneshot::channel();
            let order = Order::Post { posted: Arc::clone(&posted), deadline, reply };
            match orders.try_send(order) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(_)) => return Err("others register it already".to_owned()),
                Err(mpsc::error::TrySendError::Closed(_)) => continue,
            }
            // A member that ends just now takes no orders any more; there is a new one then.
            if let Ok(answer) = answer.await {
                return answer;
            }
        }
    }

    /// Deregisters the oldest registration of this URL.
    ///
    /// # Errors
    /// There is none, or it can't be taken away now.
    pub(crate) async fn deregister(&self, url: &str) -> Result<(), String> {
        let unknown = || format!("no service at URL {url:?}");
        let found = {
            let seats = self.context.seats();
            let of_url = seats.taken.values().filter(|seat| seat.is_known_as(url));
            of_url.min_by_key(|seat| seat.number).map(|seat| seat.orders.clone())
        };
        let (reply, answer) = oneshot::channel();
        found.ok_or_else(unknown)?.send(Order::Remove { reply }).await.map_err(|_| unknown())?;
        answer.await.map_err(|_| unknown())?
    }

    /// The member of this key, made if there is none; `None` when there are too many.
    fn seat(&self, key: &Key, make: impl FnOnce(Member) -> Member) -> Option<mpsc::Sender<Order>> {
        let mut seats = self.context.seats();
        if let Some(seat) = seats.taken.get(key) {
            return Some(seat.orders.clone());
        }
        if seats.taken.len() >= self.context.rules.members {
            return None;
        }
        let (orders, receiver) = mpsc::channel(WAITING);
        seats.last += 1;
        let number = seats.last;
        let member = make(Member::new(Arc::clone(&self.context), key.clone(), number, receiver));
        let accepted = member.posted().map(Accepted::of);
        seats.taken.insert(key.clone(), Seat { number, orders: orders.clone(), accepted });
        drop(seats);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(member.run());
        Some(orders)
    }
}

impl Seat {
    fn is_known_as(&self, url: &str) -> bool {
        self.accepted.as_ref().is_some_and(|accepted| accepted.url == url)
    }
}

impl Context {
    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes under which URL a member can be deregistered, and what it requires.
    pub(crate) fn accepted(&self, key: &Key, number: u64, posted: &Posted) {
        if let Some(seat) = self.seats().taken.get_mut(key).filter(|seat| seat.number == number) {
            seat.accepted = Some(Accepted::of(posted));
        }
    }

    /// Frees a member's place. After that no order reaches it.
    pub(crate) fn leave(&self, key: &Key, number: u64) {
        let mut seats = self.seats();
        if seats.taken.get(key).is_some_and(|seat| seat.number == number) {
            seats.taken.remove(key);
        }
    }

    /// How many have registered by push.
    pub(crate) fn members(&self) -> usize {
        self.seats().taken.len()
    }
}

impl Push {
    /// Whether the protocol is spoken at all.
    pub(crate) fn is_on(&self) -> bool {
        self.context.rules.on
    }

    /// Whether one who is not on this host is answered although there are tokens.
    pub(crate) fn answers_others(&self) -> bool {
        self.context.rules.others
    }

    /// How many have registered by push.
    pub(crate) fn members(&self) -> usize {
        self.context.members()
    }

    /// What each of them requires, by service and id.
    pub(crate) fn requirements(&self) -> Vec<Requirement> {
        let seats = self.context.seats();
        let accepted = seats.taken.iter().filter_map(|(key, seat)| Some((key, seat.accepted.as_ref()?)));
        let mut all: Vec<_> = accepted
            .map(|(key, accepted)| Requirement { key: key.clone(), requires: accepted.requires.clone() })
            .collect();
        drop(seats);
        all.sort_unstable_by(|a, b| (&a.key.service, &a.key.id).cmp(&(&b.key.service, &b.key.id)));
        all
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("members", &self.members()).finish_non_exhaustive()
    }
}
