//! What the memory backend owes to core's supervision, asked of it directly: core never lets it come to this.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::sync::Arc;

use sd_core::{Address, ErrorKind, Instance, Lost, MemoryRegistry, Owner, Record, Registry as _};

fn record(owner: &str, weight: u32) -> Record {
    let address: Address = "127.0.0.1:80".parse().unwrap();
    let instance = Arc::new(Instance::new(address).with_weight(weight));
    Record::new("book".parse().unwrap(), instance, Owner::from_text(owner))
}

async fn weight_there(registry: &MemoryRegistry) -> Option<u32> {
    let publisher = sd_core::Publisher::new(sd_core::StalenessPolicy::default(), registry.ttl());
    let service = "book".parse().unwrap();
    tokio::select! {
        biased;
        _ = registry.watch(&service, &publisher) => {}
        () = std::future::ready(()) => {}
    }
    publisher.current().iter().next().map(|instance| instance.weight())
}

/// "Takes the entry away if it is still this owner's; one that is not there, or another's, is a success."
#[tokio::test]
async fn another_owners_entry_is_neither_removed_nor_updated() {
    let registry = MemoryRegistry::new();
    let old = registry.put(&record("old", 1), None).await.unwrap();
    let new = registry.put(&record("new", 2), None).await.unwrap();
    registry.remove(&record("old", 1)).await.unwrap();
    assert_eq!(weight_there(&registry).await, Some(2));
    let error = registry.update(&record("old", 3), &old).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(weight_there(&registry).await, Some(2));
    assert!(matches!(registry.held(&record("old", 1), &old).await, Lost::Superseded));
    registry.update(&record("new", 4), &new).await.unwrap();
    assert_eq!(weight_there(&registry).await, Some(4));
    registry.remove(&record("new", 4)).await.unwrap();
    registry.remove(&record("new", 4)).await.unwrap();
    assert_eq!(weight_there(&registry).await, None);
    assert_eq!(registry.update(&record("new", 5), &new).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(matches!(registry.held(&record("new", 4), &new).await, Lost::Gone(_)));
}
