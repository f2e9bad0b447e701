//! A service of an agent, as it answers. (consulrs has a type for it, which can't be read once the service has an
//! address: Consul adds objects where it wants texts.)

use std::collections::BTreeMap;

use serde::Deserialize;

use super::transport::{Answer, parsed};
use crate::definition::AgentService;
use crate::error::Failure;

/// One service of an agent, as it answers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ServiceBody {
    #[serde(rename = "ID")]
    id: String,
    service: String,
    #[serde(default)]
    meta: Option<BTreeMap<String, String>>,
    #[serde(default)]
    address: String,
    #[serde(default)]
    port: u16,
    #[serde(default)]
    content_hash: String,
}

impl From<ServiceBody> for AgentService {
    fn from(body: ServiceBody) -> Self {
        Self {
            id: body.id,
            service: body.service,
            meta: body.meta.unwrap_or_default(),
            address: body.address,
            port: body.port,
            hash: body.content_hash,
        }
    }
}

/// What an answer says of one service; `None` where the agent has none.
pub(super) fn read(answer: Result<Answer, Failure>, operation: &'static str) -> Result<Option<AgentService>, Failure> {
    match answer {
        Ok(answer) => Ok(Some(parsed::<ServiceBody>(&answer.body, operation)?.into())),
        Err(failure) if failure.status == Some(404) => Ok(None),
        Err(failure) => Err(failure),
    }
}
