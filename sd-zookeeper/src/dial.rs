//! Getting a session, within bounds, and saying what is in the way when there is none.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use sd_core::{Error, ErrorKind};
use tokio_rustls::rustls::ClientConfig;
use zookeeper_client::{Client, Error as Said};

use crate::ask::{Answer, ask};
use crate::config::ZooKeeperConfig;
use crate::credentials::{Credentials, Shown};
use crate::error::{Failure, error};

const OPERATION: &str = "connect";

/// How long the other hosts may take to answer, once one has.
const GRACE: Duration = Duration::from_millis(200);

/// A host being asked, and what came of it.
type Asking<'a> = Pin<Box<dyn Future<Output = (&'a str, Result<Answer, Error>)> + Send + 'a>>;

/// How sessions are made.
#[derive(Debug)]
pub(crate) struct Dialer {
    hosts: Vec<String>,
    credentials: Credentials,
    session: Duration,
    bound: Duration,
}

impl Dialer {
    pub(crate) fn of(config: &ZooKeeperConfig) -> Self {
        Self {
            hosts: config.hosts.clone(),
            credentials: Credentials::of(config),
            session: config.session,
            bound: config.connect_timeout,
        }
    }

    /// How long a session is asked to be.
    pub(crate) fn session(&self) -> Duration {
        self.session
    }

    /// A session, within the connect timeout. Names are resolved and credentials read anew.
    pub(crate) async fn dial(&self) -> Result<Client, Error> {
        let shown = self.credentials.read().await.map_err(ours)?;
        match tokio::time::timeout(self.bound, self.dial_unbounded(&shown)).await {
            Ok(result) => result,
            Err(_) => {
                let silent = format!("no session within {:?}", self.bound);
                Err(self.explained(&shown, error(ErrorKind::Unavailable, OPERATION, silent)).await)
            }
        }
    }

    async fn dial_unbounded(&self, shown: &Shown) -> Result<Client, Error> {
        let hosts = match &*self.hosts {
            [_] => self.hosts.clone(),
            several => self.answering(several, shown).await?,
        };
        let scheme = if shown.pem.is_some() { "tcp+tls://" } else { "tcp://" };
        let cluster = hosts.iter().map(|host| format!("{scheme}{host}")).collect::<Vec<_>>().join(",");
        // Fails when each host has failed once: trying again is core's part.
        let connector = shown.connector().map_err(ours)?.with_session_timeout(self.session).with_fail_eagerly();
        match connector.connect(&cluster).await {
            Ok(client) => Ok(client),
            Err(said @ Said::AuthFailed) => Err(Failure::new(said, OPERATION).error),
            Err(said) => {
                let failed = error(ErrorKind::Unavailable, OPERATION, "no session can be had").with_source(said);
                Err(self.explained(shown, failed).await)
            }
        }
    }

    /// Those that serve, of several.
    ///
    /// The client takes them in a random order, and spends two fifths of a session's time on one that is mute; for as
    /// long as the session lasts, it is not offered a host that did not answer when the session began.
    async fn answering(&self, hosts: &[String], shown: &Shown) -> Result<Vec<String>, Error> {
        let mut asked = self.asked(hosts, shown, self.bound)?;
        let (mut serving, mut failures) = (Vec::new(), Vec::new());
        while let Some((host, result)) = asked.next().await {
            match result {
                Ok(_) => {
                    serving.push(host.to_owned());
                    break;
                }
                Err(failure) => failures.push(failure),
            }
        }
        let rest = async {
            while let Some((host, result)) = asked.next().await {
                if result.is_ok() {
                    serving.push(host.to_owned());
                }
            }
        };
        if !failures.is_empty() && failures.len() == hosts.len() {
            return Err(all_failed(failures));
        }
        // Those that are late are left out.
        let _ = tokio::time::timeout(GRACE, rest).await;
        Ok(serving)
    }

    /// The same error, or a better one: what the hosts themselves say.
    async fn explained(&self, shown: &Shown, failed: Error) -> Error {
        let asked = match self.asked(&self.hosts, shown, self.bound / 3) {
            Ok(asked) => asked.collect::<Vec<_>>().await,
            Err(error) => return error,
        };
        let failures: Vec<_> = asked.into_iter().filter_map(|(_, result)| result.err()).collect();
        // One that answers now makes the failure a passing one.
        if failures.len() < self.hosts.len() { failed } else { all_failed(failures) }
    }

    fn asked<'a>(
        &self,
        hosts: &'a [String],
        shown: &Shown,
        bound: Duration,
    ) -> Result<FuturesUnordered<Asking<'a>>, Error> {
        let tls: Option<Arc<ClientConfig>> =
            shown.pem.as_ref().map(crate::tls::Pem::for_questions).transpose().map_err(ours)?;
        let asking = hosts.iter().map(|host| -> Asking<'a> {
            let tls = tls.clone();
            Box::pin(async move { (host.as_str(), ask(host, tls.as_ref(), bound, OPERATION).await) })
        });
        Ok(asking.collect())
    }

    /// Which version serves, and where, as the first host that answers tells it.
    pub(crate) async fn version(&self, bound: Duration) -> Option<(String, String)> {
        let shown = self.credentials.read().await.ok()?;
        let mut asked = self.asked(&self.hosts, &shown, bound).ok()?;
        while let Some((host, result)) = asked.next().await {
            if let Ok(answer) = result {
                return Some((host.to_owned(), answer.version));
            }
        }
        None
    }
}

/// One error for several hosts. A refusal counts when all refuse: another host may know better.
fn all_failed(mut failures: Vec<Error>) -> Error {
    if failures.len() == 1
        && let Some(only) = failures.pop()
    {
        return only;
    }
    let refused = failures.iter().all(|failure| failure.kind() == ErrorKind::Unauthorized);
    let kind = if refused { ErrorKind::Unauthorized } else { ErrorKind::Unavailable };
    let messages = failures.iter().map(Error::message).collect::<Vec<_>>().join("; ");
    let causes = failures.iter().filter_map(|failure| std::error::Error::source(failure).map(ToString::to_string));
    let causes = causes.collect::<Vec<_>>().join("; ");
    let all = error(kind, OPERATION, messages);
    if causes.is_empty() { all } else { all.with_source(causes) }
}

fn ours(error: Error) -> Error {
    error.with_backend(crate::error::NAME).during(OPERATION)
}
