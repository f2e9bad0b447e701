//! The registry is somewhere else than it was.

use sd_testkit::etcd::{EtcdCluster, EtcdServer};
use sd_testkit::faults::Fleet;
use sd_testkit::proxy::TcpProxy;
use sd_testkit::samples::random_word;
use sd_testkit::{leaving_nothing, ports, run};

use crate::support::Url;

/// The leader is killed, comes back, and another is killed: two of three are always there.
#[test]
fn a_cluster_that_loses_its_leader_loses_nothing() {
    run(async {
        let Some(cluster) = EtcdCluster::start("a_cluster_that_loses_its_leader_loses_nothing").await else { return };
        let env = Url(format!("etcd://{}/test-{}?ttl=2s", cluster.endpoints(), random_word()));
        leaving_nothing(&env, async {
            let mut fleet = Fleet::of(&env, 8).await;
            for _ in 0..2 {
                let leader = cluster.leader().await;
                leader.kill();
                fleet.is_whole(&env).await;
                leader.restart().await;
                fleet.is_whole(&env).await;
            }
        })
        .await;
    });
}

/// A host name that stands for another machine than before, as after a move: the name is looked up again. `localhost`
/// stands for 127.0.0.1 and ::1; the registry moves from the one to the other, and has forgotten everything.
#[test]
fn a_host_name_that_moved_is_followed() {
    run(async {
        let test = "a_host_name_that_moved_is_followed";
        let (Some(old), Some(new)) = (EtcdServer::start(test).await, EtcdServer::start(test).await) else { return };
        let port = ports::free();
        let proxy = TcpProxy::start_at(([127, 0, 0, 1], port).into(), old.address());
        let env = Url(format!("etcd://localhost:{port}/test-{}?ttl=2s", random_word()));
        leaving_nothing(&env, async {
            let mut fleet = Fleet::of(&env, 6).await;
            drop(proxy);
            old.kill();
            let address = format!("[::1]:{port}").parse().unwrap();
            // What the name stands for depends on the machine; where there is no ::1, the port stays at 127.0.0.1.
            let moved = std::net::TcpListener::bind(address).is_ok() && stands_for_both();
            let address = if moved { address } else { ([127, 0, 0, 1], port).into() };
            sd_testkit::waiting::eventually("the old place is free", async || {
                std::net::TcpListener::bind(address).is_ok()
            })
            .await;
            let _proxy = TcpProxy::start_at(address, new.address());
            fleet.is_whole(&env).await;
            drop(fleet);
        })
        .await;
    });
}

fn stands_for_both() -> bool {
    use std::net::ToSocketAddrs as _;
    ("localhost", 0).to_socket_addrs().is_ok_and(|mut addresses| addresses.any(|address| address.is_ipv6()))
}

/// The same, one place: another server takes the port.
#[test]
fn another_server_in_the_old_place_is_taken_for_what_it_is() {
    run(async {
        let test = "another_server_in_the_old_place_is_taken_for_what_it_is";
        let (Some(old), Some(new)) = (EtcdServer::start(test).await, EtcdServer::start(test).await) else { return };
        let proxy = TcpProxy::start(old.address());
        let env = Url(format!("etcd://{}/test-{}?ttl=2s", proxy.address(), random_word()));
        leaving_nothing(&env, async {
            let mut fleet = Fleet::of(&env, 6).await;
            // The old one lives on, and nobody must look there.
            proxy.retarget(new.address());
            proxy.cut();
            fleet.is_whole(&env).await;
            assert_eq!(new.gateway().list("/test-").await.len(), 6);
        })
        .await;
        assert_eq!(proxy.open(), 0, "connections left");
    });
}
