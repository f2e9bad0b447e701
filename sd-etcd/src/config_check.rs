//! Whether a configuration can work at all, before anything is sent.

use sd_core::{Address, Error, defaults};

use crate::config::EtcdConfig;
use crate::layout::Layout;

impl EtcdConfig {
    /// Whether it can work at all; the layout it asks for.
    ///
    /// # Errors
    /// `Config`, naming what was given and what is allowed.
    pub(crate) fn checked(&self) -> Result<Layout, Error> {
        if self.endpoints.is_empty() {
            return Err(Error::config("no endpoint; give at least one host:port"));
        }
        for endpoint in &self.endpoints {
            match endpoint.parse::<Address>() {
                Ok(address) if address.as_url().is_none() => {}
                _ => return Err(Error::config(format!("endpoint {endpoint:?}: write host:port, without a scheme"))),
            }
        }
        if self.ttl.is_zero() || self.ttl > defaults::MAX_TTL || self.ttl.subsec_nanos() != 0 {
            return Err(Error::config(format!(
                "ttl {:?}: allowed are whole seconds, 1s to {}s",
                self.ttl,
                defaults::MAX_TTL.as_secs()
            )));
        }
        let timings = [
            ("connect_timeout", self.connect_timeout),
            ("request_timeout", self.request_timeout),
            ("keep_alive", self.keep_alive),
            ("keep_alive", self.keep_alive_timeout),
            ("watch_check", self.watch_check),
            ("watch_check", self.watch_check_timeout),
            ("audit", self.audit),
        ];
        if let Some((name, _)) = timings.iter().find(|(_, time)| time.is_zero()) {
            return Err(Error::config(format!("{name} of 0: it must be longer")));
        }
        if self.cert.is_some() != self.key.is_some() {
            return Err(Error::config("cert and key: give both or neither"));
        }
        if self.password.is_some() && self.password_file.is_some() {
            return Err(Error::config("a password and a password_file: give one of them"));
        }
        for (name, file) in
            [("ca", &self.ca), ("cert", &self.cert), ("key", &self.key), ("password_file", &self.password_file)]
        {
            if let Some(file) = file {
                std::fs::File::open(file).map_err(|error| {
                    Error::config(format!("{name}={}: it can't be read", file.display())).with_source(error)
                })?;
            }
        }
        Layout::new(self.prefix.as_deref(), self.layout.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use sd_core::Secret;

    #[tokio::test]
    async fn what_can_not_work_is_refused_with_what_is_allowed() {
        let config = || EtcdConfig::new(["h:2379"]);
        for (config, why) in [
            (EtcdConfig::new(Vec::<String>::new()), "host:port"),
            (EtcdConfig::new(["http://h:2379"]), "without a scheme"),
            (EtcdConfig::new(["h"]), "host:port"),
            (config().ttl(Duration::ZERO), "1s to 86400s"),
            (config().ttl(Duration::from_millis(1500)), "whole seconds"),
            (config().ttl(Duration::from_secs(86_401)), "1s to 86400s"),
            (config().request_timeout(Duration::ZERO), "request_timeout"),
            (config().cert("/dev/null"), "both"),
            (config().ca("/no/such/file"), "can't be read"),
            (config().layout("{id}"), "{service} and then {id}"),
            (config().user("u", Secret::new("hunter2")).password_file("u", "/dev/null"), "one of them"),
        ] {
            let error = config.connect().unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        config().connect().unwrap();
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = EtcdConfig::new(["h:2379"]).user("u", Secret::new("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn outside_a_runtime_connecting_is_an_error() {
        assert!(EtcdConfig::new(["h:2379"]).connect().unwrap_err().to_string().contains("runtime"));
    }
}
