//! `scheme://authority/service?options`: a target URI, taken apart.

use sd_core::{Error, RegistryUrl, ServiceName};

/// A target URI, taken apart as gRPC has it: whom to ask, and what for.
pub(crate) struct Target {
    pub(crate) scheme: String,
    /// What stands between `://` and the path, with a password perhaps.
    authority: String,
    /// The path without its first slash.
    path: String,
    prefix: Option<String>,
    /// The options but the prefix, as they were written.
    query: String,
}

const FORM: &str = "write scheme:///service, or scheme://host:port/service?option=value";

impl Target {
    /// # Errors
    /// `Config`, without repeating what may be a password.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        if !text.contains("://") {
            return Err(Error::config(format!("target URI: it has no ://; {FORM}")));
        }
        let mut url: RegistryUrl = text
            .parse()
            .map_err(|error: Error| Error::config(error.message().replace("registry URL", "target URI")))?;
        let path = url.path().map_or("", |path| path.strip_prefix('/').unwrap_or(path)).to_owned();
        let prefix = url.options().text("prefix");
        let (before_query, query) = text.split_once('?').unwrap_or((text, ""));
        let is_prefix = |pair: &&str| pair.split_once('=').is_some_and(|(key, _)| key == "prefix");
        if query.split('&').filter(is_prefix).count() > 1 {
            return Err(Error::config("target URI: option \"prefix\" is given twice"));
        }
        let query = query.split('&').filter(|pair| !pair.is_empty() && !is_prefix(pair)).collect::<Vec<_>>().join("&");
        let after_scheme = before_query.split_once("://").map_or("", |(_, rest)| rest);
        let authority = after_scheme.split('/').next().unwrap_or_default().to_owned();
        Ok(Self { scheme: url.scheme().to_owned(), authority, path, prefix, query })
    }

    /// The service that the path names, and nothing but it.
    ///
    /// # Errors
    /// `Config` when it names none, or more.
    pub(crate) fn service(&self) -> Result<ServiceName, Error> {
        let scheme = &self.scheme;
        if self.path.is_empty() {
            return Err(Error::config(format!("target URI {scheme}://: it names no service; {FORM}")));
        }
        self.path.parse().map_err(|error: Error| {
            let hint = if self.path.contains('/') {
                "; the path is the service alone, a prefix goes into ?prefix="
            } else {
                ""
            };
            Error::config(format!("target URI {scheme}://: {}{hint}", error.message()))
        })
    }

    /// Whether it says itself which registry is meant.
    pub(crate) fn names_registry(&self) -> bool {
        !self.authority.is_empty()
    }

    /// Whether it says more than the registry and the service.
    pub(crate) fn has_options(&self) -> bool {
        self.prefix.is_some() || !self.query.is_empty()
    }

    /// The URL of the registry that it names. May hold a password.
    pub(crate) fn registry_url(&self) -> String {
        let Self { scheme, authority, prefix, query, .. } = self;
        let mut url = format!("{scheme}://{authority}");
        if let Some(prefix) = prefix {
            if !prefix.starts_with('/') {
                url.push('/');
            }
            encode(prefix, &mut url);
        }
        if !query.is_empty() {
            url.push('?');
            url.push_str(query);
        }
        url
    }

    /// What `static:` lists, by path or by authority.
    ///
    /// # Errors
    /// `Config` when it lists nothing, or has options.
    pub(crate) fn listed(&self) -> Result<impl Iterator<Item = &str>, Error> {
        if self.has_options() {
            return Err(Error::config("target URI static://: it has no options; write static:///host:port,host:port"));
        }
        let list = if self.authority.is_empty() { &self.path } else { &self.authority };
        if list.is_empty() {
            return Err(Error::config(
                "target URI static://: it lists no instance; write static:///host:port,host:port",
            ));
        }
        Ok(list.split(','))
    }
}

/// Percent-encodes what a path of a registry's URL can't hold as it is.
fn encode(text: &str, into: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~{}".contains(&byte) {
            into.push(char::from(byte));
        } else {
            into.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(text: &str) -> (String, String) {
        let target = Target::parse(text).unwrap();
        assert!(target.names_registry());
        (target.registry_url(), target.service().unwrap().to_string())
    }

    #[test]
    fn the_authority_is_the_registry_and_the_path_the_service_alone() {
        let target = Target::parse("etcd:///book").unwrap();
        assert_eq!((target.scheme.as_str(), target.service().unwrap().as_str()), ("etcd", "book"));
        assert!(!target.names_registry() && !target.has_options());
        let pair = |url: &str, service: &str| (url.to_owned(), service.to_owned());
        assert_eq!(registry("etcd://h1:2379,h2:2379/book"), pair("etcd://h1:2379,h2:2379", "book"));
        assert_eq!(registry("etcd://u:p%40@h/book?prefix=/svc&ttl=5s"), pair("etcd://u:p%40@h/svc?ttl=5s", "book"));
        assert_eq!(
            registry("etcd://h/book?ttl=5s&prefix=a b".replace(' ', "%20").as_str()),
            pair("etcd://h/a%20b?ttl=5s", "book")
        );
        assert_eq!(registry("consul://[::1]:8500/book?dc=a&tag=b"), pair("consul://[::1]:8500?dc=a&tag=b", "book"));
        assert_eq!(registry("ETCD://h/book?prefix=/").0, "etcd://h/");
    }

    #[test]
    fn what_is_wrong_is_named_and_a_password_is_not() {
        for (text, what) in [
            ("book", "no ://"),
            ("etcd:book", "no ://"),
            ("etcd://u:hunter2@h h/book", "blank"),
            ("etcd://u:hunter2@h:0/book", "1 to 65535"),
            ("etcd://u:hunter2@h/book?prefix=a&prefix=b", "twice"),
            ("etcd://u:hunter2@h/book?prefix", "no value"),
        ] {
            let Err(error) = Target::parse(text) else { panic!("{text}") };
            assert!(
                error.to_string().contains(what) && error.to_string().contains("target URI") || what == "no value",
                "{error}"
            );
            assert!(!format!("{error:?}").contains("hunter2"));
        }
        for (text, what) in [
            ("etcd:///", "no service"),
            ("etcd://h", "no service"),
            ("etcd://u:hunter2@h/", "no service"),
            ("etcd://h/svc/book", "?prefix="),
            ("etcd://h/a%20b", "A-Z"),
        ] {
            let error = Target::parse(text).unwrap().service().unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"));
        }
    }
}
