//! Tokens: refused, lacking a right, exchanged, taken away; and never shown.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

mod support;

use std::path::PathBuf;
use std::time::Duration;

use sd_consul::ConsulConfig;
use sd_core::{Basis, Connection, ErrorKind, Instancer as _, Probe as _, Registrar as _, Secret};
use sd_testkit::consul::{ConsulEnvironment, ConsulOptions};
use sd_testkit::samples::{random_word, registration};
use sd_testkit::waiting::{soon, stays, until, until_ids, until_state};
use support::with_options;

const MANAGEMENT: &str = "5f2ef1dd-9c6d-4b6e-8a2c-6f3b1f0a7c11";
const WRITE: &str = "service \"web\" { policy = \"write\" } node_prefix \"\" { policy = \"read\" }";
const READ: &str = "service \"web\" { policy = \"read\" } node_prefix \"\" { policy = \"read\" }";
const NOTHING: &str = "key \"x\" { policy = \"read\" }";

fn with_tokens(test: &str, body: impl AsyncFnOnce(&ConsulEnvironment)) {
    with_options(test, ConsulOptions::new().in_memory().acl(MANAGEMENT), body);
}

fn config(env: &ConsulEnvironment) -> ConsulConfig {
    let address = env.proxy().address().to_string();
    ConsulConfig::new(address).ttl(Duration::from_secs(2)).wait(Duration::from_secs(2))
}

fn with_token(env: &ConsulEnvironment, token: &str) -> Connection {
    config(env).token(Secret::new(token)).connect().unwrap()
}

fn web() -> sd_core::ServiceName {
    "web".parse().unwrap()
}

#[test]
fn a_token_that_is_unknown_or_lacks_the_right_is_refused_at_once() {
    with_tokens("a_token_that_is_unknown_or_lacks_the_right_is_refused_at_once", async |env| {
        let reading = env.server().gateway().make_token("reading", READ).await;
        let unknown = with_token(env, "hunter2");
        for registry in [&unknown, &with_token(env, &reading), &config(env).connect().unwrap()] {
            let error = soon("refused", registry.register(registration(&web(), "a", 1))).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2") && !error.is_retryable());
        }
        assert_eq!(unknown.probe().await.unwrap_err().kind(), ErrorKind::Unauthorized);
        // One that may do what it needs need not be allowed to ask for the version.
        assert_eq!(with_token(env, &reading).probe().await.unwrap().version, "");
        assert_eq!(with_token(env, MANAGEMENT).probe().await.unwrap().version, "1.8.7");
    });
}

/// Consul answers who may not read with an empty list: that is an error and not an empty service.
#[test]
fn who_may_not_read_learns_that_and_sees_no_empty_service() {
    with_tokens("who_may_not_read_learns_that_and_sees_no_empty_service", async |env| {
        let nothing = env.server().gateway().make_token("nothing", NOTHING).await;
        for registry in [with_token(env, &nothing), config(env).connect().unwrap(), with_token(env, "unknown")] {
            let mut watcher = registry.subscribe(&web());
            let pending = until("an error", &mut watcher, |s| s.freshness().error().is_some()).await;
            assert!(pending.freshness().is_pending(), "{pending:?}");
            assert_eq!(pending.freshness().error().unwrap().kind(), ErrorKind::Unauthorized, "{pending:?}");
        }
        let mut truly_empty = with_token(env, MANAGEMENT).subscribe(&web());
        until_ids("empty", &mut truly_empty, &[]).await;
    });
}

/// A right that is taken away while a watch runs: the known set stays, with the reason; and all goes on when it is back.
#[test]
fn rights_that_are_taken_away_empty_nothing_and_come_back() {
    with_tokens("rights_that_are_taken_away_empty_nothing_and_come_back", async |env| {
        let gateway = env.server().gateway();
        let token = gateway.make_token("web", WRITE).await;
        let registry = with_token(env, &token);
        let mut handle = soon("register", registry.register(registration(&web(), "a", 1))).await.unwrap();
        let mut watcher = registry.subscribe(&web());
        until_ids("there", &mut watcher, &["a"]).await;
        gateway.change_rules("web", NOTHING).await;
        let stale = until("stale", &mut watcher, |s| s.freshness().is_stale()).await;
        assert!(stale.get("a").is_some() && *stale.basis() == Basis::LastKnownGood, "{stale:?}");
        assert_eq!(stale.freshness().error().unwrap().kind(), ErrorKind::Unauthorized, "{stale:?}");
        let retrying = until_state("retrying", &mut handle, sd_core::RegistrationState::is_retrying).await;
        let sd_core::RegistrationState::Retrying { error: Some(error), .. } = retrying else { panic!("{retrying:?}") };
        assert_eq!(error.kind(), ErrorKind::Unauthorized, "{error}");
        stays("it stays known", Duration::from_secs(2), &mut watcher, |s| s.get("a").is_some()).await;
        gateway.change_rules("web", WRITE).await;
        until_ids("live again", &mut watcher, &["a"]).await;
        soon("registered again", handle.accepted()).await.unwrap();
    });
}

/// A token in a file is exchanged while everything runs; the old one ends, and nothing is lost.
#[test]
fn a_token_file_that_is_exchanged_is_taken_up_without_a_gap() {
    with_tokens("a_token_file_that_is_exchanged_is_taken_up_without_a_gap", async |env| {
        let gateway = env.server().gateway();
        let (old, new) = (gateway.make_token("old", WRITE).await, gateway.make_token("new", WRITE).await);
        let file = TokenFile::holding(&old);
        let registry = config(env).token_file(&file.0).connect().unwrap();
        let handle = soon("register", registry.register(registration(&web(), "a", 1))).await.unwrap();
        let mut watcher = registry.subscribe(&web());
        until_ids("there", &mut watcher, &["a"]).await;
        std::fs::write(&file.0, format!("{new}\n")).unwrap();
        gateway.delete_token(&old).await;
        let up = |snapshot: &sd_core::Snapshot| {
            snapshot.get("a").is_some_and(|i| i.health() == sd_core::Health::Up) && snapshot.freshness().is_live()
        };
        stays("it is kept, and watched", Duration::from_secs(6), &mut watcher, up).await;
        assert!(handle.state().is_registered(), "{handle:?}");
        soon("deregister", handle.deregister()).await.unwrap();
        until_ids("gone", &mut watcher, &[]).await;
    });
}

/// Removed when the test ends.
struct TokenFile(PathBuf);

impl TokenFile {
    fn holding(token: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sd-consul-token-{}", random_word()));
        std::fs::write(&path, format!("{token}\n")).unwrap();
        Self(path)
    }
}

impl Drop for TokenFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

/// Set for the process that looks at its own environment.
const AGENT: &str = "SD_CONSUL_TEST_AGENT";

/// Does nothing in an ordinary run; see below.
#[test]
fn in_a_process_with_a_token_in_its_environment() {
    let Ok(agent) = std::env::var(AGENT) else { return };
    sd_testkit::run(async {
        let registry = ConsulConfig::new(agent).connect().unwrap();
        registry.register(registration(&web(), "a", 1)).await.unwrap().deregister().await.unwrap();
        println!("registered with the environment's token");
    });
}

/// `CONSUL_HTTP_TOKEN`, as Consul's own tools read it; a token that is given comes before it.
#[test]
fn the_token_may_stand_in_the_environment() {
    with_tokens("the_token_may_stand_in_the_environment", async |env| {
        let token = env.server().gateway().make_token("web", WRITE).await;
        let run = |token: &str| {
            let mut process = std::process::Command::new(std::env::current_exe().unwrap());
            process.args(["in_a_process_with_a_token_in_its_environment", "--exact", "--nocapture"]);
            process.env(AGENT, env.proxy().address().to_string()).env("CONSUL_HTTP_TOKEN", token);
            let output = tokio::task::block_in_place(|| process.output()).unwrap();
            String::from_utf8(output.stdout).unwrap().contains("registered with the environment's token")
        };
        assert!(run(&token));
        assert!(!run("unknown"));
    });
}
