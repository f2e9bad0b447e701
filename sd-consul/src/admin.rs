//! Acts on other processes' instances, as far as they stand with our agent.

use sd_core::{Error, ErrorKind, ServiceName};

use crate::client::{Call, Query};
use crate::definition::AgentService;
use crate::error::error;
use crate::layout::{OWNER, instance_id};
use crate::registry::ConsulRegistry;

impl ConsulRegistry {
    /// Puts an instance into maintenance mode; its check and its owner stay.
    pub(crate) async fn drain_instance(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        let call = self.client.act("drain");
        for found in self.of_our_agent(call, service, id).await? {
            self.client.maintain(call, &found, "drained").await?;
        }
        Ok(())
    }

    /// Takes an instance away, and sees to it that it is gone.
    pub(crate) async fn deregister_instance(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        let call = self.client.act("deregister");
        for found in self.of_our_agent(call, service, id).await? {
            let before = self.client.service(call, &found).await?;
            self.client.deregister(call, &found).await?;
            let after = self.client.service(call, &found).await?;
            // Its owner may have put it back by now, under another hash at least.
            if before.is_some() && after == before && after.is_some_and(|after| !after.meta.contains_key(OWNER)) {
                return Err(error(ErrorKind::Protocol, "deregister", format!("the agent still has {found:?}")));
            }
        }
        Ok(())
    }

    /// Consul's ids of what makes this instance on our agent; several where other programs registered one address
    /// several times.
    ///
    /// # Errors
    /// `Unsupported` when it stands with another agent, which alone can take it away or drain it; `NotFound`.
    async fn of_our_agent(&self, call: Call, service: &ServiceName, id: &str) -> Result<Vec<String>, Error> {
        let services = self.client.services(call).await?;
        let of_service = services.into_iter().filter(|found| found.service == service.as_str());
        let found: Vec<_> = of_service.filter(|found| makes(found, id)).map(|found| found.id).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let query = Query::of_service(&self.reading, None).by(call.deadline);
        let answer = self.client.health(service.as_str(), &query, call.operation).await?;
        let listing = self.understood(service, answer).await?;
        match listing.found.get(id) {
            Some(elsewhere) => Err(error(
                ErrorKind::Unsupported,
                call.operation,
                format!(
                    "{service}/{id} is registered with the agent of node {:?}, which alone can do that; this connection \
                     speaks to {}",
                    elsewhere.node,
                    self.client.authority()
                ),
            )),
            None => Err(error(ErrorKind::NotFound, call.operation, format!("{service} has no instance {id:?}"))),
        }
    }
}

/// Whether a service of the agent makes the instance: ours by its id, others' by their address, or by Consul's id where
/// they have no address of their own or can't be read at all.
fn makes(found: &AgentService, id: &str) -> bool {
    if found.meta.contains_key(OWNER)
        && let Some(own) = instance_id(&found.service, &found.id)
    {
        return own == id;
    }
    let host = &found.address;
    let address =
        if host.contains(':') { format!("[{host}]:{}", found.port) } else { format!("{host}:{}", found.port) };
    address == id || found.id == id
}
