//! News as lines of JSON.

use sd_core::Instance;
use serde_json::{Value, json};

use super::followed::News;
use crate::instances::{Counts, freshness_word, instance_json};

/// One line; what is in the way of the registry stands in `error`.
pub(crate) fn line(news: &News) -> Value {
    let Counts { up, draining, down } = Counts::of(&news.snapshot);
    let freshness = news.snapshot.freshness();
    json!({
        "service": news.service.as_str(),
        "freshness": freshness_word(freshness),
        "error": freshness.error().map(ToString::to_string),
        "added": all(&news.delta.added),
        "changed": all(&news.delta.changed),
        "removed": all(&news.delta.removed),
        "up": up,
        "draining": draining,
        "down": down,
    })
}

fn all(instances: &[std::sync::Arc<Instance>]) -> Value {
    instances.iter().map(|instance| instance_json(instance)).collect()
}
