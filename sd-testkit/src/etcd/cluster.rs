//! Three etcd processes that are one cluster.

use super::server::{EtcdOptions, EtcdServer};
use crate::samples::random_word;
use crate::skip;

/// Three etcd processes that are one cluster.
#[derive(Debug)]
pub struct EtcdCluster {
    members: Vec<EtcdServer>,
}

impl EtcdCluster {
    /// Starts it, and waits until every member answers; `None` after having said that `test` is skipped.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn start(test: &str) -> Option<Self> {
        let binary = skip::server(super::VARIABLE, test)?;
        for _ in 0..3 {
            let prepared = |name| EtcdServer::prepared(&binary, name, EtcdOptions::new());
            let mut members = ["a", "b", "c"].map(prepared);
            let initial_cluster = members.each_ref().map(EtcdServer::member).join(",");
            let token = random_word();
            for member in &mut members {
                member.join(&initial_cluster, &token);
                member.launch();
            }
            let mut all_ready = true;
            for member in &members {
                all_ready &= member.ready().await;
            }
            if all_ready {
                return Some(Self { members: members.into() });
            }
        }
        panic!("an etcd cluster came up on none of three choices of ports")
    }

    /// Its members.
    #[must_use]
    pub fn members(&self) -> &[EtcdServer] {
        &self.members
    }

    /// Where clients connect to, as they stand in a URL.
    #[must_use]
    pub fn endpoints(&self) -> String {
        self.members.iter().map(EtcdServer::endpoint).collect::<Vec<_>>().join(",")
    }

    /// The member that leads now.
    ///
    /// # Panics
    /// When no member says that it does.
    pub async fn leader(&self) -> &EtcdServer {
        for member in &self.members {
            let (leader, own) = member.gateway().leader_and_member().await;
            if leader == own {
                return member;
            }
        }
        panic!("no member leads")
    }
}
