//! Whether a service is also written in the plain form, whose readers would choke on json.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use etcd_client::GetOptions;
use sd_core::{Codec, ServiceName, SingleFlight};
use tokio::time::Instant;

use crate::dial::Session;
use crate::layout::{Key, Layout};
use crate::pool::Pool;

/// How many entries of a service are looked at.
const LOOKED_AT: i64 = 100;

/// What was found beside our registrations, once per lease and service, however many instances are registered.
#[derive(Debug, Default)]
pub(crate) struct Neighbours(Mutex<Looked>);

/// For which lease it was looked, and what was found.
type Looked = (i64, HashMap<ServiceName, Arc<SingleFlight<Warning>>>);

type Warning = Option<Arc<str>>;

impl Neighbours {
    /// What one who registers json should know. A read that fails is no reason not to register.
    pub(crate) async fn warning(
        &self,
        pool: &Pool,
        layout: &Layout,
        deadline: Instant,
        service: &ServiceName,
        lease: i64,
    ) -> Warning {
        let looked = self.looked(service, lease);
        let looked = looked.get(|| async {
            let range = layout.range(service);
            let options = GetOptions::new().with_range(range.end).with_limit(LOOKED_AT);
            let get = |session: Arc<Session>| async move { session.kv().get(range.start, Some(options)).await };
            let answer = pool.call(deadline, "register", get).await.map_err(|failure| failure.error)?;
            let plain = answer.kvs().iter().any(|entry| {
                matches!(layout.id(service, entry.key()), Key::Of(_))
                    && Codec::decode(entry.value()).is_ok_and(|entry| entry.codec == Codec::Plain)
            });
            Ok(plain.then(|| {
                let warning = format!(
                    "{service} also has plain addresses in etcd: a reader that knows only those can't read this json \
                     entry; ?codec=plain writes plain ones"
                );
                warning.into()
            }))
        });
        looked.await.ok().and_then(|warning| (*warning).clone())
    }

    fn looked(&self, service: &ServiceName, lease: i64) -> Arc<SingleFlight<Warning>> {
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if looked.0 != lease {
            *looked = (lease, HashMap::new());
        }
        Arc::clone(looked.1.entry(service.clone()).or_default())
    }
}
