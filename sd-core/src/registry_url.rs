//! `scheme://user:password@host:port,host:port/path?key=value`: a registry's URL with several hosts.
//!
//! The `url` crate refuses several hosts, so the authority is taken apart here.

use std::fmt;
use std::str::FromStr;

use crate::address::is_host_name;
use crate::error::Error;
use crate::options::Options;
use crate::secret::Secret;

/// A registry's URL, taken apart. `Debug` and `Display` leave user, password and every option's value out.
#[derive(Clone)]
pub struct RegistryUrl {
    scheme: String,
    user: Option<(String, Secret)>,
    hosts: Vec<(String, Option<u16>)>,
    path: Option<String>,
    options: Options,
}

impl RegistryUrl {
    /// The scheme, in lower case: `etcd`.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// User and password, percent-decoded.
    #[must_use]
    pub fn user(&self) -> Option<(&str, &Secret)> {
        self.user.as_ref().map(|(name, password)| (name.as_str(), password))
    }

    /// The hosts as `(host, port)`, an IPv6 address without brackets, in the order written.
    #[must_use]
    pub fn hosts(&self) -> &[(String, Option<u16>)] {
        &self.hosts
    }

    /// The hosts as `host:port`, with `default_port` where none was written and brackets around IPv6.
    ///
    /// # Errors
    /// `Config` when no host was written.
    pub fn authorities(&self, default_port: u16) -> Result<Vec<String>, Error> {
        if self.hosts.is_empty() {
            return Err(Error::config(format!("{self}: it has no host; write {}://host:port", self.scheme)));
        }
        let authority = |(host, port): &(String, Option<u16>)| {
            let port = port.unwrap_or(default_port);
            if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
        };
        Ok(self.hosts.iter().map(authority).collect())
    }

    /// The path with its leading slash, percent-decoded; `None` when none was written, `/` when only that was.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// The options. Take what is known, then [`Options::finish`].
    pub fn options(&mut self) -> &mut Options {
        &mut self.options
    }
}

impl FromStr for RegistryUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // No message repeats the text: it may hold a password.
        let bad = |why: String| Error::config(format!("registry URL: {why}; write scheme://host:port/path?key=value"));
        let (scheme, rest) = text.split_once("://").ok_or_else(|| bad("it has no ://".to_owned()))?;
        let starts_well = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
        if !starts_well || !scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b)) {
            return Err(bad("what stands before :// is not a scheme".to_owned()));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(bad("it holds a blank or a control character (write %20 and the like)".to_owned()));
        }
        if rest.contains('#') {
            return Err(bad("it holds a '#' (write %23)".to_owned()));
        }
        let (before_query, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = match before_query.find('/') {
            Some(at) => (&before_query[..at], Some(decode(&before_query[at..]).map_err(bad)?)),
            None => (before_query, None),
        };
        let (user, hosts) = match authority.rsplit_once('@') {
            Some((user, hosts)) => (Some(parse_user(user).map_err(bad)?), hosts),
            None => (None, authority),
        };
        let hosts = match hosts {
            "" => Vec::new(),
            hosts => hosts.split(',').map(parse_host).collect::<Result<_, _>>().map_err(bad)?,
        };
        Ok(Self { scheme: scheme.to_ascii_lowercase(), user, hosts, path, options: Options::parse(query)? })
    }
}

fn parse_user(text: &str) -> Result<(String, Secret), String> {
    let (name, password) = text.split_once(':').unwrap_or((text, ""));
    let name = decode(name)?;
    if name.is_empty() {
        return Err("the user before @ is empty".to_owned());
    }
    Ok((name, Secret::new(decode(password)?)))
}

fn parse_host(text: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(format!("host {text:?} lacks its ]"))?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| format!("host {text:?} is not an IPv6 address"))?;
            match port {
                "" => (host, None),
                port => (host, Some(port.strip_prefix(':').ok_or(format!("host {text:?}: what follows ]?"))?)),
            }
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    if !text.starts_with('[') && !is_host_name(host) {
        return Err(format!("host {text:?} is not a name, an IPv4 address or an [IPv6 address]"));
    }
    let port = match port {
        None => None,
        Some(port) => match port.parse::<u16>() {
            Ok(number @ 1..) if port.bytes().all(|b| b.is_ascii_digit()) => Some(number),
            _ => return Err(format!("host {text:?}: its port is not 1 to 65535")),
        },
    };
    Ok((host.to_owned(), port))
}

/// Undoes percent-encoding; what is left must be UTF-8.
pub(crate) fn decode(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|b| char::from(b).to_digit(16));
        match (digit(), digit()) {
            (Some(high), Some(low)) => bytes.push((high * 16 + low) as u8),
            _ => return Err("a % is not followed by two hexadecimal digits".to_owned()),
        }
    }
    String::from_utf8(bytes).map_err(|_| "what stands percent-encoded is not UTF-8".to_owned())
}

impl fmt::Display for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        for (n, (host, port)) in self.hosts.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            let (open, close) = if host.contains(':') { ("[", "]") } else { ("", "") };
            write!(f, "{comma}{open}{host}{close}")?;
            if let Some(port) = port {
                write!(f, ":{port}")?;
            }
        }
        f.write_str(self.path.as_deref().unwrap_or(""))
    }
}

impl fmt::Debug for RegistryUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistryUrl")
            .field("url", &self.to_string())
            .field("user", &self.user.is_some())
            .field("options", &self.options)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_part_is_found() {
        let mut url: RegistryUrl = "etcd://al%40ice:p%3Aw@h1:2379,[::1]:2380,10.0.0.1/a/b%20c?ttl=5s".parse().unwrap();
        assert_eq!(url.scheme(), "etcd");
        let (user, password) = url.user().unwrap();
        assert_eq!((user, password.expose()), ("al@ice", "p:w"));
        assert_eq!(url.authorities(1).unwrap(), ["h1:2379", "[::1]:2380", "10.0.0.1:1"]);
        assert_eq!(url.path(), Some("/a/b c"));
        assert_eq!(url.options().duration("ttl").unwrap(), Some(std::time::Duration::from_secs(5)));
    }

    #[test]
    fn no_path_and_the_root_are_different() {
        assert_eq!("etcd://h".parse::<RegistryUrl>().unwrap().path(), None);
        assert_eq!("etcd://h/".parse::<RegistryUrl>().unwrap().path(), Some("/"));
        assert_eq!("memory://".parse::<RegistryUrl>().unwrap().hosts(), []);
    }

    #[test]
    fn what_is_wrong_is_named_and_the_password_is_not() {
        for (text, why) in [
            ("etcd", "no ://"),
            ("1x://h", "not a scheme"),
            ("etcd://h:0", "1 to 65535"),
            ("etcd://h:99999", "1 to 65535"),
            ("etcd://h:+1", "1 to 65535"),
            ("etcd://h1,,h2", "not a name"),
            ("etcd://[::1", "lacks its ]"),
            ("etcd://[h]:1", "not an IPv6"),
            ("etcd://::1", "not a name"),
            ("etcd://u:hunter2@h h", "blank"),
            ("etcd://u:hunter2@h#", "'#'"),
            ("etcd://:hunter2@h", "user"),
            ("etcd://u:hunter2%zz@h", "hexadecimal"),
        ] {
            let error = text.parse::<RegistryUrl>().unwrap_err();
            assert!(error.to_string().contains(why), "{text}: {error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn debug_and_display_show_no_secret() {
        let url: RegistryUrl = "etcd://u:hunter2@h:1/p?token=hunter3".parse().unwrap();
        let shown = format!("{url} {url:?}");
        assert!(!shown.contains("hunter"), "{shown}");
        assert!(shown.contains("etcd://h:1/p"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}") {
            let _ = text.parse::<RegistryUrl>();
        }

        #[test]
        fn no_url_like_text_makes_it_panic(text in "[a-z]{1,4}://[a-z0-9:@,%\\[\\]/?&=.]{0,40}") {
            if let Ok(url) = text.parse::<RegistryUrl>() {
                let again: RegistryUrl = url.to_string().replace('%', "%25").replace('?', "%3F").parse().unwrap();
                prop_assert_eq!(again.hosts(), url.hosts());
            }
        }
    }
}
