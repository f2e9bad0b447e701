//! What the push protocol is allowed to do.

use std::net::IpAddr;
use std::time::Duration;

use sd_core::Error;

/// Whom `/services` answers, whom the centre calls back, and how long it waits for whom.
///
/// The centre calls URLs that others have posted, so it must not become a way to reach what they can't. By default it
/// calls nobody but the registrant's own address; loopback only for one who connected from loopback. Names are resolved
/// once, when they are posted; every later call goes to the addresses that were found and checked then. It follows no
/// redirects, reads no more than the head of an answer (16 KiB), and gives up after 3 s (a heartbeat) or 10 s (a push).
#[derive(Debug, Clone)]
pub struct PushRules {
    networks: Vec<Network>,
    pub(crate) on: bool,
    pub(crate) others: bool,
    pub(crate) heartbeat: Duration,
    pub(crate) deregister_after: Duration,
    pub(crate) members: usize,
}

/// An address and how many of its leading bits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network(IpAddr, u32);

impl Default for PushRules {
    fn default() -> Self {
        Self {
            networks: Vec::new(),
            on: true,
            others: false,
            heartbeat: Duration::from_secs(3),
            deregister_after: Duration::from_secs(600),
            members: 4_096,
        }
    }
}

impl PushRules {
    /// As described, with no further network.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// No push protocol: `/services` is a path like any other that there is not, and nobody is called back. What an
    /// earlier run with [`data`](crate::CentreBuilder::data) has kept of it stays for the next one.
    #[must_use]
    pub fn off() -> Self {
        Self { on: false, ..Self::default() }
    }

    /// Also calls back into this network, whoever asks: `10.1.0.0/16`, `fd00::/8`, or a single address.
    ///
    /// # Errors
    /// `Config`: it is none.
    pub fn allow(mut self, network: &str) -> Result<Self, Error> {
        self.networks.push(Network::parse(network)?);
        Ok(self)
    }

    /// With tokens set, whether `/services` answers others than loopback, who need none there: the article's programs
    /// know no tokens, so whoever can connect may register and deregister by it. Default: no.
    #[must_use]
    pub fn answer_others(mut self, others: bool) -> Self {
        self.others = others;
        self
    }

    /// How often heartbeats are asked for: 100 ms to 60 s. Default 3 s, as in the article; attempts that follow a
    /// failure are 1 s apart, or this if it is shorter.
    #[must_use]
    pub fn heartbeat(mut self, interval: Duration) -> Self {
        self.heartbeat = interval;
        self
    }

    /// When a service whose heartbeats fail is forgotten: until then it comes back by answering one. Default 10 min.
    #[must_use]
    pub fn deregister_after(mut self, time: Duration) -> Self {
        self.deregister_after = time;
        self
    }

    /// So many may register by push at the same time: each costs a task, and up to two connections at a time. Default
    /// 4,096.
    #[must_use]
    pub fn members(mut self, limit: usize) -> Self {
        self.members = limit;
        self
    }

    pub(crate) fn check(&self) -> Result<(), Error> {
        let allowed = Duration::from_millis(100)..=Duration::from_secs(60);
        if allowed.contains(&self.heartbeat) {
            return Ok(());
        }
        Err(Error::config(format!("push heartbeat {:?}: allowed are 100 ms to 60 s", self.heartbeat)))
    }

    /// Whether the centre may call `to` for one who connected from `from`.
    pub(crate) fn may_call(&self, to: IpAddr, from: IpAddr) -> bool {
        let (to, from) = (to.to_canonical(), from.to_canonical());
        if to.is_unspecified() || to.is_multicast() || to == IpAddr::from([255; 4]) {
            return false;
        }
        to == from || (to.is_loopback() && from.is_loopback()) || self.networks.iter().any(|network| network.holds(to))
    }
}

impl Network {
    fn parse(text: &str) -> Result<Self, Error> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let refused = || Error::config(format!("network {text:?}: allowed are an address, or an address/bits"));
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| refused()))?;
        if bits <= most { Ok(Self(address, bits)) } else { Err(refused()) }
    }

    fn holds(self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, width: u32| self.1 == 0 || (a ^ b) >> (width - self.1) == 0;
        match (self.0, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn nobody_is_called_but_the_registrant_itself() {
        let rules = PushRules::default();
        assert!(rules.may_call(ip("127.0.0.1"), ip("127.0.0.1")));
        assert!(rules.may_call(ip("::1"), ip("127.0.0.1")));
        assert!(rules.may_call(ip("10.0.0.7"), ip("::ffff:10.0.0.7")));
        for (to, from) in [
            ("127.0.0.1", "10.0.0.7"),
            ("::ffff:127.0.0.1", "10.0.0.7"),
            ("10.0.0.8", "10.0.0.7"),
            ("10.0.0.8", "127.0.0.1"),
            ("169.254.169.254", "127.0.0.1"),
            ("0.0.0.0", "127.0.0.1"),
            ("0.0.0.0", "0.0.0.0"),
            ("::", "::1"),
            ("224.0.0.1", "224.0.0.1"),
        ] {
            assert!(!rules.may_call(ip(to), ip(from)), "{to} for {from}");
        }
    }

    #[test]
    fn networks_that_are_allowed_are_called_for_anybody() {
        let rules =
            PushRules::new().allow("10.1.0.0/16").unwrap().allow("fd00::/8").unwrap().allow("10.2.0.1").unwrap();
        for to in ["10.1.255.255", "fd12::1", "10.2.0.1", "::ffff:10.1.0.1"] {
            assert!(rules.may_call(ip(to), ip("10.0.0.7")), "{to}");
        }
        for to in ["10.2.0.0", "fe80::1", "10.2.0.2", "127.0.0.1"] {
            assert!(!rules.may_call(ip(to), ip("10.0.0.7")), "{to}");
        }
        assert!(PushRules::new().allow("0.0.0.0/0").unwrap().may_call(ip("10.9.9.9"), ip("127.0.0.1")));
        for bad in ["", "10.0.0.0/33", "::/129", "example", "10.0.0.0/-1", "10.0.0/8"] {
            assert!(PushRules::new().allow(bad).unwrap_err().to_string().contains("address/bits"), "{bad}");
        }
    }
}
