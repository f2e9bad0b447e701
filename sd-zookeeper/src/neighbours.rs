//! Whether a service is also written in the plain form, whose readers would choke on json.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sd_core::{Codec, Record, ServiceName, SingleFlight};
use tokio::time::Instant;

use crate::entry::Form;
use crate::error::answer;
use crate::read::Reader;
use crate::registry::ZooKeeperRegistry;
use crate::session::Session;

/// How many nodes of a service are looked at.
const LOOKED_AT: usize = 50;

/// What was found beside our registrations, once per session and service, however many instances are registered.
#[derive(Debug, Default)]
pub(crate) struct Neighbours(Mutex<Looked>);

/// For which session it was looked, and what was found.
type Looked = (i64, HashMap<ServiceName, Arc<SingleFlight<Warning>>>);

type Warning = Option<Arc<str>>;

impl Neighbours {
    fn looked(&self, service: &ServiceName, session: i64) -> Arc<SingleFlight<Warning>> {
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.0 != session {
            *looked = (session, HashMap::new());
        }
        Arc::clone(looked.1.entry(service.clone()).or_default())
    }
}

impl ZooKeeperRegistry {
    /// What one who registers json should know. A read that fails is no reason not to register.
    pub(crate) async fn warning(&self, record: &Record, session: &Session, deadline: Instant) -> Warning {
        if self.codec != Codec::Json {
            return None;
        }
        let service = &record.service;
        let looked = self.neighbours.looked(service, session.id());
        let looked = looked.get(|| async {
            let plain = self.has_plain(service, session, deadline).await?;
            Ok(plain.then(|| {
                let warning = format!(
                    "{service} also has plain addresses in ZooKeeper: a reader that knows only those can't read this \
                     json entry; ?codec=plain writes plain ones"
                );
                warning.into()
            }))
        });
        looked.await.ok().and_then(|warning| (*warning).clone())
    }

    async fn has_plain(
        &self,
        service: &ServiceName,
        session: &Session,
        deadline: Instant,
    ) -> Result<bool, sd_core::Error> {
        let path = self.paths.service(service);
        let names = match answer(deadline, "register", session.client().list_children(&path)).await {
            Err(failure) if failure.said == zookeeper_client::Error::NoNode => return Ok(false),
            names => names?,
        };
        let paths: Vec<_> = names.iter().take(LOOKED_AT).map(|name| format!("{path}/{name}")).collect();
        let mut reader = Reader::new(self.one_shot());
        let batch = &paths[..reader.fitting(&paths).min(paths.len())];
        if batch.is_empty() {
            return Ok(false);
        }
        let read = reader.read(session.client(), batch, &self.sessions, "register").await;
        let read = read.map_err(|failure| self.learned(failure))?;
        Ok(read.iter().flatten().any(|found| found.entry().is_some_and(|entry| entry.form == Form::Plain)))
    }
}
