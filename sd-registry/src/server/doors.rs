//! How many connections may be open, in all and per client.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use crate::engine::limits::Limits;
use crate::http::guard::Peer;
use crate::metrics::{Metrics, Present};

/// Counts connections.
#[derive(Debug, Clone)]
pub(crate) struct Doors {
    limits: Limits,
    pub(crate) metrics: Arc<Metrics>,
    clients: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// One connection's place; it is free again when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    clients: Arc<Mutex<HashMap<IpAddr, usize>>>,
    client: IpAddr,
    _present: Present,
}

impl Doors {
    pub(crate) fn new(limits: Limits, metrics: Arc<Metrics>) -> Self {
        Self { limits, metrics, clients: Arc::default() }
    }

    /// A place for a connection of this client, if there is one left.
    pub(crate) fn enter(&self, client: Peer) -> Option<Place> {
        let place = self.place(client.client());
        if place.is_none() {
            self.metrics.refused_connections.one();
        }
        place
    }

    fn place(&self, client: IpAddr) -> Option<Place> {
        let present = self.metrics.connections.enter(self.limits.connections)?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let open = clients.get(&client).copied().unwrap_or(0);
        if open >= self.limits.connections_per_client {
            return None;
        }
        clients.insert(client, open + 1);
        Some(Place { clients: Arc::clone(&self.clients), client, _present: present })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        match clients.get_mut(&self.client) {
            Some(open) if *open > 1 => *open -= 1,
            _ => drop(clients.remove(&self.client)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_and_all_together_have_their_limits_and_leaving_makes_room() {
        let limits = Limits { connections: 3, connections_per_client: 2, ..Limits::default() };
        let doors = Doors::new(limits, Arc::default());
        let client = |last| Peer(IpAddr::from([127, 0, 0, last]));
        let first = doors.enter(client(1)).unwrap();
        let _second = doors.enter(client(1)).unwrap();
        assert!(doors.enter(client(1)).is_none(), "two per client");
        let _third = doors.enter(client(2)).unwrap();
        assert!(doors.enter(client(3)).is_none(), "three in all");
        drop(first);
        let _fourth = doors.enter(client(1)).unwrap();
        assert_eq!(doors.metrics.refused_connections.value(), 2);
        assert_eq!(doors.metrics.connections.value(), 3);
    }
}
