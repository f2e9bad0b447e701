//! Tokens and their rights, and TLS: what is shown, what is refused, and what changes while a connection lives.

use std::fs;
use std::path::{Path, PathBuf};

use sd_core::{Connection, ErrorKind, Instancer as _, Probe as _, Registrar as _, RegistrationState, Secret};
use sd_registry::RegistryConfig;
use sd_testkit::authority::Authority;
use sd_testkit::registry::{CentreOptions, CentreServer};
use sd_testkit::run;
use sd_testkit::samples::{instance, random_word, registration};
use sd_testkit::waiting::{eventually, soon, until, until_ids, until_state};

const TOKEN: &str = "a-token-of-the-tests";
const OTHER: &str = "another-token-of-the-tests";

/// A folder of the test's own, removed at its end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("sd-registry-{}", random_word()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        // As a whole or not at all: it may be read at any moment.
        fs::write(path.with_extension("new"), text).unwrap();
        fs::rename(path.with_extension("new"), &path).unwrap();
        path
    }

    /// The centre's tokens: each with the services that it may read and write.
    fn tokens(&self, tokens: &[(&str, &[&str])]) -> PathBuf {
        let tokens: Vec<_> = tokens
            .iter()
            .map(|(token, rights)| serde_json::json!({ "name": "test", "token": token, "read": rights, "write": rights }))
            .collect();
        self.write("tokens.json", &serde_json::json!({ "tokens": tokens }).to_string())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

fn config(server: &CentreServer) -> RegistryConfig {
    RegistryConfig::new([server.address().to_string()]).ttl(std::time::Duration::from_secs(3))
}

fn with_token(server: &CentreServer, token: &str) -> Connection {
    config(server).token(Secret::new(token)).connect().unwrap()
}

#[test]
fn a_wrong_token_is_refused_at_once_and_says_so() {
    run(async {
        let folder = Folder::new();
        let server = CentreServer::start(CentreOptions::new().tokens(&folder.tokens(&[(TOKEN, &["*"])]))).await;
        for registry in [config(&server).connect().unwrap(), with_token(&server, OTHER)] {
            let refused = soon("refused", registry.register(registration(&"book".parse().unwrap(), "a", 1))).await;
            let error = refused.unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unauthorized, false), "{error}");
            assert_eq!(registry.probe().await.unwrap_err().kind(), ErrorKind::Unauthorized);
            let mut view = registry.subscribe(&"book".parse().unwrap());
            let failing = until("an error", &mut view, |snapshot| snapshot.freshness().error().is_some()).await;
            assert!(failing.freshness().is_pending(), "{failing:?}");
            assert_eq!(failing.freshness().error().unwrap().kind(), ErrorKind::Unauthorized);
            assert!(!format!("{registry:?} {error:?} {failing:?}").contains(OTHER));
        }
        let registry = with_token(&server, TOKEN);
        let _kept = soon("register", registry.register(registration(&"book".parse().unwrap(), "a", 1))).await.unwrap();
        until_ids("it", &mut registry.subscribe(&"book".parse().unwrap()), &["a"]).await;
    });
}

#[test]
fn a_token_file_that_was_exchanged_is_read_again() {
    run(async {
        let folder = Folder::new();
        let server = CentreServer::start(CentreOptions::new().tokens(&folder.tokens(&[(TOKEN, &["*"])]))).await;
        let file = folder.write("token", &format!("{TOKEN}\n"));
        let registry = config(&server).token_file(&file).connect().unwrap();
        let service = "book".parse().unwrap();
        let mut handle = soon("register", registry.register(registration(&service, "a", 1))).await.unwrap();
        let mut view = registry.subscribe(&service);
        until_ids("it", &mut view, &["a"]).await;
        // First the centre's, so that the old one is refused for a while.
        folder.tokens(&[(OTHER, &["*"])]);
        until("refused", &mut view, |snapshot| snapshot.freshness().is_stale()).await;
        folder.write("token", OTHER);
        until_ids("it goes on", &mut view, &["a"]).await;
        until_state("registered", &mut handle, RegistrationState::is_registered).await;
        eventually("it is there", async || server.gateway().with_token(OTHER).ids(&service).await == ["a"]).await;
    });
}

/// The right to one of two services is taken away: the other's registration knows nothing of it.
#[test]
fn one_right_that_was_lost_does_not_let_other_registrations_lapse() {
    run(async {
        let folder = Folder::new();
        let server =
            CentreServer::start(CentreOptions::new().tokens(&folder.tokens(&[(TOKEN, &["kept", "lost"])]))).await;
        let registry = with_token(&server, TOKEN);
        let kept = soon("register", registry.register(registration(&"kept".parse().unwrap(), "a", 1))).await.unwrap();
        let mut lost =
            soon("register", registry.register(registration(&"lost".parse().unwrap(), "a", 1))).await.unwrap();
        let before = registry.counters().registrations_lost;
        folder.tokens(&[(TOKEN, &["kept"])]);
        let refused = |state: &RegistrationState| matches!(state, RegistrationState::Retrying { error: Some(error), .. } if error.kind() == ErrorKind::Unauthorized);
        until_state("refused", &mut lost, refused).await;
        // Its TTL has passed without a heartbeat by then; the other's has not.
        assert!(kept.state().is_registered(), "{kept:?}");
        assert_eq!(server.gateway().with_token(TOKEN).ids(&"kept".parse().unwrap()).await, ["a"]);
        assert_eq!(registry.counters().registrations_lost, before + 1);
        folder.tokens(&[(TOKEN, &["kept", "lost"])]);
        until_state("registered", &mut lost, RegistrationState::is_registered).await;
    });
}

async fn serving(certificate: &Path, key: &Path, client_ca: Option<&Path>) -> CentreServer {
    CentreServer::start(CentreOptions::new().tls(certificate, key, client_ca)).await
}

#[test]
fn tls_with_a_private_authority_serves_registrations_and_watches() {
    run(async {
        let authority = Authority::new();
        let (certificate, key) = authority.sign("127.0.0.1");
        let server = serving(&certificate, &key, None).await;
        let url = format!("sd://{}?ca={}", server.address(), authority.ca().display());
        let registry = RegistryConfig::from_url(url.parse().unwrap()).unwrap().connect().unwrap();
        let service = "book".parse().unwrap();
        let _kept = soon("register", registry.register(registration(&service, "a", 1))).await.unwrap();
        until_ids("it", &mut registry.subscribe(&service), &["a"]).await;
        // Another authority, the system's, or none at all: no.
        let other = Authority::new();
        for (config, what) in [
            (config(&server).ca(other.ca()), "another authority"),
            (config(&server).tls(true), "the system's authorities"),
            (config(&server), "no TLS"),
            (config(&server).ca(authority.ca()).server_name("elsewhere.example"), "another name"),
        ] {
            let error = config.connect().unwrap().probe().await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Config), "{what}: {error:?}");
        }
    });
}

#[test]
fn a_client_certificate_is_shown_where_it_is_wanted() {
    run(async {
        let authority = Authority::new();
        let (certificate, key) = authority.sign("centre.example");
        let server = serving(&certificate, &key, Some(&authority.ca())).await;
        let mine = authority.sign("client.example");
        let base = || config(&server).ca(authority.ca()).server_name("centre.example");
        let registry = base().cert(&mine.0).key(&mine.1).connect().unwrap();
        let given = sd_core::Registration::new("book", instance("a", 1));
        let _kept = soon("register", registry.register(given)).await.unwrap();
        let other = Authority::new();
        let stranger = other.sign("client.example");
        for config in [base(), base().cert(&stranger.0).key(&stranger.1)] {
            let error = config.connect().unwrap().probe().await.unwrap_err();
            assert!(matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::Unavailable), "{error:?}");
            println!("without a certificate of the authority: {error:?}");
        }
    });
}
