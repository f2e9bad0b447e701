//! Users, passwords that change, tokens that expire.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::path::PathBuf;
use std::time::Duration;

use etcd_client::{Client, Permission, PermissionType};
use sd_core::{Catalog, ErrorKind, Instancer, Probe, Registrar, Registration, RegistrationState, Secret};
use sd_etcd::EtcdConfig;
use sd_testkit::etcd::{EtcdOptions, EtcdServer};
use sd_testkit::proxy::TcpProxy;
use sd_testkit::samples::{instance, random_word};
use sd_testkit::waiting::{soon, until, until_ids, until_state};

/// A file that is gone with the test.
struct PasswordFile(PathBuf);

impl PasswordFile {
    fn holding(password: &str) -> Self {
        let file = Self(std::env::temp_dir().join(format!("sd-etcd-{}", random_word())));
        file.set(password);
        file
    }

    fn set(&self, password: &str) {
        std::fs::write(&self.0, format!("{password}\n")).unwrap();
    }
}

impl Drop for PasswordFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn book(id: &str) -> Registration {
    Registration::new("book", instance(id, 1))
}

#[tokio::test]
async fn a_wrong_password_is_an_error_at_once_and_a_right_one_is_none() {
    let Some(server) = EtcdServer::start("a_wrong_password").await else { return };
    server.gateway().enable_auth("right").await;
    let connect = |rest: &str| {
        let url = format!("etcd://{rest}{}", server.endpoint());
        EtcdConfig::from_url(url.parse().unwrap()).unwrap().connect().unwrap()
    };
    for rest in ["root:hunter2@", "nobody:right@", ""] {
        let registry = connect(rest);
        let error = soon("refused", registry.register(book("a"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{rest}: {error}");
        assert!(!format!("{error:?} {error}").contains("hunter2"));
        assert_eq!(registry.probe().await.unwrap_err().kind(), ErrorKind::Unauthorized);
        let mut subscription = registry.subscribe(&"book".parse().unwrap());
        let failed = until("refused", &mut subscription, |s| s.freshness().error().is_some()).await;
        assert!(failed.freshness().is_pending());
        assert_eq!(failed.freshness().error().unwrap().kind(), ErrorKind::Unauthorized, "{rest}");
    }
    let registry = connect("root:right@");
    let _kept = registry.register(book("a")).await.unwrap();
    let mut subscription = registry.subscribe(&"book".parse().unwrap());
    until_ids("let in", &mut subscription, &["a"]).await;
}

#[tokio::test]
async fn a_user_for_an_etcd_that_has_none_is_no_reason_to_stay_away() {
    let Some(server) = EtcdServer::start("a_user_for_an_etcd").await else { return };
    let config = EtcdConfig::new([server.endpoint()]).user("root", Secret::new("x"));
    config.connect().unwrap().probe().await.unwrap();
}

#[tokio::test]
async fn tokens_that_expire_are_renewed_for_writes_heartbeats_and_watches() {
    let options = EtcdOptions::new().auth_token_ttl(1);
    let Some(server) = EtcdServer::start_with("tokens_that_expire", options).await else { return };
    server.gateway().enable_auth("right").await;
    let proxy = TcpProxy::start(server.address());
    let config = EtcdConfig::new([proxy.address().to_string()]).ttl(Duration::from_secs(9));
    let registry = config.user("root", Secret::new("right")).connect().unwrap();
    let mut subscription = registry.subscribe(&"book".parse().unwrap());
    until_ids("nobody", &mut subscription, &[]).await;
    let mut handles = Vec::new();
    for n in 0..4 {
        // Longer than a token lives.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        handles.push(registry.register(book(&format!("i{n}"))).await.unwrap());
        let other = registry.subscribe(&format!("other{n}").parse().unwrap());
        until_ids("a watch with an old token", &mut other.clone(), &[]).await;
    }
    until_ids("all", &mut subscription, &["i0", "i1", "i2", "i3"]).await;
    let counters = registry.counters();
    assert_eq!((counters.registrations_lost, counters.watch_failures, counters.register_failures), (0, 0, 0));
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn a_restarted_etcd_that_forgot_all_tokens_lets_us_in_again() {
    let Some(server) = EtcdServer::start("a_restarted_etcd").await else { return };
    server.gateway().enable_auth("right").await;
    let config = EtcdConfig::new([server.endpoint()]).user("root", Secret::new("right"));
    let registry = config.connect().unwrap();
    let mut handle = registry.register(book("a")).await.unwrap();
    let mut subscription = registry.subscribe(&"book".parse().unwrap());
    until_ids("it", &mut subscription, &["a"]).await;
    server.restart().await;
    until_state("registered", &mut handle, RegistrationState::is_registered).await;
    handle.update(instance("a", 1).with_weight(3)).await.unwrap();
    until("it is seen", &mut subscription, |s| s.get("a").is_some_and(|a| a.weight() == 3)).await;
}

#[tokio::test]
async fn a_password_that_changes_in_its_file_is_taken_up() {
    let options = EtcdOptions::new().auth_token_ttl(1);
    let Some(server) = EtcdServer::start_with("a_password_that_changes", options).await else { return };
    let gateway = server.gateway();
    gateway.enable_auth("admin").await;
    gateway.logged_in("root", "admin").await.add_user("app", "one").await;
    let file = PasswordFile::holding("one");
    let url = format!("etcd://app@{}?ttl=5s&password_file={}", server.endpoint(), file.0.display());
    let registry = EtcdConfig::from_url(url.parse().unwrap()).unwrap().connect().unwrap();
    let mut handle = registry.register(book("a")).await.unwrap();
    let mut subscription = registry.subscribe(&"book".parse().unwrap());
    until_ids("it", &mut subscription, &["a"]).await;
    gateway.logged_in("root", "admin").await.change_password("app", "two").await;
    // Refused from now on; after the first acceptance that is not the end.
    let error = {
        let mut refused = None;
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            if let Err(error) = registry.probe().await {
                refused = Some(error);
                break;
            }
        }
        refused.expect("the old password is refused")
    };
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    file.set("two");
    until_state("registered", &mut handle, RegistrationState::is_registered).await;
    soon("let in again", async {
        while registry.probe().await.is_err() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    let other = registry.register(book("b")).await.unwrap();
    until("both", &mut subscription, |s| s.freshness().is_live() && s.len() == 2).await;
    assert!(other.state().is_registered());
}

#[tokio::test]
async fn a_user_with_rights_below_the_prefix_alone_can_do_everything_there() {
    let Some(server) = EtcdServer::start("a_user_with_rights").await else { return };
    let mut admin = Client::connect([server.endpoint()], None).await.unwrap();
    admin.role_add("app").await.unwrap();
    let permission = Permission::new(PermissionType::Readwrite, "/services/").with_prefix();
    admin.role_grant_permission("app", permission).await.unwrap();
    admin.user_add("app", "secret", None).await.unwrap();
    admin.user_grant_role("app", "app").await.unwrap();
    server.gateway().enable_auth("root").await;
    let connect = |prefix: &str| {
        let config = EtcdConfig::new([server.endpoint()]).user("app", Secret::new("secret"));
        config.prefix(prefix).ttl(Duration::from_secs(3)).connect().unwrap()
    };
    let (registry, other) = (connect("/services"), connect("/services"));
    let mut older = registry.register(book("a")).await.unwrap();
    let mut subscription = registry.subscribe(&"book".parse().unwrap());
    until_ids("it", &mut subscription, &["a"]).await;
    assert_eq!(registry.services().await.unwrap().len(), 1);
    registry.probe().await.unwrap();
    let newer = other.register(book("a")).await.unwrap();
    until_state("superseded", &mut older, RegistrationState::is_superseded).await;
    newer.deregister().await.unwrap();
    until_ids("nobody", &mut subscription, &[]).await;

    let elsewhere = connect("/elsewhere");
    let error = elsewhere.register(book("a")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized);
    let mut refused = elsewhere.subscribe(&"book".parse().unwrap());
    let refused = until("refused", &mut refused, |s| s.freshness().error().is_some()).await;
    assert_eq!(refused.freshness().error().unwrap().kind(), ErrorKind::Unauthorized);
}
