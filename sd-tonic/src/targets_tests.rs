//! Tests of which scheme means which registry.

use super::*;
use sd_core::{MemoryDriver, Registration};

fn drivers() -> Drivers {
    Drivers::new().with(MemoryDriver::default())
}

async fn register(registry: &Arc<dyn Backend>, service: &str) -> sd_core::RegistrationHandle {
    let instance = Instance::new("127.0.0.1:1".parse::<Address>().unwrap());
    registry.register(Registration::new(service, instance)).await.unwrap()
}

async fn known(targets: &Targets, target: &str) -> usize {
    let mut resolved = targets.resolve(target).unwrap();
    resolved.subscription.known().await.len()
}

fn refused(targets: &Targets, target: &str) -> String {
    let error = targets.resolve(target).map(|_| ()).unwrap_err();
    assert_eq!(error.kind(), sd_core::ErrorKind::Config);
    error.to_string()
}

#[tokio::test]
async fn a_registry_given_in_code_is_meant_by_its_scheme() {
    let registry = drivers().connect("memory://").unwrap();
    let _kept = register(&registry, "book").await;
    let targets = Targets::new().registry("etcd", registry);
    assert_eq!(known(&targets, "etcd:///book").await, 1);
    assert_eq!(known(&targets, "ETCD:///other").await, 0);
    assert!(refused(&targets, "etcd:///book?prefix=/svc").contains("given in code"));
    assert!(refused(&targets, "etcd://h:1/book").contains("unknown target scheme"));
}

#[tokio::test]
async fn a_registry_named_by_its_authority_is_reached_by_its_driver_and_shared() {
    let targets = Targets::new().drivers(drivers());
    let registry = targets.resolve("memory://one/book").unwrap().registry.unwrap();
    let _kept = register(&registry, "book").await;
    assert_eq!(known(&targets, "memory://one/book").await, 1);
    assert_eq!(known(&targets, "memory://two/book").await, 0);
    assert_eq!(known(&targets, "memory:///book").await, 0);
    let again = targets.clone().resolve("memory://one/other").unwrap().registry.unwrap();
    assert!(Arc::ptr_eq(&registry, &again));
    assert!(refused(&targets, "memory://one/book?colour=red").contains("\"colour\""));
}

#[tokio::test]
async fn a_static_target_is_its_own_list() {
    let targets = Targets::new();
    for target in ["static:///h1:1,[::1]:2", "static://h1:1,[::1]:2", "static://h1:1,[::1]:2/book"] {
        assert_eq!(known(&targets, target).await, 2, "{target}");
    }
    for (target, what) in [
        ("static:///", "no instance"),
        ("static:///h", "no port"),
        ("static:///h:0", "port 0"),
        ("static:///h:1,", "no port"),
        ("static:///h:1?x=1", "no options"),
    ] {
        assert!(refused(&targets, target).contains(what), "{target}");
    }
}

#[tokio::test]
async fn an_unknown_scheme_lists_the_known_and_a_target_needs_a_service() {
    let registry = drivers().connect("memory://").unwrap();
    let targets = Targets::new().registry("consul", registry).drivers(drivers());
    let error = refused(&targets, "ectd:///book");
    assert!(error.contains("\"ectd\"") && error.contains("static") && error.contains("consul"), "{error}");
    assert!(error.contains("memory"), "{error}");
    for target in ["consul:///", "memory://one", "memory://one/"] {
        assert!(refused(&targets, target).contains("no service"), "{target}");
    }
}
