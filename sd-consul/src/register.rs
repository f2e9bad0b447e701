//! Putting, holding, updating and taking back an entry of ours.

use sd_core::{Error, ErrorKind, Grant, Lost, Record};
use tokio::time::Instant;

use crate::client::Call;
use crate::definition::{Definition, Probe, Status};
use crate::error::{Failure, error};
use crate::heartbeat::take_back;
use crate::holdings::Standing;
use crate::layout::{consul_id, is_out_of_service, owner};
use crate::registry::ConsulRegistry;

impl ConsulRegistry {
    /// Registers the entry: whoever registered what stood there, or, `again`, unless it is another's.
    ///
    /// An agent has no compare-and-swap: between reading whose it is and registering, somebody else may register too.
    /// That takes less than a millisecond, and who loses by it notices at the next heartbeat.
    pub(crate) async fn put_record(&self, record: &Record, again: bool) -> Result<Grant, Error> {
        let call = self.client.act("register");
        let definition = self.layout.definition(record)?;
        let id = &definition.id;
        let _turn = self.turns.take(id, call.deadline, call.operation).await?;
        let repeated = self.holdings.intend(id, &record.owner) || again;
        self.keep();
        if again && self.still_stands(call, record, &definition).await? {
            return Ok(self.grant(&definition));
        }
        if again {
            let found = self.client.service(call, id).await?;
            if found.is_some_and(|found| owner(&found.meta) != Some(record.owner.as_str())) {
                self.holdings.drop_entry(id, &record.owner);
                return Err(superseded("register"));
            }
        }
        match self.write(call, record, &definition, repeated).await {
            Ok(()) => Ok(self.grant(&definition)),
            Err(failure) => {
                if !failure.error.is_retryable() {
                    self.holdings.drop_unwritten(id, &record.owner);
                }
                Err(failure.error)
            }
        }
    }

    /// Whether what was registered last is what is wanted, and a heartbeat finds it: then only heartbeats were missing.
    ///
    /// An agent that is too busy to answer them must not be given three times as much to do for each.
    async fn still_stands(&self, call: Call, record: &Record, definition: &Definition) -> Result<bool, Failure> {
        let token = self.client.token_generation();
        let unchanged = self.holdings.was_written(&definition.id, &record.owner, definition, token);
        if !unchanged || !self.layout.is_kept_by_us() {
            return Ok(false);
        }
        let sent = Instant::now();
        match self.client.set_check(call, &definition.check.id, Status::Passing).await {
            Ok(()) => {
                self.holdings.found(&definition.id, &record.owner, sent);
                Ok(true)
            }
            Err(failure) if failure.is_unknown_check() => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Registers, and says what a registration can't say by itself.
    async fn write(&self, call: Call, record: &Record, definition: &Definition, repeated: bool) -> Result<(), Failure> {
        let (sent, token) = (Instant::now(), self.client.token_generation());
        self.client.register(call, definition).await?;
        if repeated && self.layout.is_kept_by_us() {
            // Consul gives a check that it knows the status that it had: critical, when its TTL has lapsed.
            self.client.set_check(call, &definition.check.id, Status::Passing).await?;
        }
        if is_out_of_service(&record.instance) {
            // Registering ends maintenance; our own readers find the same in the metadata, so they see no gap.
            self.client.maintain(call, &definition.id, "its owner says so").await?;
        }
        self.holdings.written(&definition.id, &record.owner, sent, definition, token);
        Ok(())
    }

    /// It says for how long Consul takes an instance for alive that is not.
    fn grant(&self, definition: &Definition) -> Grant {
        let ttl = match &definition.check.probe {
            Probe::Ttl(ttl) => *ttl,
            Probe::Http { every, .. } | Probe::Tcp { every, .. } | Probe::Grpc { every, .. } => {
                every.interval + every.timeout
            }
        };
        Grant { token: 0, ttl: Some(ttl), warning: None }
    }

    /// Lasts while the entry is held.
    pub(crate) async fn hold_record(&self, record: &Record) -> Lost {
        let id = consul_id(&record.service, record.instance.id());
        let Some(mut standing) = self.holdings.standing(&id, &record.owner) else {
            return Lost::Gone(error(ErrorKind::NotFound, "register", "it was never registered"));
        };
        let changed = standing.wait_for(|standing| !matches!(standing, Standing::Held)).await;
        match changed.map(|standing| standing.clone()) {
            Ok(Standing::Superseded) => {
                self.holdings.drop_entry(&id, &record.owner);
                Lost::Superseded
            }
            Ok(Standing::Gone(error)) => Lost::Gone(error),
            Ok(Standing::Held) | Err(_) => Lost::Gone(error(ErrorKind::NotFound, "register", "it was taken back")),
        }
    }

    /// Registers the entry anew if it still is ours.
    pub(crate) async fn update_record(&self, record: &Record) -> Result<(), Error> {
        let call = self.client.act("update");
        let definition = self.layout.definition(record)?;
        let id = &definition.id;
        let missing = || error(ErrorKind::NotFound, "update", "the agent does not have it");
        let _turn = self.turns.take(id, call.deadline, call.operation).await?;
        if self.holdings.standing(id, &record.owner).is_none() {
            return Err(missing());
        }
        let found = self.client.service(call, id).await?.ok_or_else(missing)?;
        if owner(&found.meta) != Some(record.owner.as_str()) {
            return Err(superseded("update"));
        }
        Ok(self.write(call, record, &definition, true).await?)
    }

    /// Takes the entry back if it is ours. When that fails, the next heartbeat does it.
    pub(crate) async fn remove_record(&self, record: &Record) -> Result<(), Error> {
        let call = self.client.act("deregister");
        let id = consul_id(&record.service, record.instance.id());
        if !self.holdings.leave(&id, &record.owner) {
            return Ok(());
        }
        let _turn = self.turns.take(&id, call.deadline, call.operation).await?;
        if self.holdings.has_other_token(&id, &record.owner, self.client.token_generation()) {
            // The agent would tell the servers with the token that it was registered with, which may have ended.
            self.client.register(call, &self.layout.definition(record)?).await?;
        }
        take_back(&self.client, call, &id, &record.owner).await?;
        self.holdings.left(&id, &record.owner);
        Ok(())
    }
}

fn superseded(operation: &'static str) -> Error {
    error(ErrorKind::Conflict, operation, "a newer registrant has taken this id").with_retryable(false)
}
