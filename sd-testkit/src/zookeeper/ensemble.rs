//! Three ZooKeepers that are one.

use std::fs;

use super::options::ZooKeeperOptions;
use super::server::ZooKeeperServer;
use crate::waiting::eventually;
use crate::{ports, skip};

const SIZE: usize = 3;

/// Three servers that elect a leader.
#[derive(Debug)]
pub struct ZooKeeperEnsemble {
    members: Vec<ZooKeeperServer>,
    /// The lines of `zoo.cfg` that name all of them.
    lines: Vec<String>,
}

impl ZooKeeperEnsemble {
    /// Starts three, and waits until all serve; `None` after having said that `test` is skipped.
    ///
    /// # Panics
    /// When they don't come up.
    pub async fn start(test: &str) -> Option<Self> {
        let jars = skip::server(super::VARIABLE, test)?;
        let prepared = || ZooKeeperServer::prepared(&jars, ports::free(), ZooKeeperOptions::new());
        let members: Vec<_> = (0..SIZE).map(|_| prepared()).collect();
        let line = |number| format!("server.{number}=127.0.0.1:{}:{}", ports::free(), ports::free());
        let mut lines: Vec<_> = (1..=SIZE).map(line).collect();
        lines.extend(["initLimit=20".to_owned(), "syncLimit=5".to_owned(), "standaloneEnabled=false".to_owned()]);
        for (number, member) in (1..).zip(&members) {
            fs::create_dir_all(member.data()).expect("a folder for data can be made");
            fs::write(member.data().join("myid"), format!("{number}")).expect("a file can be written");
            member.launch(&lines);
        }
        let ensemble = Self { members, lines };
        for member in &ensemble.members {
            assert!(member.ready().await, "a member has ended: {} in {:?}", member.log(), member.folder());
        }
        Some(ensemble)
    }

    /// The servers.
    #[must_use]
    pub fn members(&self) -> &[ZooKeeperServer] {
        &self.members
    }

    /// All of them, as a URL lists them.
    #[must_use]
    pub fn endpoints(&self) -> String {
        self.members.iter().map(ZooKeeperServer::endpoint).collect::<Vec<_>>().join(",")
    }

    /// The one that leads now. Waits until there is one.
    ///
    /// # Panics
    /// When none leads in time.
    pub async fn leader(&self) -> &ZooKeeperServer {
        let mut leader = None;
        eventually("a leader", async || {
            for member in &self.members {
                if member.operator().leads().await {
                    leader = Some(member);
                }
            }
            leader.is_some()
        })
        .await;
        leader.expect("it was found")
    }

    /// Starts a member again that was killed, and waits until it serves.
    ///
    /// # Panics
    /// When it doesn't come up.
    pub async fn restart(&self, member: &ZooKeeperServer) {
        member.kill();
        member.launch(&self.lines);
        assert!(member.ready().await, "the member has ended: {}", member.log());
    }
}
