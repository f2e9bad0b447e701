//! Logging in, and who may do what.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod support;

use std::sync::{Arc, Mutex};

use sd_core::{ErrorKind, Instancer, Probe, Registrar, Registration, Secret};
use sd_testkit::samples::{instance, random_word};
use sd_testkit::waiting::{soon, until, until_ids};
use sd_testkit::zookeeper::{Refusal, ZooKeeperOptions, ZooKeeperServer};
use sd_zookeeper::{NodeAccess, ZooKeeperConfig};

fn book(id: &str) -> Registration {
    Registration::new("book", instance(id, 1000))
}

fn digest(server: &ZooKeeperServer, user: &str) -> ZooKeeperConfig {
    ZooKeeperConfig::new([server.endpoint()]).auth(Secret::new(format!("digest:{user}")))
}

/// "The creator alone": a stranger can neither read, write nor delete, and the same user can from elsewhere.
#[tokio::test]
async fn what_a_creator_owns_no_stranger_can_touch() {
    let Some(server) = ZooKeeperServer::start("what_a_creator_owns").await else { return };
    let owner = digest(&server, "alice:secret").acl(NodeAccess::Creator).connect().unwrap();
    let mut handle = soon("register", owner.register(book("a"))).await.unwrap();
    let stranger = server.operator();
    assert_eq!(stranger.delete("/services/book/a").await, Err(Refusal::NO_AUTH));
    assert_eq!(stranger.set("/services/book/a", b"x").await, Err(Refusal::NO_AUTH));
    assert_eq!(stranger.get("/services/book/a").await, Err(Refusal::NO_AUTH));
    assert_eq!(server.operator().logged_in("alice:wrong").delete("/services/book/a").await, Err(Refusal::NO_AUTH));
    // A reader without the right is refused, and does not see an empty service.
    let reader = ZooKeeperConfig::new([server.endpoint()]).connect().unwrap();
    let mut book_seen = reader.subscribe(&"book".parse().unwrap());
    let refused = until("refused", &mut book_seen, |snapshot| snapshot.freshness().error().is_some()).await;
    assert_eq!(refused.freshness().error().unwrap().kind(), ErrorKind::Unauthorized);
    assert!(refused.freshness().is_pending(), "{refused:?}");
    // A registrant without the right is refused at once.
    let error = soon("register", reader.register(book("b"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    let same = digest(&server, "alice:secret").connect().unwrap();
    until_ids("the same user", &mut same.subscribe(&"book".parse().unwrap()), &["a"]).await;
    assert_eq!(server.operator().logged_in("alice:secret").delete("/services/book/a").await, Ok(()));
    soon("and it comes back", handle.changed()).await.unwrap();
    soon("accepted", handle.accepted()).await.unwrap();
}

/// ZooKeeper checks no digest by itself: a wrong one is another user.
#[tokio::test]
async fn a_wrong_digest_lacks_the_right_and_a_right_one_has_it() {
    let Some(server) = ZooKeeperServer::start("a_wrong_digest").await else { return };
    let owner = digest(&server, "alice:secret").acl(NodeAccess::Creator).connect().unwrap();
    let _a = soon("register", owner.register(book("a"))).await.unwrap();
    let error =
        soon("register", digest(&server, "alice:wrong").connect().unwrap().register(book("b"))).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    let error = soon("probe", digest(&server, "alice:wrong").connect().unwrap().probe()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
    let _b = soon("register", digest(&server, "alice:secret").connect().unwrap().register(book("b"))).await.unwrap();
}

#[tokio::test]
async fn a_digest_in_a_file_is_taken_up_when_a_session_is_made() {
    let Some(server) = ZooKeeperServer::start("a_digest_in_a_file").await else { return };
    let owner = digest(&server, "alice:secret").acl(NodeAccess::Creator).connect().unwrap();
    let _a = soon("register", owner.register(book("a"))).await.unwrap();
    let file = std::env::temp_dir().join(format!("sd-zookeeper-{}", random_word()));
    std::fs::write(&file, "digest:alice:wrong\n").unwrap();
    let config = ZooKeeperConfig::new([server.endpoint()]).auth_file(&file);
    let wrong = config.clone().connect().unwrap();
    assert_eq!(soon("probe", wrong.probe()).await.unwrap_err().kind(), ErrorKind::Unauthorized);
    std::fs::write(&file, "digest:alice:secret\n").unwrap();
    soon("probe", config.connect().unwrap().probe()).await.unwrap();
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn sasl_lets_in_who_knows_the_password_and_refuses_who_does_not() {
    let options = ZooKeeperOptions::new().sasl_user("alice", "secret");
    let Some(server) = ZooKeeperServer::start_with("sasl_lets_in", options).await else { return };
    let config = |login: &str| ZooKeeperConfig::new([server.endpoint()]).sasl(Secret::new(login));
    let owner = config("alice:secret").acl(NodeAccess::Creator).connect().unwrap();
    let _a = soon("register", owner.register(book("a"))).await.unwrap();
    until_ids("it", &mut owner.subscribe(&"book".parse().unwrap()), &["a"]).await;
    assert_eq!(server.operator().delete("/services/book/a").await, Err(Refusal::NO_AUTH));
    for wrong in ["alice:wrong", "bob:secret"] {
        let error = soon("register", config(wrong).connect().unwrap().register(book("b"))).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
        assert!(!error.is_retryable() && !format!("{error:?}").contains("wrong"), "{error}");
    }
}

/// A new session logs in again, with SASL and digest alike.
#[tokio::test]
async fn a_new_session_logs_in_again() {
    let options = ZooKeeperOptions::new().sasl_user("alice", "secret");
    let Some(server) = ZooKeeperServer::start_with("a_new_session_logs_in_again", options).await else { return };
    let config = ZooKeeperConfig::new([server.endpoint()]).session(std::time::Duration::from_secs(2));
    let registries = [
        config.clone().sasl(Secret::new("alice:secret")).chroot("/sasl"),
        config.auth(Secret::new("digest:alice:secret")).chroot("/digest"),
    ];
    let mut kept = Vec::new();
    for config in registries {
        let registry = config.acl(NodeAccess::Creator).connect().unwrap();
        kept.push((soon("register", registry.register(book("a"))).await.unwrap(), registry));
    }
    server.restart_empty().await;
    for (handle, registry) in &mut kept {
        let mut seen = registry.subscribe(&"book".parse().unwrap());
        until_ids("again", &mut seen, &["a"]).await;
        soon("accepted", handle.accepted()).await.unwrap();
    }
    for path in ["/sasl/book/a", "/digest/book/a"] {
        assert_eq!(server.operator().delete(path).await, Err(Refusal::NO_AUTH), "{path}");
    }
}

/// Everything that is logged, by us and by the client, at any level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_password_is_ever_printed() {
    let options = ZooKeeperOptions::new().sasl_user("alice", "hunter3");
    let Some(server) = ZooKeeperServer::start_with("no_password_is_ever_printed", options).await else { return };
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
    let _logging = tracing::subscriber::set_default(subscriber.with_writer(move || writer.clone()).finish());
    let url = format!("zookeeper://{}?auth=digest:u:hunter2&sasl=alice:hunter3&acl=creator", server.endpoint());
    let url: sd_core::RegistryUrl = url.parse().unwrap();
    let config = ZooKeeperConfig::from_url(url.clone()).unwrap();
    let registry = config.clone().connect().unwrap();
    let handle = soon("register", registry.register(book("a"))).await.unwrap();
    let mut seen = registry.subscribe(&"book".parse().unwrap());
    until_ids("it", &mut seen, &["a"]).await;
    let wrong = ZooKeeperConfig::new([server.endpoint()]).sasl(Secret::new("alice:hunter4")).connect().unwrap();
    let error = soon("register", wrong.register(book("b"))).await.unwrap_err();
    server.kill();
    until("stale", &mut seen, |snapshot| snapshot.freshness().is_stale()).await;
    let shown = format!("{url} {url:?} {config:?} {registry:?} {handle:?} {seen:?} {error} {error:?} {wrong:?}");
    let logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("zookeeper"), "nothing was logged at all");
    for text in [shown, logged] {
        assert!(!text.contains("hunter"), "{}", text.lines().find(|line| line.contains("hunter")).unwrap());
    }
}
