//! From the settings of a check to the check of one instance.

use std::time::Duration;

use sd_core::{Address, Error, Instance, Secret};

use crate::config::CheckKind;
use crate::definition::{Probe, Rhythm, Status};

/// The least time after which Consul takes a critical service away.
pub(crate) const LEAST_DEREGISTER_AFTER: Duration = Duration::from_secs(60);
/// Consul asks no more often.
const LEAST_INTERVAL: Duration = Duration::from_secs(1);

/// How instances are checked.
#[derive(Debug, Clone)]
pub(crate) struct CheckSettings {
    pub(crate) kind: CheckKind,
    pub(crate) url: Option<String>,
    pub(crate) path: Option<String>,
    pub(crate) method: Option<String>,
    pub(crate) headers: Vec<(String, Secret)>,
    pub(crate) rhythm: Rhythm,
    pub(crate) initial: Status,
    pub(crate) deregister_after: Duration,
}

impl Default for CheckSettings {
    fn default() -> Self {
        Self {
            kind: CheckKind::default(),
            url: None,
            path: None,
            method: None,
            headers: Vec::new(),
            rhythm: Rhythm { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) },
            initial: Status::Critical,
            deregister_after: Duration::from_secs(600),
        }
    }
}

impl CheckSettings {
    /// Whether they can be.
    ///
    /// # Errors
    /// `Config`, naming what was given and what is allowed.
    pub(crate) fn checked(&self) -> Result<(), Error> {
        if self.deregister_after < LEAST_DEREGISTER_AFTER {
            return Err(Error::config(format!(
                "deregister_after {:?}: allowed is 1m and more; Consul takes a shorter time for 1m",
                self.deregister_after
            )));
        }
        if self.rhythm.interval < LEAST_INTERVAL {
            return Err(Error::config(format!(
                "check_interval {:?}: allowed is 1s and more; Consul asks no more often",
                self.rhythm.interval
            )));
        }
        if self.rhythm.timeout.is_zero() {
            return Err(Error::config("check_timeout of 0: it must be longer"));
        }
        let given = [
            ("check_url", self.url.is_some(), &[CheckKind::Http, CheckKind::Tcp, CheckKind::Grpc][..]),
            ("check_path", self.path.is_some(), &[CheckKind::Http, CheckKind::Grpc]),
            ("check_method", self.method.is_some(), &[CheckKind::Http]),
            ("check_header", !self.headers.is_empty(), &[CheckKind::Http]),
        ];
        if let Some((name, _, kinds)) = given.iter().find(|(_, given, kinds)| *given && !kinds.contains(&self.kind)) {
            let kinds = kinds.iter().map(|kind| format!("check={}", word(*kind))).collect::<Vec<_>>().join(" or ");
            return Err(Error::config(format!("{name} with check={}: it goes with {kinds}", word(self.kind))));
        }
        match (self.kind, &self.url) {
            (_, Some(_)) if self.path.is_some() => {
                return Err(Error::config("check_url and check_path: give one of them"));
            }
            (CheckKind::Http, Some(url)) if !is_web_address(url) => {
                return Err(Error::config(format!("check_url {url:?}: allowed is http://… or https://…")));
            }
            (CheckKind::Tcp | CheckKind::Grpc, Some(url)) => {
                let target = if self.kind == CheckKind::Grpc { url.split('/').next().unwrap_or(url) } else { url };
                if target.parse::<Address>().is_err() || target.contains("://") {
                    let form = if self.kind == CheckKind::Tcp { "host:port" } else { "host:port or host:port/service" };
                    return Err(Error::config(format!("check_url {url:?}: allowed is {form}")));
                }
            }
            _ => {}
        }
        if let Some(path) = &self.path
            && self.kind == CheckKind::Http
            && !path.starts_with('/')
        {
            return Err(Error::config(format!("check_path {path:?}: it must begin with /")));
        }
        Ok(())
    }

    /// What tells whether this instance works.
    ///
    /// # Errors
    /// `Config` for an instance without a port, which the agent could not ask.
    pub(crate) fn probe(&self, instance: &Instance, ttl: Duration) -> Result<Probe, Error> {
        if self.kind == CheckKind::Ttl {
            return Ok(Probe::Ttl(ttl));
        }
        let address = instance.address();
        if self.url.is_none() && address.port().is_none() {
            return Err(Error::config(format!(
                "instance {:?}: {address} has no port that Consul could check; give check_url",
                instance.id()
            )));
        }
        let every = self.rhythm;
        Ok(match self.kind {
            CheckKind::Http => Probe::Http {
                url: self.url.clone().unwrap_or_else(|| self.web_address(address)),
                method: self.method.clone(),
                headers: self.headers.clone(),
                every,
            },
            CheckKind::Tcp => Probe::Tcp { target: self.url.clone().unwrap_or_else(|| address.authority()), every },
            _ => {
                let service = self.path.as_deref().map(|path| path.trim_start_matches('/'));
                let own = || match service {
                    Some(service) if !service.is_empty() => format!("{}/{service}", address.authority()),
                    _ => address.authority(),
                };
                Probe::Grpc { target: self.url.clone().unwrap_or_else(own), every }
            }
        })
    }

    fn web_address(&self, address: &Address) -> String {
        let path = self.path.as_deref();
        let secure = address.as_url().is_some_and(|url| url.starts_with("https://"));
        match address.as_url() {
            // An instance's own URL is what it serves, unless another path is to be asked.
            Some(url) if path.is_none() && is_web_address(url) => url.to_owned(),
            _ => {
                let scheme = if secure { "https" } else { "http" };
                format!("{scheme}://{}{}", address.authority(), path.unwrap_or("/"))
            }
        }
    }
}

/// The word that stands in a URL.
pub(crate) fn word(kind: CheckKind) -> &'static str {
    match kind {
        CheckKind::Ttl => "ttl",
        CheckKind::Http => "http",
        CheckKind::Tcp => "tcp",
        CheckKind::Grpc => "grpc",
    }
}

fn is_web_address(url: &str) -> bool {
    (url.starts_with("http://") || url.starts_with("https://")) && url.parse::<Address>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(kind: CheckKind) -> CheckSettings {
        CheckSettings { kind, ..CheckSettings::default() }
    }

    fn probe(settings: &CheckSettings, address: &str) -> Probe {
        settings.checked().unwrap();
        settings.probe(&Instance::new(address.parse::<Address>().unwrap()), Duration::from_secs(10)).unwrap()
    }

    fn url_of(settings: &CheckSettings, address: &str) -> String {
        match probe(settings, address) {
            Probe::Http { url, .. } => url,
            Probe::Tcp { target, .. } | Probe::Grpc { target, .. } => target,
            Probe::Ttl(ttl) => format!("{ttl:?}"),
        }
    }

    #[test]
    fn each_kind_asks_the_instance_itself_unless_told_otherwise() {
        assert_eq!(url_of(&settings(CheckKind::Ttl), "h:1"), "10s");
        assert_eq!(url_of(&settings(CheckKind::Http), "[::1]:81"), "http://[::1]:81/");
        assert_eq!(url_of(&settings(CheckKind::Http), "https://h/api"), "https://h/api");
        assert_eq!(url_of(&settings(CheckKind::Tcp), "http://h/api"), "h:80");
        assert_eq!(url_of(&settings(CheckKind::Grpc), "h:1"), "h:1");
        let with_path = |kind, path: &str| CheckSettings { path: Some(path.into()), ..settings(kind) };
        assert_eq!(url_of(&with_path(CheckKind::Http, "/live"), "https://h/api"), "https://h:443/live");
        assert_eq!(url_of(&with_path(CheckKind::Grpc, "/book.Book"), "h:1"), "h:1/book.Book");
        let with_url = |kind, url: &str| CheckSettings { url: Some(url.into()), ..settings(kind) };
        assert_eq!(url_of(&with_url(CheckKind::Http, "http://h:2/x?y"), "h:1"), "http://h:2/x?y");
        assert_eq!(url_of(&with_url(CheckKind::Tcp, "h:2"), "h:1"), "h:2");
        assert_eq!(url_of(&with_url(CheckKind::Grpc, "h:2/book"), "h:1"), "h:2/book");
    }

    #[test]
    fn what_can_not_be_is_refused_with_the_reason() {
        let base = settings;
        let second = Duration::from_secs(1);
        for (settings, why) in [
            (CheckSettings { deregister_after: 59 * second, ..base(CheckKind::Ttl) }, "1m and more"),
            (
                CheckSettings { rhythm: Rhythm { interval: second / 2, timeout: second }, ..base(CheckKind::Tcp) },
                "1s and",
            ),
            (CheckSettings { url: Some("http://h/".into()), ..base(CheckKind::Ttl) }, "check=http or check=tcp"),
            (CheckSettings { path: Some("/".into()), ..base(CheckKind::Tcp) }, "check=http or check=grpc"),
            (
                CheckSettings { headers: vec![("a".into(), Secret::new("b"))], ..base(CheckKind::Grpc) },
                "goes with check=http",
            ),
            (CheckSettings { url: Some("h:1".into()), ..base(CheckKind::Http) }, "http://"),
            (CheckSettings { url: Some("http://h:1".into()), ..base(CheckKind::Tcp) }, "host:port"),
            (CheckSettings { path: Some("live".into()), ..base(CheckKind::Http) }, "begin with /"),
        ] {
            let error = settings.checked().unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
        let nowhere = Instance::new("foo://h".parse::<Address>().unwrap());
        let error = settings(CheckKind::Tcp).probe(&nowhere, second).unwrap_err();
        assert!(error.to_string().contains("no port"), "{error}");
    }
}
