//! Whether a configuration can work at all, before anything is sent.

use std::time::Duration;

use sd_core::{Address, Error, defaults};

use crate::config::{NodeAccess, ZooKeeperConfig};
use crate::credentials::{scheme_and_credentials, user_and_password};
use crate::paths::Paths;
use crate::tls::check_name;

const SHORTEST_SESSION: Duration = Duration::from_secs(1);

impl ZooKeeperConfig {
    /// Whether it can work at all; where it stands.
    ///
    /// # Errors
    /// `Config`, naming what was given and what is allowed.
    pub(crate) fn checked(&self) -> Result<Paths, Error> {
        self.check_hosts()?;
        if self.session < SHORTEST_SESSION || self.session > defaults::MAX_TTL {
            return Err(Error::config(format!(
                "session {:?}: allowed are 1s to {}s",
                self.session,
                defaults::MAX_TTL.as_secs()
            )));
        }
        let timings = [
            ("connect_timeout", self.connect_timeout),
            ("request_timeout", self.request_timeout),
            ("audit", self.audit),
        ];
        if let Some((name, _)) = timings.iter().find(|(_, time)| time.is_zero()) {
            return Err(Error::config(format!("{name} of 0: it must be longer")));
        }
        if self.cert.is_some() != self.key.is_some() {
            return Err(Error::config("cert and key: give both or neither"));
        }
        if (self.tls || self.cert.is_some()) && self.ca.is_none() {
            return Err(Error::config("TLS without ca: the client trusts no authority by itself; give ca=file.pem"));
        }
        for (name, text, file) in [("auth", &self.auth, &self.auth_file), ("sasl", &self.sasl, &self.sasl_file)] {
            if text.is_some() && file.is_some() {
                return Err(Error::config(format!("{name} and {name}_file: give one of them")));
            }
        }
        if let Some(auth) = &self.auth {
            scheme_and_credentials(auth, "auth")?;
        }
        if let Some(sasl) = &self.sasl {
            user_and_password(sasl, "sasl")?;
        }
        let logs_in = [&self.auth_file, &self.sasl_file, &self.cert].iter().any(|file| file.is_some())
            || self.auth.is_some()
            || self.sasl.is_some();
        if self.acl == NodeAccess::Creator && !logs_in {
            return Err(Error::config("acl=creator without a login: give auth, sasl or a cert"));
        }
        for (name, file) in [
            ("ca", &self.ca),
            ("cert", &self.cert),
            ("key", &self.key),
            ("auth_file", &self.auth_file),
            ("sasl_file", &self.sasl_file),
        ] {
            if let Some(file) = file {
                std::fs::File::open(file).map_err(|error| {
                    Error::config(format!("{name}={}: it can't be read", file.display())).with_source(error)
                })?;
            }
        }
        Paths::new(self.chroot.as_deref())
    }

    fn check_hosts(&self) -> Result<(), Error> {
        if self.hosts.is_empty() {
            return Err(Error::config("no host; give at least one host:port"));
        }
        for host in &self.hosts {
            match host.parse::<Address>() {
                Ok(address) if address.as_url().is_none() => {
                    if address.port() == Some(0) {
                        return Err(Error::config(format!("host {host:?}: its port is not 1 to 65535")));
                    }
                    if self.ca.is_some() {
                        check_name(&address.host())?;
                    }
                }
                _ => return Err(Error::config(format!("host {host:?}: write host:port, without a scheme"))),
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
        let config = || ZooKeeperConfig::new(["h:2181"]);
        let secret = || Secret::new("digest:u:hunter2");
        for (config, why) in [
            (ZooKeeperConfig::new(Vec::<String>::new()), "host:port"),
            (ZooKeeperConfig::new(["http://h:2181"]), "without a scheme"),
            (ZooKeeperConfig::new(["h"]), "host:port"),
            (ZooKeeperConfig::new(["h:0"]), "1 to 65535"),
            (config().session(Duration::ZERO), "1s to 86400s"),
            (config().session(Duration::from_secs(86_401)), "1s to 86400s"),
            (config().request_timeout(Duration::ZERO), "request_timeout"),
            (config().audit(Duration::ZERO), "audit"),
            (config().cert("/dev/null"), "both"),
            (config().tls(true), "give ca="),
            (config().ca("/no/such/file"), "can't be read"),
            (config().chroot("no/slash"), "/name/name"),
            (config().auth(Secret::new("hunter2")), "digest:user:password"),
            (config().auth(Secret::new("digest:hunter2")), "digest:user:password"),
            (config().sasl(Secret::new("hunter2")), "user:password"),
            (config().auth(secret()).auth_file("/dev/null"), "one of them"),
            (config().sasl(Secret::new("u:hunter2")).sasl_file("/dev/null"), "one of them"),
            (config().acl(NodeAccess::Creator), "without a login"),
        ] {
            let error = config.connect().unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        config().connect().unwrap();
        config().auth(secret()).acl(NodeAccess::Creator).connect().unwrap();
    }

    #[test]
    fn debug_shows_no_secret() {
        let config = ZooKeeperConfig::new(["h:2181"]).auth(Secret::new("digest:u:hunter2"));
        let config = config.sasl(Secret::new("u:hunter3"));
        assert!(!format!("{config:?}").contains("hunter"));
    }

    #[test]
    fn outside_a_runtime_connecting_is_an_error() {
        assert!(ZooKeeperConfig::new(["h:2181"]).connect().unwrap_err().to_string().contains("runtime"));
    }
}
