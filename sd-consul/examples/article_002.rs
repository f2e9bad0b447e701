//! The Go article's `MakeReg`, `Register`, `Deregister` and `discover` over Consul, each in a few lines.
//!
//! The article asks Consul to check `http://host:port/…` of the service and to take it away when that has failed for a
//! time. Here the registration also survives an agent that restarts, and is taken back when the handle goes.
//!
//! Run it beside a Consul agent: `cargo run -p sd-consul --example article_002 -- 127.0.0.1:8500`.

use std::time::Duration;

use sd_consul::{CheckKind, ConsulConfig};
use sd_core::{Address, Error, Instance, Instancer as _, Registrar as _, Registration, RegistrationHandle, Snapshot};

/// Where the agent is, and how services are checked.
#[derive(Debug)]
pub struct Reg(ConsulConfig);

impl Reg {
    /// `MakeReg`: an agent at `host:port`; services are asked at `health` every `interval`, and taken away when that has
    /// failed for `deregister_after`.
    pub fn make(agent: &str, health: &str, interval: Duration, deregister_after: Duration) -> Self {
        let config = ConsulConfig::new(agent).check(CheckKind::Http).check_path(health);
        Self(config.check_interval(interval).deregister_after(deregister_after))
    }

    /// `Register`: the service stays registered for as long as the handle lives.
    pub async fn register(
        &self,
        service: &str,
        tag: &str,
        id: &str,
        address: Address,
    ) -> Result<RegistrationHandle, Error> {
        let instance = Instance::new(address).with_id(id).with_tag(tag);
        self.0.clone().connect()?.register(Registration::new(service, instance)).await
    }

    /// `Deregister`: says whether it worked.
    pub async fn deregister(&self, handle: RegistrationHandle) -> bool {
        handle.deregister().await.is_ok()
    }

    /// `discover`: the instances with this tag; with `passing_only`, those whose checks pass.
    pub async fn discover(&self, service: &str, tag: &str, passing_only: bool) -> Result<Snapshot, Error> {
        let registry = self.0.clone().tag(tag).passing(passing_only).connect()?;
        Ok(registry.subscribe(&service.parse()?).known().await)
    }
}

#[tokio::main]
#[allow(dead_code, reason = "a test runs the functions above without it")]
async fn main() -> Result<(), Error> {
    let agent = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8500".to_owned());
    let reg = Reg::make(&agent, "/health", Duration::from_secs(5), Duration::from_secs(60));
    let handle = reg.register("book", "v1", "book-1", "127.0.0.1:50052".parse()?).await?;
    println!("all: {:?}", reg.discover("book", "v1", false).await?);
    println!("passing: {:?}", reg.discover("book", "v1", true).await?);
    println!("taken back: {}", reg.deregister(handle).await);
    Ok(())
}
