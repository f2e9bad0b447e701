//! What a server tells others to call: seldom the address that it listens on.
//!
//! An explicit address stands, as needed behind NAT and in containers. Else a server that listens on one address
//! registers that one; and where it listens on all (`0.0.0.0`, `[::]`), which nobody can call, it registers the address
//! from which it reaches its registry, or its first that is not the loopback's.

use std::env::{self, VarError};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use sd_core::{Address, Error, RegistryUrl, defaults};
use tokio::net::{UdpSocket, lookup_host};

/// Any port does: a UDP socket that is connected sends nothing.
const SOME_PORT: u16 = 9;

/// The environment variable that says what to register, where no option does.
pub const VARIABLE: &str = "SD_ADVERTISE";

/// The address to register for a server that listens on `listening`, with the registry at `registry`, its URL.
///
/// `explicit` is an address, or only a host: then the port is the one listened on. This does not look at
/// [`$SD_ADVERTISE`](VARIABLE); [`Lifecycle`](crate::Lifecycle) does.
///
/// It takes no time, unless the registry's host is a name: that is resolved, within 3 s, and sends nothing else.
///
/// # Errors
/// `Config` for an explicit address or a URL that makes no sense, and when no address of this host can be called.
///
/// # Cancel safety
/// Cancel safe.
pub async fn address(explicit: Option<&str>, listening: SocketAddr, registry: &str) -> Result<Address, Error> {
    resolve(explicit, listening, registry.parse::<RegistryUrl>()?.hosts()).await
}

/// What [`$SD_ADVERTISE`](VARIABLE) says.
pub(crate) fn from_environment() -> Result<Option<String>, Error> {
    match env::var(VARIABLE) {
        Ok(address) => Ok(Some(address)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Error::config(format!("${VARIABLE} is not UTF-8; write host:port"))),
    }
}

/// As [`address`], with the registry's hosts and ports; none where there is no telling.
pub(crate) async fn resolve(
    explicit: Option<&str>,
    listening: SocketAddr,
    registry: &[(String, Option<u16>)],
) -> Result<Address, Error> {
    if let Some(text) = explicit {
        return explicit_address(text, listening.port());
    }
    if !listening.ip().is_unspecified() {
        return Ok(listening.into());
    }
    let routes = routes_to(registry).await;
    // An error leaves the routes.
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default().into_iter().map(|interface| interface.ip());
    let candidates = routes.into_iter().chain(interfaces).collect::<Vec<_>>();
    match choose(&candidates, listening.ip()) {
        Some(ip) => Ok(SocketAddr::new(ip, listening.port()).into()),
        None => Err(Error::config(format!(
            "{listening} means every address of this host, and it has none that others could call; \
             say which to register with --advertise or $SD_ADVERTISE"
        ))),
    }
}

fn explicit_address(text: &str, port: u16) -> Result<Address, Error> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return checked(text, SocketAddr::new(ip, port).into());
    }
    let host_alone = !text.contains("://") && !text.contains(':');
    let address: Address = if host_alone { format!("{text}:{port}").parse()? } else { text.parse()? };
    checked(text, address)
}

fn checked(text: &str, address: Address) -> Result<Address, Error> {
    let unspecified = address.host().parse::<IpAddr>().is_ok_and(|ip| ip.is_unspecified());
    if unspecified || address.port() == Some(0) {
        return Err(Error::config(format!(
            "{text:?} can't be advertised: nobody can call it; allowed are ip:port, host:port, a host alone or a URL"
        )));
    }
    Ok(address)
}

/// The addresses of this host from which the registry's hosts are reached, as far as that can be told.
async fn routes_to(registry: &[(String, Option<u16>)]) -> Vec<IpAddr> {
    let mut routes = Vec::new();
    for (host, port) in registry {
        let target = (host.as_str(), port.unwrap_or(SOME_PORT));
        // Only a name that does not resolve takes any time.
        if let Ok(Ok(found)) = tokio::time::timeout(defaults::CONNECT_TIMEOUT, sources_for(target)).await {
            routes.extend(found);
        }
    }
    routes
}

async fn sources_for(target: (&str, u16)) -> io::Result<Vec<IpAddr>> {
    let mut sources = Vec::new();
    for target in lookup_host(target).await? {
        let any: IpAddr = if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let socket = UdpSocket::bind((any, 0)).await?;
        // Fails where there is no way; another of the host's addresses may be reached.
        if socket.connect(target).await.is_ok() {
            sources.push(socket.local_addr()?.ip());
        }
    }
    Ok(sources)
}

/// The first that others can call. One of the loopback's only if there is no other: it means that the registry is on
/// this host and that there is no network, so nobody else can be meant.
fn choose(candidates: &[IpAddr], listening: IpAddr) -> Option<IpAddr> {
    let callable = |ip: &&IpAddr| (ip.is_ipv4() || listening.is_ipv6()) && !ip.is_unspecified() && !is_link_local(**ip);
    let mut loopback_last = candidates.iter().filter(callable).collect::<Vec<_>>();
    loopback_last.sort_by_key(|ip| ip.is_loopback());
    loopback_last.first().map(|ip| **ip)
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn chosen(candidates: &[&str], listening: &str) -> Option<String> {
        choose(&ips(candidates), listening.parse().unwrap()).map(|ip| ip.to_string())
    }

    async fn advertised(explicit: Option<&str>, listening: &str, registry: &str) -> Result<String, String> {
        let address = address(explicit, listening.parse().unwrap(), registry).await;
        address.map(|address| address.to_string()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn an_explicit_address_stands_whatever_is_listened_on() {
        for (explicit, registered) in [
            ("book.example:80", "book.example:80"),
            ("book.example", "book.example:50052"),
            ("192.0.2.7", "192.0.2.7:50052"),
            ("192.0.2.7:80", "192.0.2.7:80"),
            ("2001:db8::7", "[2001:db8::7]:50052"),
            ("[2001:db8::7]:80", "[2001:db8::7]:80"),
            ("http://book.example/api", "http://book.example/api"),
        ] {
            for listening in ["127.0.0.1:50052", "0.0.0.0:50052", "[::]:50052"] {
                let found = advertised(Some(explicit), listening, "etcd://127.0.0.1:2379").await;
                assert_eq!(found.as_deref(), Ok(registered), "{explicit} at {listening}");
            }
        }
    }

    #[tokio::test]
    async fn an_explicit_address_that_nobody_can_call_is_refused() {
        for explicit in ["", "0.0.0.0", "0.0.0.0:80", "[::]:80", "::", "host:0", "host:port", "a b", "host:99999"] {
            let error = advertised(Some(explicit), "127.0.0.1:50052", "etcd://127.0.0.1").await.unwrap_err();
            assert!(error.contains("allowed are"), "{explicit}: {error}");
        }
    }

    #[tokio::test]
    async fn one_address_listened_on_is_registered_with_its_real_port() {
        assert_eq!(advertised(None, "127.0.0.1:50052", "etcd://127.0.0.1").await.as_deref(), Ok("127.0.0.1:50052"));
        assert_eq!(advertised(None, "[::1]:50052", "etcd://127.0.0.1").await.as_deref(), Ok("[::1]:50052"));
    }

    #[tokio::test]
    async fn for_every_address_one_is_found_that_can_be_called() {
        for listening in ["0.0.0.0:50052", "[::]:50052"] {
            let found: SocketAddr =
                advertised(None, listening, "etcd://127.0.0.1:2379").await.unwrap().parse().unwrap();
            assert!(!found.ip().is_unspecified(), "{found}");
            assert_eq!(found.port(), 50052);
        }
    }

    #[tokio::test]
    async fn the_route_to_a_registry_on_this_host_is_the_loopback() {
        let registry: RegistryUrl = "etcd://127.0.0.1:2379,127.0.0.1".parse().unwrap();
        assert_eq!(routes_to(registry.hosts()).await, ips(&["127.0.0.1", "127.0.0.1"]));
    }

    #[test]
    fn the_route_is_preferred_to_other_addresses_and_the_loopback_is_the_last_resort() {
        assert_eq!(chosen(&["10.0.0.5", "127.0.0.1", "192.0.2.7"], "0.0.0.0").as_deref(), Some("10.0.0.5"));
        assert_eq!(chosen(&["127.0.0.1", "127.0.0.1", "192.0.2.7"], "0.0.0.0").as_deref(), Some("192.0.2.7"));
        assert_eq!(chosen(&["127.0.0.1"], "0.0.0.0").as_deref(), Some("127.0.0.1"));
        assert_eq!(chosen(&["169.254.1.1", "fe80::1"], "::"), None);
    }

    #[test]
    fn what_listens_on_ipv4_alone_is_not_called_over_ipv6() {
        assert_eq!(chosen(&["2001:db8::7", "192.0.2.7"], "0.0.0.0").as_deref(), Some("192.0.2.7"));
        assert_eq!(chosen(&["2001:db8::7", "192.0.2.7"], "::").as_deref(), Some("2001:db8::7"));
        assert_eq!(chosen(&["2001:db8::7"], "0.0.0.0"), None);
    }
}
