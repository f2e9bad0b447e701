//! Where an instance listens: an IP address, a host name or a URL.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use crate::error::Error;

/// Where an instance listens.
///
/// Three forms: `127.0.0.1:8080` or `[::1]:8080`; `book.example:8080`, resolved anew by whoever connects; and a URL
/// such as `http://book.example/api`. Cheap to clone.
///
/// ```
/// # use sd_core::Address;
/// let address: Address = "[::1]:50052".parse()?;
/// assert_eq!((address.host(), address.port()), ("::1".into(), Some(50052)));
/// # Ok::<(), sd_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    Socket(SocketAddr),
    Host(Arc<str>, u16),
    Url(Arc<str>),
}

impl Address {
    /// The host: an IP address without brackets, or a name.
    #[must_use]
    pub fn host(&self) -> String {
        match &self.0 {
            Repr::Socket(socket) => socket.ip().to_string(),
            Repr::Host(host, _) => host.to_string(),
            Repr::Url(text) => match url::Url::parse(text).as_ref().map(url::Url::host) {
                Ok(Some(url::Host::Domain(name))) => name.to_owned(),
                Ok(Some(url::Host::Ipv4(ip))) => ip.to_string(),
                Ok(Some(url::Host::Ipv6(ip))) => ip.to_string(),
                _ => String::new(),
            },
        }
    }

    /// The port; for a URL without one, its scheme's own where that is known.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.0 {
            Repr::Socket(socket) => Some(socket.port()),
            Repr::Host(_, port) => Some(*port),
            Repr::Url(text) => url::Url::parse(text).ok()?.port_or_known_default(),
        }
    }

    /// The socket address, where it is one already and nothing must be resolved.
    #[must_use]
    pub fn socket_addr(&self) -> Option<SocketAddr> {
        match self.0 {
            Repr::Socket(socket) => Some(socket),
            _ => None,
        }
    }

    /// The URL as it was given, where the address is one.
    #[must_use]
    pub fn as_url(&self) -> Option<&str> {
        match &self.0 {
            Repr::Url(text) => Some(text),
            _ => None,
        }
    }

    /// `host:port`, with brackets around an IPv6 address: what `TcpStream::connect` takes.
    #[must_use]
    pub fn authority(&self) -> String {
        match &self.0 {
            Repr::Url(_) => match (self.host(), self.port()) {
                (host, Some(port)) if host.contains(':') => format!("[{host}]:{port}"),
                (host, Some(port)) => format!("{host}:{port}"),
                (host, None) => host,
            },
            _ => self.to_string(),
        }
    }

    /// The id of an instance that has none of its own: `host:port`; for a URL with a path, the path too, with `:` for
    /// each `/`, which no id may hold.
    pub(crate) fn default_id(&self) -> String {
        let path = match &self.0 {
            Repr::Url(text) => url::Url::parse(text).map(|url| url.path().trim_end_matches('/').replace('/', ":")),
            _ => return self.to_string(),
        };
        format!("{}{}", self.authority(), path.unwrap_or_default())
    }

    /// The port that was written down, 0 included; `None` for a URL without one.
    pub(crate) fn written_port(&self) -> Option<u16> {
        match &self.0 {
            Repr::Url(text) => url::Url::parse(text).ok()?.port(),
            _ => self.port(),
        }
    }
}

impl From<SocketAddr> for Address {
    fn from(socket: SocketAddr) -> Self {
        Self(Repr::Socket(socket))
    }
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let refused = |why: &str| {
            Error::config(format!("address {text:?}: {why}; allowed are ip:port, [ipv6]:port, host:port or a URL"))
        };
        if let Ok(socket) = text.parse() {
            return Ok(Self(Repr::Socket(socket)));
        }
        if text.contains("://") {
            let url = url::Url::parse(text).map_err(|error| refused(&error.to_string()))?;
            if url.host_str().is_none_or(str::is_empty) {
                return Err(refused("the URL has no host"));
            }
            if !url.username().is_empty() || url.password().is_some() {
                // What is registered is read by everyone.
                return Err(Error::config("an instance's URL must not hold a user or password"));
            }
            return Ok(Self(Repr::Url(text.into())));
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(|| refused("it has no port"))?;
        let port = port
            .parse()
            .ok()
            .filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| refused("its port is not a number up to 65535"))?;
        if !is_host_name(host) {
            return Err(refused("its host is not a name"));
        }
        Ok(Self(Repr::Host(host.into(), port)))
    }
}

/// Letters, digits, `-`, `_` and `.` as in DNS, at most 253 bytes; an IP address has been recognised before.
pub(crate) fn is_host_name(host: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=253).contains(&host.len())
        && host.bytes().all(allowed)
        && host.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

impl TryFrom<&str> for Address {
    type Error = Error;

    fn try_from(text: &str) -> Result<Self, Error> {
        text.parse()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Socket(socket) => write!(f, "{socket}"),
            Repr::Host(host, port) => write!(f, "{host}:{port}"),
            Repr::Url(url) => f.write_str(url),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_form_is_read_and_written_back_as_it_was() {
        for (text, host, port) in [
            ("127.0.0.1:50052", "127.0.0.1", Some(50052)),
            ("[::1]:50052", "::1", Some(50052)),
            ("localhost:8000", "localhost", Some(8000)),
            ("remote_host:1234", "remote_host", Some(1234)),
            ("http://book.example/api", "book.example", Some(80)),
            ("http://[::1]:81/", "::1", Some(81)),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!((address.host().as_str(), address.port()), (host, port));
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_is_allowed() {
        for text in ["", "book", ":80", "a:b", "a:65536", "a:+80", "a b:80", "http://", "::1:50052x", "a:"] {
            let error = text.parse::<Address>().unwrap_err();
            assert!(error.to_string().contains("host:port"), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_password_in_an_instances_url_is_refused_and_not_repeated() {
        let error = "http://u:hunter2@h/".parse::<Address>().unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic_and_what_is_taken_round_trips(text in "\\PC{0,40}") {
            if let Ok(address) = text.parse::<Address>() {
                let again: Address = address.to_string().parse().unwrap();
                prop_assert_eq!(again, address);
            }
        }
    }
}
