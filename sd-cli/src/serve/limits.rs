//! How much is too much, and when evictions stop, as arguments: the names are those of the library.

use std::time::Duration;

use clap::Args;
use sd_registry::{Limits, SelfPreservation};

use crate::duration::duration;

/// How much the centre takes, before it refuses.
#[derive(Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitArgs {
    /// Instances of one service [default: 50000]
    #[arg(long, value_name = "NUMBER")]
    instances_per_service: Option<usize>,

    /// Instances of all services [default: 200000]
    #[arg(long, value_name = "NUMBER")]
    instances: Option<usize>,

    /// An instance as JSON, in bytes: at most 1000000 [default: 65536]
    #[arg(long, value_name = "BYTES")]
    value_bytes: Option<usize>,

    /// Watches at the same time [default: 20000]
    #[arg(long, value_name = "NUMBER")]
    watchers: Option<usize>,

    /// The body of a request, in bytes [default: 1048576]
    #[arg(long, value_name = "BYTES")]
    body_bytes: Option<usize>,

    /// Connections at the same time [default: 30000]
    #[arg(long, value_name = "NUMBER")]
    connections: Option<usize>,

    /// Connections of one client address at the same time [default: 30000]
    #[arg(long, value_name = "NUMBER")]
    connections_per_client: Option<usize>,

    /// Requests of one client address per second, and twice as many at once [default: 20000]
    #[arg(long, value_name = "NUMBER")]
    requests_per_second: Option<u32>,
}

impl LimitArgs {
    pub(crate) fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        set(&mut limits.instances_per_service, self.instances_per_service);
        set(&mut limits.instances, self.instances);
        set(&mut limits.value_bytes, self.value_bytes);
        set(&mut limits.watchers, self.watchers);
        set(&mut limits.body_bytes, self.body_bytes);
        set(&mut limits.connections, self.connections);
        set(&mut limits.connections_per_client, self.connections_per_client);
        set(&mut limits.requests_per_second, self.requests_per_second);
        limits
    }
}

/// When evictions stop, because so many do not die at once.
#[derive(Args)]
#[command(next_help_heading = "Self-preservation")]
pub(crate) struct PreservationArgs {
    /// The share of leases, 0 to 1, that may lapse within a minute; 1 switches it off [default: 0.15]
    #[arg(long, value_name = "SHARE", conflicts_with = "store")]
    preservation_share: Option<f64>,

    /// Fewer lapses than this within a minute never stop evictions [default: 10]
    #[arg(long, value_name = "NUMBER", conflicts_with = "store")]
    preservation_at_least: Option<usize>,

    /// No lapsed entry is kept longer than this [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "store")]
    preservation_age_limit: Option<Duration>,
}

impl PreservationArgs {
    pub(crate) fn rules(&self) -> SelfPreservation {
        let mut rules = SelfPreservation::default();
        set(&mut rules.share, self.preservation_share);
        set(&mut rules.at_least, self.preservation_at_least);
        set(&mut rules.age_limit, self.preservation_age_limit);
        rules
    }
}

fn set<T>(setting: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *setting = given;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser};

    #[derive(Parser)]
    struct Both {
        // What the others exclude.
        #[arg(long)]
        store: Option<String>,
        #[command(flatten)]
        limits: LimitArgs,
        #[command(flatten)]
        preservation: PreservationArgs,
    }

    #[test]
    fn every_argument_arrives_where_it_belongs() {
        let line = "x --instances-per-service 1 --instances 2 --value-bytes 3 --watchers 4 --body-bytes 5 --connections 6 \
                    --connections-per-client 7 --requests-per-second 8 --preservation-share 0.5 \
                    --preservation-at-least 9 --preservation-age-limit 10s";
        let given = Both::parse_from(line.split_whitespace());
        let mut limits = Limits::default();
        (limits.instances_per_service, limits.instances, limits.value_bytes, limits.watchers) = (1, 2, 3, 4);
        (limits.body_bytes, limits.connections, limits.connections_per_client) = (5, 6, 7);
        limits.requests_per_second = 8;
        assert_eq!(given.limits.limits(), limits);
        let mut rules = SelfPreservation::default();
        (rules.share, rules.at_least, rules.age_limit) = (0.5, 9, Duration::from_secs(10));
        assert_eq!(given.preservation.rules(), rules);
        assert!(given.store.is_none());
    }

    #[test]
    fn the_defaults_that_the_help_tells_are_the_librarys() {
        let told = Both::command().render_long_help().to_string();
        let (limits, rules) = (Limits::default(), SelfPreservation::default());
        for default in [
            limits.instances_per_service.to_string(),
            limits.instances.to_string(),
            limits.value_bytes.to_string(),
            limits.watchers.to_string(),
            limits.body_bytes.to_string(),
            limits.connections.to_string(),
            limits.connections_per_client.to_string(),
            limits.requests_per_second.to_string(),
            rules.share.to_string(),
            rules.at_least.to_string(),
            format!("{}m", rules.age_limit.as_secs() / 60),
        ] {
            assert!(told.contains(&format!("[default: {default}]")), "{default} is not in {told}");
        }
        assert_eq!(Both::parse_from(["x"]).limits.limits(), limits);
    }
}
