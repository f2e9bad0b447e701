//! Whether a configuration can work at all, before anything is sent.

use std::time::Duration;

use sd_core::{Address, Error, defaults};

use super::config::RegistryConfig;
use super::credentials::is_token;

const SHORTEST_TTL: Duration = Duration::from_secs(1);
/// The centre says a word at least every 10 s; a little is left for the way.
const SHORTEST_SILENCE: Duration = Duration::from_secs(12);

impl RegistryConfig {
    /// Whether it can work at all.
    ///
    /// # Errors
    /// `Config`, naming what was given and what is allowed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.endpoints.is_empty() {
            return Err(Error::config("no host; give at least one host:port"));
        }
        for endpoint in &self.endpoints {
            match endpoint.parse::<Address>() {
                Ok(address) if address.as_url().is_none() && address.port().is_some_and(|port| port != 0) => {}
                _ => return Err(Error::config(format!("host {endpoint:?}: write host:port, without a scheme"))),
            }
        }
        if !(SHORTEST_TTL..=defaults::MAX_TTL).contains(&self.ttl) {
            let longest = defaults::MAX_TTL.as_secs();
            return Err(Error::config(format!("ttl {:?}: allowed are 1s to {longest}s", self.ttl)));
        }
        let timings = [
            ("connect_timeout", self.connect_timeout),
            ("request_timeout", self.request_timeout),
            ("keep_alive", self.keep_alive),
            ("keep_alive_timeout", self.keep_alive_timeout),
        ];
        if let Some((name, _)) = timings.iter().find(|(_, time)| time.is_zero()) {
            return Err(Error::config(format!("{name} of 0: it must be longer")));
        }
        if self.silence < SHORTEST_SILENCE {
            let given = self.silence;
            return Err(Error::config(format!(
                "silence {given:?}: at least {SHORTEST_SILENCE:?}, since a centre that is well says a word every 10 s"
            )));
        }
        if self.cert.is_some() != self.key.is_some() {
            return Err(Error::config("cert and key: give both or neither"));
        }
        match (&self.token, &self.token_file) {
            (Some(_), Some(_)) => return Err(Error::config("a token and a token_file: give one of them")),
            (Some(token), None) if !is_token(token.expose()) => {
                return Err(Error::config("the token: allowed are visible ASCII characters, at least one, no blank"));
            }
            _ => {}
        }
        let files = [("ca", &self.ca), ("cert", &self.cert), ("key", &self.key), ("token_file", &self.token_file)];
        for (name, file) in files {
            if let Some(file) = file {
                std::fs::File::open(file).map_err(|error| {
                    Error::config(format!("{name}={}: it can't be read", file.display())).with_source(error)
                })?;
            }
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
        let config = || RegistryConfig::new(["h:1"]);
        for (config, allowed) in [
            (RegistryConfig::new(Vec::<String>::new()), "at least one host:port"),
            (RegistryConfig::new(["http://h:1"]), "without a scheme"),
            (RegistryConfig::new(["h"]), "host:port"),
            (config().ttl(Duration::from_millis(999)), "1s to 86400s"),
            (config().ttl(Duration::from_secs(86_401)), "1s to 86400s"),
            (config().connect_timeout(Duration::ZERO), "connect_timeout of 0"),
            (config().request_timeout(Duration::ZERO), "request_timeout of 0"),
            (config().keep_alive(Duration::ZERO, Duration::from_secs(1)), "keep_alive of 0"),
            (config().silence(Duration::from_secs(11)), "at least 12s"),
            (config().cert("/c"), "both or neither"),
            (config().ca("/no/such/file"), "ca=/no/such/file"),
            (config().token_file("/no/such/file"), "token_file=/no/such/file"),
            (config().token(Secret::new("a")).token_file("/f"), "one of them"),
        ] {
            let error = config.connect().unwrap_err().to_string();
            assert!(error.contains(allowed), "{error}");
        }
    }

    #[tokio::test]
    async fn a_token_that_no_header_can_carry_is_refused_and_not_shown() {
        for token in ["", "hunter2\n", "hunter2 x", "hunter2\u{e9}"] {
            let error = RegistryConfig::new(["h:1"]).token(Secret::new(token)).connect().unwrap_err();
            assert!(error.to_string().contains("visible ASCII"), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn connecting_outside_a_runtime_is_an_error() {
        let error = RegistryConfig::new(["h:1"]).connect().unwrap_err().to_string();
        assert!(error.contains("tokio runtime"), "{error}");
    }
}
