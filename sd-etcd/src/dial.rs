//! One connection to one endpoint.

use std::time::Duration;

use etcd_client::{Client, ConnectOptions, KvClient, LeaseClient, MaintenanceClient, WatchClient};
use sd_core::Error;

use crate::config::EtcdConfig;
use crate::credentials::Credentials;
use crate::error::{Blame, Failure, failure};

/// The largest message we decode; tonic's own 4 MiB are less than ten thousand instances.
const MAX_MESSAGE_BYTES: usize = 64 << 20;

/// A connection to one endpoint that has answered.
pub(crate) struct Session {
    client: Client,
    kv: KvClient,
    watch: WatchClient,
    /// Which one, in the rotation.
    pub(crate) endpoint: usize,
}

impl Session {
    pub(crate) fn kv(&self) -> KvClient {
        self.kv.clone()
    }

    pub(crate) fn watch(&self) -> WatchClient {
        self.watch.clone()
    }

    pub(crate) fn lease(&self) -> LeaseClient {
        self.client.lease_client()
    }

    pub(crate) fn maintenance(&self) -> MaintenanceClient {
        self.client.maintenance_client()
    }

    /// Logs in again, for what etcd-client does not do itself: a watch.
    pub(crate) async fn refresh_token(&self) -> Result<(), etcd_client::Error> {
        self.client.refresh_token().await
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// How connections are made.
#[derive(Debug)]
pub(crate) struct Dialer {
    credentials: Credentials,
    connect_timeout: Duration,
    keep_alive: (Duration, Duration),
    require_leader: bool,
}

impl Dialer {
    pub(crate) fn of(config: &EtcdConfig) -> Self {
        Self {
            credentials: Credentials::of(config),
            connect_timeout: config.connect_timeout,
            keep_alive: (config.keep_alive, config.keep_alive_timeout),
            require_leader: config.require_leader,
        }
    }

    /// Connects, logs in, and waits for a first answer, all within the connect timeout. Names are resolved and
    /// credentials read anew.
    ///
    /// etcd-client's own balancing over several endpoints is not used: it never leaves out a dead or mute one.
    pub(crate) async fn dial(&self, endpoint: usize, authority: &str) -> Result<Session, Failure> {
        match tokio::time::timeout(self.connect_timeout, self.dial_unbounded(endpoint, authority)).await {
            Ok(result) => result.map_err(|mut failure| {
                failure.error = at(failure.error, authority);
                failure
            }),
            Err(_) => {
                let message = format!("{authority} did not answer within {:?}", self.connect_timeout);
                Err(Failure::new(Error::unavailable(message).during("connect"), Blame::Endpoint))
            }
        }
    }

    async fn dial_unbounded(&self, endpoint: usize, authority: &str) -> Result<Session, Failure> {
        let broken = |error: Error| Failure::new(error.during("connect"), Blame::Nobody);
        let failed = |error| failure(error, "connect");
        let (interval, timeout) = self.keep_alive;
        let options = ConnectOptions::new()
            .with_connect_timeout(self.connect_timeout)
            .with_keep_alive(interval, timeout)
            .with_keep_alive_while_idle(false)
            .with_require_leader(self.require_leader)
            .with_auto_token_refresh(true);
        let anonymous = self.credentials.with_tls(options).await.map_err(broken)?;
        let client = match self.credentials.user().await.map_err(broken)? {
            Some((user, password)) => {
                let options = anonymous.clone().with_user(user, password.expose());
                match Client::connect([authority], Some(options)).await {
                    // A user given to an etcd that has no users is no reason to stay away.
                    Err(error) if error.to_string().contains("authentication is not enabled") => {
                        Client::connect([authority], Some(anonymous)).await
                    }
                    result => result,
                }
            }
            None => Client::connect([authority], Some(anonymous)).await,
        }
        .map_err(failed)?;
        // The client connects lazily: only an answer tells that somebody is there.
        match client.maintenance_client().status().await.map_err(failed) {
            Err(failure) if failure.blame == Blame::Endpoint => return Err(self.explained(failure)),
            // Whoever refuses this is there all the same; what matters is what it says to the request itself.
            _ => {}
        }
        let kv = client.kv_client().max_decoding_message_size(MAX_MESSAGE_BYTES);
        let watch = client.watch_client().max_decoding_message_size(MAX_MESSAGE_BYTES);
        Ok(Session { client, kv, watch, endpoint })
    }

    /// TLS 1.3 refuses a certificate after its handshake, and the alert that says so often gets lost in the closing.
    fn explained(&self, failure: Failure) -> Failure {
        let cause = std::error::Error::source(&failure.error).map(ToString::to_string).unwrap_or_default();
        if !self.credentials.uses_tls() || !cause.contains("connection closed") {
            return failure;
        }
        let message = "it closed the TLS connection unanswered; it may want another client certificate (cert and key)";
        Failure::new(Error::unavailable(message).during("connect").with_source(cause), failure.blame)
    }
}

/// The same error, naming the endpoint.
pub(crate) fn at(error: Error, authority: &str) -> Error {
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    let named = Error::new(error.kind(), format!("{authority}: {}", error.message()))
        .with_backend(crate::error::NAME)
        .during(error.operation().to_owned())
        .with_retryable(error.is_retryable());
    match cause {
        Some(cause) => named.with_source(cause),
        None => named,
    }
}
