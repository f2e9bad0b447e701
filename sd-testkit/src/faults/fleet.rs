//! Registrants and watchers that live through a fault together.

use std::sync::Arc;

use sd_core::{Backend, RegistrationHandle, ServiceName, Subscription};

use crate::environment::{ConnectOptions, Environment};
use crate::samples::{random_service, registration};
use crate::waiting::{soon, until_ids};

/// Registrants and watchers of one service, on several connections.
#[derive(Debug)]
pub struct Fleet {
    service: ServiceName,
    connections: Vec<Arc<dyn Backend>>,
    handles: Vec<RegistrationHandle>,
    watchers: Vec<Subscription>,
}

impl Fleet {
    /// So many registrants, spread over four connections, each of which watches too. Waits until all see all.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn of(env: &dyn Environment, size: usize) -> Self {
        Self::connected(env, size, &ConnectOptions::default()).await
    }

    /// As [`of`](Self::of), over connections that are made so.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn connected(env: &dyn Environment, size: usize, options: &ConnectOptions) -> Self {
        let connections: Vec<_> = (0..4).map(|_| env.connect(options)).collect();
        let service = random_service();
        let watchers = connections.iter().map(|connection| connection.subscribe(&service)).collect();
        let mut fleet = Self { service, connections, handles: Vec::new(), watchers };
        for number in 0..size {
            let connection = &fleet.connections[number % fleet.connections.len()];
            // Below 10,000 in every test.
            let port = 10_000 + u16::try_from(number).expect("a small fleet");
            let given = registration(&fleet.service, &format!("i{number:04}"), port);
            fleet.handles.push(soon("register", connection.register(given)).await.expect("the registry is well"));
        }
        fleet.is_whole(env).await;
        fleet
    }

    /// The service that all belong to.
    #[must_use]
    pub fn service(&self) -> &ServiceName {
        &self.service
    }

    /// The handles; one that is taken out is no longer expected.
    pub fn handles(&mut self) -> &mut Vec<RegistrationHandle> {
        &mut self.handles
    }

    /// One reader per connection.
    pub fn watchers(&mut self) -> &mut Vec<Subscription> {
        &mut self.watchers
    }

    /// One of the connections.
    #[must_use]
    pub fn connection(&self) -> &Arc<dyn Backend> {
        &self.connections[0]
    }

    /// Waits until every registration stands, every watcher sees all of them, live, and no others, and a connection
    /// that knew nothing before finds the same.
    ///
    /// # Panics
    /// When that does not come about.
    pub async fn is_whole(&mut self, env: &dyn Environment) {
        for handle in &mut self.handles {
            soon("registered", handle.accepted()).await.expect("it is not given up");
        }
        let ids: Vec<_> = self.handles.iter().map(|handle| handle.id().to_owned()).collect();
        let ids: Vec<_> = ids.iter().map(String::as_str).collect();
        let mut fresh = env.connect(&ConnectOptions::default()).subscribe(&self.service);
        until_ids("the truth", &mut fresh, &ids).await;
        for watcher in &mut self.watchers {
            until_ids("a watcher's view", watcher, &ids).await;
        }
        for handle in &mut self.handles {
            soon("registered", handle.accepted()).await.expect("it is not given up");
        }
    }
}
