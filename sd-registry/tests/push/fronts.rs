//! The protocol at fronts of another registry: who posts at one front is told of to those who posted at another.

use std::sync::Arc;
use std::time::Duration;

use sd_core::{Address, Connection, Instance, MemoryRegistry, Registrar, Registration};
use sd_registry::{Centre, PushRules, Registry};

use crate::common::{Http, spawn};
use crate::program::{Manner, Program, deregister, eventually, until_listed};

fn connection(registry: &MemoryRegistry) -> Arc<Connection> {
    Arc::new(Connection::builder(Arc::new(registry.clone())).build().unwrap())
}

async fn front(registry: &MemoryRegistry) -> (Centre, Http) {
    let rules = PushRules::new().heartbeat(Duration::from_millis(100));
    spawn(Registry::builder().store(connection(registry)).push(rules)).await
}

#[tokio::test]
async fn programs_at_two_fronts_find_each_other_and_those_of_the_registry_behind() {
    let registry = MemoryRegistry::new();
    let ((_one, first), (_two, second)) = (front(&registry).await, front(&registry).await);
    let (log, grading) = (Program::start().await, Program::start().await);
    log.registered(&first, "LogService", &[]).await;
    grading.registered(&second, "GradingService", &["LogService"]).await;
    let log_url = log.url.clone();
    let expected = format!(r#"{{"Added":[{{"Name":"LogService","URL":"{log_url}"}}],"Removed":null}}"#);
    assert_eq!(grading.state().patches, [expected], "the present set is there before the answer");

    let native = connection(&registry);
    let instance = Instance::new("10.0.0.9:4000".parse::<Address>().unwrap());
    let native = native.register(Registration::new("LogService", instance)).await.unwrap();
    let both = [("LogService", "http://10.0.0.9:4000"), ("LogService", &*log_url)];
    grading.knows("one of the registry's own", &both).await;

    assert_eq!(deregister(&second, &log_url).await, 500, "who has posted at a front is that front's");
    log.state().heart = Manner::Status(500);
    grading.knows("its front has seen it silent", &both[..1]).await;
    log.state().heart = Manner::Ok;
    grading.knows("and back", &both).await;
    native.deregister().await.unwrap();
    grading.knows("the registry's own is gone", &both[1..]).await;
    assert_eq!(deregister(&first, &log_url).await, 200);
    grading.knows("nobody", &[]).await;
}

#[tokio::test]
async fn while_the_registry_behind_is_down_nobody_is_told_that_anybody_went() {
    let registry = MemoryRegistry::new();
    let (_front, http) = front(&registry).await;
    let (log, grading, late) = (Program::start().await, Program::start().await, Program::start().await);
    log.registered(&http, "LogService", &[]).await;
    grading.registered(&http, "GradingService", &["LogService"]).await;
    let told = grading.state().patches.len();

    registry.set_down(true);
    let asked = log.state().heartbeats;
    eventually("it is asked on", || log.state().heartbeats > asked + 5).await;
    assert_eq!(late.register(&http, "Portald", &["GradingService"]).await.status, 400, "it can't be registered");
    assert_eq!(grading.state().patches.len(), told, "{:?}", grading.state());

    registry.set_down(false);
    late.registered_in_time(&http, "Portald", &["GradingService"]).await;
    until_listed(&http, "Portald", 1).await;
    late.knows("the one it requires", &[("GradingService", &grading.url)]).await;
    grading.knows("as before", &[("LogService", &log.url)]).await;
    assert_eq!(grading.state().patches.len(), told, "{:?}", grading.state());
}
