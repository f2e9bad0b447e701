//! How a reader asks: which data centre, which answers, and beyond which index.

use std::time::Duration;

use tokio::time::Instant;

use super::endpoints::milliseconds;
use crate::config::{Consistency, ConsulConfig};

/// What every query of a connection asks for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reading {
    pub(crate) dc: Option<String>,
    pub(crate) near: Option<String>,
    pub(crate) consistency: Consistency,
    pub(crate) tags: Vec<String>,
    pub(crate) passing: bool,
    pub(crate) wait: Duration,
}

/// One query.
#[derive(Debug)]
pub(crate) struct Query<'a> {
    reading: &'a Reading,
    /// Whether it is for a service's instances, which have tags and checks, or for the names of services.
    of_service: bool,
    /// The index to wait beyond; `None` for an answer at once.
    beyond: Option<u64>,
    /// By when the whole answer must be there; `None` for a watch, which bounds each piece of it.
    pub(super) deadline: Option<Instant>,
}

impl Reading {
    pub(crate) fn of(config: &ConsulConfig) -> Self {
        Self {
            dc: config.dc.clone(),
            near: config.near.clone(),
            consistency: config.consistency,
            tags: config.tags.clone(),
            passing: config.passing,
            wait: config.wait,
        }
    }
}

impl<'a> Query<'a> {
    /// One that watches a service's instances.
    pub(crate) fn of_service(reading: &'a Reading, beyond: Option<u64>) -> Self {
        Self { reading, of_service: true, beyond, deadline: None }
    }

    /// One that watches the names of services.
    pub(crate) fn of_names(reading: &'a Reading, beyond: Option<u64>) -> Self {
        Self { reading, of_service: false, beyond, deadline: None }
    }

    /// One that must be answered whole by then.
    pub(crate) fn by(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    pub(super) fn waits(&self) -> Option<Duration> {
        self.beyond.map(|_| self.reading.wait)
    }

    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let Reading { dc, near, consistency, tags, passing, wait } = self.reading;
        let mut pairs = Vec::new();
        pairs.extend(dc.iter().map(|dc| ("dc", dc.clone())));
        match consistency {
            Consistency::Default => {}
            Consistency::Stale => pairs.push(("stale", String::new())),
            Consistency::Consistent => pairs.push(("consistent", String::new())),
        }
        if self.of_service {
            pairs.extend(near.iter().map(|near| ("near", near.clone())));
            pairs.extend(tags.iter().map(|tag| ("tag", tag.clone())));
            if *passing {
                pairs.push(("passing", "true".to_owned()));
            }
        }
        if let Some(index) = self.beyond {
            pairs.extend([("index", index.to_string()), ("wait", milliseconds(*wait))]);
        }
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(reading: &Reading, of_service: bool, beyond: Option<u64>) -> String {
        let query = Query { reading, of_service, beyond, deadline: None };
        query.pairs().iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
    }

    #[test]
    fn a_query_says_what_was_configured_and_waits_beyond_an_index_only() {
        let reading = Reading {
            dc: Some("dc2".into()),
            near: Some("_agent".into()),
            consistency: Consistency::Stale,
            tags: vec!["a".into(), "b".into()],
            passing: true,
            wait: Duration::from_secs(60),
        };
        assert_eq!(shown(&reading, true, None), "dc=dc2&stale=&near=_agent&tag=a&tag=b&passing=true");
        assert_eq!(shown(&reading, false, Some(7)), "dc=dc2&stale=&index=7&wait=60000ms");
        assert_eq!(shown(&Reading::default(), true, None), "");
    }
}
