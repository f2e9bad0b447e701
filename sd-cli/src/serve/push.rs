//! The push protocol as arguments: the names are those of the library, behind `push-`.

use std::time::Duration;

use clap::Args;
use sd_core::Error;
use sd_registry::PushRules;

use crate::duration::duration;

/// How the push protocol is spoken: `/services`, where services are told of each other, and asked for heartbeats.
#[derive(Args)]
#[command(next_help_heading = "Push protocol (/services)")]
pub(crate) struct PushArgs {
    /// Don't speak it: there is no /services then
    #[arg(long, conflicts_with_all = ["push_allow", "push_answer_others", "push_heartbeat", "push_deregister_after", "push_members"])]
    no_push: bool,

    /// Call back into this network, too, whoever asks: 10.1.0.0/16, fd00::/8 or one address; several, with commas or
    /// again. Else only the registrant's own address is called, and loopback for those on loopback
    #[arg(long, value_name = "NETWORK", value_delimiter = ',')]
    push_allow: Vec<String>,

    /// With --tokens, answer /services also to others than this host, who need no token there
    #[arg(long, requires = "tokens")]
    push_answer_others: bool,

    /// How often heartbeats are asked for: 100ms to 60s [default: 3s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    push_heartbeat: Option<Duration>,

    /// Forget a service whose heartbeats fail after this time; until then it comes back by answering [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    push_deregister_after: Option<Duration>,

    /// Services that may register by push at the same time [default: 4096]
    #[arg(long, value_name = "NUMBER")]
    push_members: Option<usize>,
}

impl PushArgs {
    /// Whether it is spoken at all.
    pub(crate) fn is_on(&self) -> bool {
        !self.no_push
    }

    /// As the library takes them.
    ///
    /// # Errors
    /// A network that is none.
    pub(crate) fn rules(&self) -> Result<PushRules, Error> {
        if self.no_push {
            return Ok(PushRules::off());
        }
        let mut rules = PushRules::new().answer_others(self.push_answer_others);
        for network in &self.push_allow {
            rules = rules.allow(network.trim())?;
        }
        if let Some(interval) = self.push_heartbeat {
            rules = rules.heartbeat(interval);
        }
        if let Some(time) = self.push_deregister_after {
            rules = rules.deregister_after(time);
        }
        if let Some(limit) = self.push_members {
            rules = rules.members(limit);
        }
        Ok(rules)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser};

    #[derive(Parser)]
    struct Alone {
        // What another needs.
        #[arg(long)]
        tokens: Option<String>,
        #[command(flatten)]
        push: PushArgs,
    }

    fn rules(line: &str) -> String {
        let given = Alone::parse_from(line.split_whitespace());
        format!("{:?}", given.push.rules().unwrap())
    }

    #[test]
    fn every_argument_arrives_where_it_belongs() {
        let expected = PushRules::new().allow("10.1.0.0/16").unwrap().allow("fd00::/8").unwrap().allow("10.2.0.1");
        let expected = expected.unwrap().answer_others(true).heartbeat(Duration::from_millis(200));
        let expected = expected.deregister_after(Duration::from_secs(60)).members(7);
        let line = "x --tokens t --push-allow 10.1.0.0/16,fd00::/8 --push-allow 10.2.0.1 --push-answer-others \
                    --push-heartbeat 200ms --push-deregister-after 1m --push-members 7";
        assert_eq!(rules(line), format!("{expected:?}"));
        assert_eq!(rules("x"), format!("{:?}", PushRules::new()));
        assert_eq!(rules("x --no-push"), format!("{:?}", PushRules::off()));
    }

    #[test]
    fn the_defaults_that_the_help_tells_are_the_librarys() {
        let told = Alone::command().render_long_help().to_string();
        let line = "x --push-heartbeat 3s --push-deregister-after 10m --push-members 4096";
        assert_eq!(rules(line), format!("{:?}", PushRules::new()));
        for default in ["3s", "10m", "4096"] {
            assert!(told.contains(&format!("[default: {default}]")), "{default} is not in {told}");
        }
    }

    #[test]
    fn what_is_off_has_no_rules() {
        assert!(Alone::try_parse_from(["x", "--no-push", "--push-members", "7"]).is_err());
        assert!(Alone::try_parse_from(["x", "--push-answer-others"]).is_err(), "without tokens all are answered");
    }
}
