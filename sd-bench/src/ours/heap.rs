//! What our instances weigh, layer by layer. The ids' text is left out: it is there before, and shared.

use std::any::Any;
use std::sync::Arc;

use sd_core::{Instance, Publisher, StalenessPolicy, defaults};
use tokio::runtime::Builder;

use super::endpoints::follow;
use crate::data::address;

/// One layer, or several together.
pub struct Layer {
    /// What the output calls it.
    pub name: &'static str,
    /// The bytes per instance that are promised, if any are.
    pub promised: Option<f64>,
    /// Builds what is weighed, on top of what is there already.
    pub build: Box<dyn Fn() -> anyhow::Result<Box<dyn Any>>>,
}

/// What is weighed, with `n` instances.
pub fn layers(n: usize) -> anyhow::Result<Vec<Layer>> {
    let ids: Arc<[Arc<str>]> = (0..n).map(|index| address(index).to_string().into()).collect();
    let publish = move || {
        let publisher = Publisher::new(StalenessPolicy::default(), defaults::TTL);
        publisher.replace(
            (0..).zip(&*ids).map(|(index, id)| Arc::new(Instance::new(address(index)).with_id(Arc::clone(id)))),
        );
        let subscription = publisher.subscribe();
        (publisher, subscription)
    };
    let base = publish();
    let (publisher, subscription) = base.clone();
    let endpoints = move |publisher: &Publisher| -> anyhow::Result<Box<dyn Any>> {
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let endpointer = runtime.block_on(follow(publisher))?;
        Ok(Box::new((endpointer, runtime)))
    };
    let (first, publish_again) = (endpoints(&publisher)?, publish.clone());
    Ok(vec![
        Layer {
            name: "snapshot, subscriber and endpointer",
            promised: Some(300.0),
            build: Box::new(move || {
                let base = publish();
                let endpointer = endpoints(&base.0)?;
                Ok(Box::new((base, endpointer)))
            }),
        },
        Layer {
            name: "snapshot with a subscriber",
            promised: None,
            build: Box::new(move || Ok(Box::new(publish_again()))),
        },
        Layer {
            name: "each further subscriber",
            promised: Some(1.0),
            build: Box::new(move || Ok(Box::new((subscription.clone(), subscription.snapshot())))),
        },
        Layer {
            name: "each further endpointer",
            promised: None,
            build: Box::new(move || {
                let _ = &first;
                endpoints(&publisher)
            }),
        },
    ])
}
