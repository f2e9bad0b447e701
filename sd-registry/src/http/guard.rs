//! What is refused before it is looked at: requests for another host, and too many from one client.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::HOST;
use tokio::time::Instant;

use crate::http::app::App;
use crate::http::problem::Problem;

/// So many clients are told apart; when there are more, those that have been quiet are forgotten.
const CLIENTS: usize = 10_000;

/// The other end of the connection that a request came by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    /// What counts as one client: an address, or the /64 that one host can choose from.
    pub(crate) fn client(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address => address,
        }
    }
}

/// Guards the door.
#[derive(Debug)]
pub(crate) struct Guard {
    /// Where everybody may do everything because only this host can connect, a web page could still do it through this
    /// host's browser, under a name of its own that resolves to loopback.
    only_loopback_names: bool,
    per_second: u32,
    buckets: Mutex<HashMap<IpAddr, Bucket>>,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Guard {
    pub(crate) fn new(only_loopback_names: bool, per_second: u32) -> Self {
        Self { only_loopback_names, per_second, buckets: Mutex::default() }
    }

    fn check_host(&self, request: &Request) -> Result<(), Problem> {
        let named = request.uri().authority().map(ToString::to_string).or_else(|| {
            let host = request.headers().get(HOST)?;
            Some(String::from_utf8_lossy(host.as_bytes()).into_owned())
        });
        match named {
            Some(named) if self.only_loopback_names && !is_own_name(&named) => Err(Problem::wrong_host(format!(
                "host {named:?}: allowed are localhost and addresses, as this centre is open to its own host alone"
            ))),
            _ => Ok(()),
        }
    }

    /// Takes one of the client's requests; `false` when it has none left.
    fn admits(&self, client: IpAddr, now: Instant) -> bool {
        let rate = f64::from(self.per_second);
        let burst = 2.0 * rate;
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= CLIENTS && !buckets.contains_key(&client) {
            buckets.retain(|_, bucket| bucket.level(now, rate, burst) < burst);
            if buckets.len() >= CLIENTS {
                // That many busy clients at once are an attack, and this one is no better known than they.
                return false;
            }
        }
        let bucket = buckets.entry(client).or_insert(Bucket { tokens: burst, at: now });
        *bucket = Bucket { tokens: bucket.level(now, rate, burst), at: now };
        let admitted = bucket.tokens >= 1.0;
        if admitted {
            bucket.tokens -= 1.0;
        }
        admitted
    }
}

impl Bucket {
    fn level(&self, now: Instant, rate: f64, burst: f64) -> f64 {
        (self.tokens + rate * now.saturating_duration_since(self.at).as_secs_f64()).min(burst)
    }
}

/// Whether `host[:port]` is an address or a loopback name.
fn is_own_name(named: &str) -> bool {
    let host = match named.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => named.rsplit_once(':').map_or(named, |(host, _)| host),
    };
    let host = host.trim_end_matches('.');
    host.parse::<IpAddr>().is_ok() || host.eq_ignore_ascii_case("localhost")
}

/// Turns away what must not come in.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    if let Some(Peer(address)) = request.extensions().get::<Peer>().copied()
        && !app.guard.admits(Peer(address).client(), Instant::now())
    {
        app.metrics.refused_rate.one();
        let detail = format!("more than {} requests per second from one client", app.limits.requests_per_second);
        return Problem::too_many("too-many-requests", detail).into_response();
    }
    match app.guard.check_host(&request) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn addresses_and_localhost_are_this_host_and_other_names_are_not() {
        for own in ["localhost", "LOCALHOST:7070", "127.0.0.1:7070", "[::1]:7070", "localhost.", "10.0.0.1"] {
            assert!(is_own_name(own), "{own}");
        }
        for other in ["evil.example", "evil.example:7070", "localhost.evil.example", "", "127.0.0.1.evil.example"] {
            assert!(!is_own_name(other), "{other}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_its_rate_and_twice_as_much_at_once() {
        let guard = Guard::new(false, 10);
        let (one, other): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let admitted = |client| (0..100).filter(|_| guard.admits(client, Instant::now())).count();
        assert_eq!((admitted(one), admitted(one)), (20, 0));
        assert_eq!(admitted(other), 20, "each client has its own");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(admitted(one), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_of_clients_does_not_grow_without_end() {
        let guard = Guard::new(false, 10);
        for number in 0..30_000_u32 {
            guard.admits(IpAddr::from(number.to_be_bytes()), Instant::now());
            if number.is_multiple_of(5_000) {
                tokio::time::advance(Duration::from_secs(1)).await;
            }
        }
        assert!(guard.buckets.lock().unwrap().len() <= CLIENTS);
    }

    #[test]
    fn the_addresses_that_one_host_can_choose_from_are_one_client() {
        let client = |text: &str| Peer(text.parse().unwrap()).client();
        assert_eq!(client("2001:db8::1"), client("2001:db8::ffff:2"));
        assert_ne!(client("2001:db8::1"), client("2001:db8:0:1::1"));
        assert_eq!(client("::ffff:127.0.0.1"), client("127.0.0.1"));
    }
}
