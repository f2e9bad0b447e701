//! Whether a configuration can work at all, before anything is sent.

use std::time::Duration;

use sd_core::{Address, Error, defaults};

use crate::config::ConsulConfig;

/// Consul itself waits no longer.
const MAX_WAIT: Duration = Duration::from_secs(600);

impl ConsulConfig {
    /// Whether it can work at all.
    ///
    /// # Errors
    /// `Config`, naming what was given and what is allowed.
    pub(crate) fn checked(&self) -> Result<(), Error> {
        match self.endpoint.parse::<Address>() {
            Ok(address) if address.as_url().is_none() => {}
            _ => return Err(Error::config(format!("agent {:?}: write host:port, without a scheme", self.endpoint))),
        }
        let second = Duration::from_secs(1);
        if self.ttl < second || self.ttl > defaults::MAX_TTL {
            let most = defaults::MAX_TTL.as_secs();
            return Err(Error::config(format!("ttl {:?}: allowed are 1s to {most}s", self.ttl)));
        }
        if self.wait < second || self.wait > MAX_WAIT {
            return Err(Error::config(format!("wait {:?}: allowed are 1s to {}s", self.wait, MAX_WAIT.as_secs())));
        }
        let timings = [("connect_timeout", self.connect_timeout), ("request_timeout", self.request_timeout)];
        if let Some((name, _)) = timings.iter().find(|(_, time)| time.is_zero()) {
            return Err(Error::config(format!("{name} of 0: it must be longer")));
        }
        if self.warning_weight > defaults::MAX_WEIGHT {
            let most = defaults::MAX_WEIGHT;
            return Err(Error::config(format!("warning_weight {}: allowed are 0 to {most}", self.warning_weight)));
        }
        if self.tags.iter().any(String::is_empty) {
            return Err(Error::config("tag: it must not be empty"));
        }
        if self.cert.is_some() != self.key.is_some() {
            return Err(Error::config("cert and key: give both or neither"));
        }
        if self.token.is_some() && self.token_file.is_some() {
            return Err(Error::config("a token and a token_file: give one of them"));
        }
        if let Some(name) = &self.server_name {
            self.check_server_name(name)?;
        }
        let files = [("ca", &self.ca), ("cert", &self.cert), ("key", &self.key), ("token_file", &self.token_file)];
        for (name, file) in files {
            if let Some(file) = file {
                std::fs::File::open(file).map_err(|error| {
                    Error::config(format!("{name}={}: it can't be read", file.display())).with_source(error)
                })?;
            }
        }
        self.check.checked()
    }

    fn check_server_name(&self, name: &str) -> Result<(), Error> {
        if !self.tls && self.ca.is_none() && self.cert.is_none() {
            return Err(Error::config("server_name without TLS: give tls=true or a ca"));
        }
        // An IP address would be dialled, in place of the agent's own.
        let is_name = name.parse::<std::net::IpAddr>().is_err() && format!("{name}:1").parse::<Address>().is_ok();
        if !is_name || name.contains("://") {
            return Err(Error::config(format!("server_name {name:?}: allowed is a DNS name")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sd_core::Secret;

    #[tokio::test]
    async fn what_can_not_work_is_refused_with_what_is_allowed() {
        let config = || ConsulConfig::new("h:8500");
        let second = Duration::from_secs(1);
        for (config, why) in [
            (ConsulConfig::new("http://h:8500"), "without a scheme"),
            (ConsulConfig::new("h"), "host:port"),
            (config().ttl(second / 2), "1s to 86400s"),
            (config().ttl(86_401 * second), "1s to 86400s"),
            (config().wait(Duration::ZERO), "1s to 600s"),
            (config().wait(601 * second), "1s to 600s"),
            (config().request_timeout(Duration::ZERO), "request_timeout"),
            (config().warning_weight(65_536), "0 to 65535"),
            (config().tag(""), "tag"),
            (config().cert("/dev/null"), "both"),
            (config().ca("/no/such/file"), "can't be read"),
            (config().server_name("h"), "without TLS"),
            (config().tls(true).server_name("127.0.0.1"), "DNS name"),
            (config().deregister_after(59 * second), "Consul takes a shorter time for 1m"),
            (config().token(Secret::new("hunter2")).token_file("/dev/null"), "one of them"),
            (config().token(Secret::new("hunter2\n")), "visible ASCII"),
        ] {
            let error = config.connect().unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        config().connect().unwrap();
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = ConsulConfig::new("h:8500").token(Secret::new("hunter2")).check_header("Authorization", "hunter3");
        assert!(!format!("{config:?}").contains("hunter"), "{config:?}");
    }

    #[test]
    fn outside_a_runtime_connecting_is_an_error() {
        assert!(ConsulConfig::new("h:8500").connect().unwrap_err().to_string().contains("runtime"));
    }
}
