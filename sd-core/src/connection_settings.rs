//! What every connection can be told, whatever its registry.

use std::sync::Arc;
use std::time::Duration;

use crate::backoff::Backoff;
use crate::defaults;
use crate::error::Error;
use crate::options::Options;
use crate::randomness::{Randomness, default_randomness};
use crate::staleness::StalenessPolicy;

/// What every connection can be told, whatever its registry: a backend's configuration has one of these in a field,
/// gets the setters from [`connection_setters!`](crate::connection_setters), and the options of a URL from
/// [`read`](Self::read).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionSettings {
    /// What to do with a set that grows old or shrinks too much at once.
    pub staleness: StalenessPolicy,
    /// How long a watch without subscribers is kept. Default 30 s.
    pub linger: Duration,
    /// How long to wait between attempts that fail; `None` is 200 ms to 10 s, full jitter.
    pub backoff: Option<Backoff>,
    /// Where owners and jitter come from.
    pub randomness: Arc<dyn Randomness>,
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self {
            staleness: StalenessPolicy::default(),
            linger: defaults::LINGER,
            backoff: None,
            randomness: default_randomness(),
        }
    }
}

impl ConnectionSettings {
    /// Takes `linger`, `invalidate_after`, `hold_share`, `hold_grace` and `hold_live`; what is not given stays.
    ///
    /// # Errors
    /// `Config`: a value that can't be read, or is not allowed. Nothing is changed then.
    pub fn read(&mut self, options: &mut Options) -> Result<(), Error> {
        let linger = options.duration("linger")?;
        let mut staleness = self.staleness.clone();
        if let Some(age) = options.duration("invalidate_after")? {
            staleness = staleness.invalidate_after(age);
        }
        if let Some(share) = options.share("hold_share")? {
            staleness = staleness.hold_share(share)?;
        }
        if let Some(grace) = options.duration("hold_grace")? {
            staleness = staleness.hold_grace(grace);
        }
        if let Some(hold) = options.flag("hold_live")? {
            staleness = staleness.hold_live(hold);
        }
        self.staleness = staleness;
        self.linger = linger.unwrap_or(self.linger);
        Ok(())
    }

    pub(crate) fn backoff(&self) -> Backoff {
        self.backoff.clone().unwrap_or_else(|| {
            Backoff::new(defaults::BACKOFF_BASE, defaults::BACKOFF_MAX, Arc::clone(&self.randomness))
        })
    }
}

/// The setters that a backend's configuration has for the [`ConnectionSettings`] in the field of this name, so that
/// they are called and documented alike on every registry.
///
/// ```
/// #[derive(Debug, Clone, Default)]
/// pub struct MyConfig {
///     connection: sd_core::ConnectionSettings,
/// }
///
/// impl MyConfig {
///     sd_core::connection_setters!(connection);
/// }
///
/// let config = MyConfig::default().linger(std::time::Duration::from_secs(5));
/// assert_eq!(config.connection.linger.as_secs(), 5);
/// ```
#[macro_export]
macro_rules! connection_setters {
    ($settings:ident) => {
        /// What to do with a set that grows old or shrinks too much at once. In a URL: `invalidate_after`,
        /// `hold_share`, `hold_grace` and `hold_live`.
        #[must_use]
        pub fn staleness(mut self, policy: $crate::StalenessPolicy) -> Self {
            self.$settings.staleness = policy;
            self
        }

        /// How long a watch without subscribers is kept. Default 30 s.
        #[must_use]
        pub fn linger(mut self, linger: std::time::Duration) -> Self {
            self.$settings.linger = linger;
            self
        }

        /// How long to wait between attempts that fail. Default 200 ms to 10 s, full jitter. Not in a URL.
        #[must_use]
        pub fn backoff(mut self, backoff: $crate::Backoff) -> Self {
            self.$settings.backoff = Some(backoff);
            self
        }

        /// Where owners and jitter come from. Not in a URL.
        #[must_use]
        pub fn randomness(mut self, randomness: std::sync::Arc<dyn $crate::Randomness>) -> Self {
            self.$settings.randomness = randomness;
            self
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<ConnectionSettings, Error> {
        let mut settings = ConnectionSettings::default();
        settings.read(&mut Options::parse(query)?)?;
        Ok(settings)
    }

    #[test]
    fn every_option_arrives_where_it_belongs() {
        let settings = read("linger=3s&invalidate_after=4s&hold_share=0.9&hold_grace=5s&hold_live=true").unwrap();
        let staleness = StalenessPolicy::default().invalidate_after(Duration::from_secs(4));
        let staleness = staleness.hold_share(0.9).unwrap().hold_grace(Duration::from_secs(5)).hold_live(true);
        assert_eq!((settings.linger, settings.staleness), (Duration::from_secs(3), staleness));
    }

    #[test]
    fn what_is_not_given_stays() {
        let settings = read("").unwrap();
        assert_eq!((settings.linger, settings.staleness), (defaults::LINGER, StalenessPolicy::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (query, named) in [("linger=3", "linger"), ("hold_share=2", "hold_share"), ("hold_live=yes", "hold_live")] {
            let error = read(query).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
