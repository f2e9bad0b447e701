//! `sdkit serve`: a registry centre, until it is told to stop.

mod limits;
mod push;

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use sd_kit::StopSignal;
use sd_registry::{Centre, Registry, TlsFiles};

use self::limits::{LimitArgs, PreservationArgs};
use self::push::PushArgs;
use crate::duration::duration;
use crate::program::Outcome;

/// Run a registry centre: a service registry of its own, or a front of another one
#[derive(Args)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes a free one. Elsewhere than on loopback, set tokens and TLS
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,

    // No doc comment: rustdoc takes an IPv6 address for a link.
    #[arg(
        long,
        value_name = "IP:PORT",
        value_delimiter = ',',
        help = "Listen here as well; several, with commas or again. Port 0 takes --listen's. Who writes localhost may \
                mean 127.0.0.1 or [::1]: --listen 127.0.0.1:3000 --also-listen [::1]:3000. An address that this host \
                has not is left out with a warning"
    )]
    also_listen: Vec<SocketAddr>,

    /// Keep what is registered in this folder, over restarts and crashes; without it (and --store) it is in memory
    #[arg(long, value_name = "FOLDER", conflicts_with = "store")]
    data: Option<PathBuf>,

    /// Be a front of this registry, which keeps what is registered: etcd://…, consul://…, zookeeper://…, sd://…
    /// Watches resume at the front, and in the process, that they were at; elsewhere they are given a snapshot
    // A password in it is nobody's to see who asks for help.
    #[arg(long, value_name = "URL", env = "SD_STORE", hide_env_values = true)]
    store: Option<String>,

    /// Let only those in who show a token of this JSON file; it is read again when it changes
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,

    /// Speak TLS with the certificate in this PEM file; it is read again when it changes
    #[arg(long, value_name = "FILE", requires = "key", help_heading = "TLS")]
    cert: Option<PathBuf>,

    /// The private key of --cert, a PEM file
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    key: Option<PathBuf>,

    /// Let only those in who show a certificate of the authorities in this PEM file
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = "TLS")]
    client_ca: Option<PathBuf>,

    /// After a restart with --data, no lease lapses before this time has passed [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "data")]
    restart_grace: Option<Duration>,

    /// How often a silent watch is given a sign of life: 100ms to 10s [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    heartbeat: Option<Duration>,

    #[command(flatten)]
    push: PushArgs,

    #[command(flatten)]
    limits: LimitArgs,

    #[command(flatten)]
    preservation: PreservationArgs,
}

impl Serve {
    /// Serves until SIGTERM or Ctrl-C; a second one ends it at once.
    pub(crate) async fn run(self) -> Outcome {
        let mut stop = StopSignal::listen()?;
        let speaks_push = self.push.is_on();
        let centre = self.spawn().await?;
        tell(&centre, speaks_push)?;
        stop.requested().await;
        centre.shutdown().await?;
        Ok(())
    }

    async fn spawn(self) -> Result<Centre, sd_core::Error> {
        let mut builder = Registry::builder()
            .listen(self.listen)
            .limits(self.limits.limits())
            .self_preservation(self.preservation.rules())
            .push(self.push.rules()?);
        for address in self.also_listen {
            builder = builder.also_listen(address);
        }
        if let Some(folder) = self.data {
            builder = builder.data(folder);
        }
        if let Some(url) = self.store {
            builder = builder.store(sd_kit::connect(&url)?);
        }
        if let Some(file) = self.tokens {
            builder = builder.tokens(file);
        }
        if let (Some(cert), Some(key)) = (self.cert, self.key) {
            let files = TlsFiles::new(cert, key);
            builder = builder.tls(match self.client_ca {
                Some(authorities) => files.client_ca(authorities),
                None => files,
            });
        }
        if let Some(grace) = self.restart_grace {
            builder = builder.restart_grace(grace);
        }
        if let Some(interval) = self.heartbeat {
            builder = builder.heartbeat(interval);
        }
        builder.spawn().await
    }
}

/// Says where it is: for programs, and for people.
fn tell(centre: &Centre, speaks_push: bool) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(places(centre, speaks_push).as_bytes())?;
    // Whoever waits for these lines reads them from a pipe.
    out.flush()
}

fn places(centre: &Centre, speaks_push: bool) -> String {
    let listening = centre.local_addr();
    let reachable = reachable(listening);
    let http = centre.http_url().replace(&listening.to_string(), &reachable.to_string());
    let mut text = format!("registry: sd://{reachable}\npage:     {http}/\n");
    if speaks_push {
        text += &format!("push:     {http}/services\n");
    }
    for other in centre.other_addrs() {
        text += &format!("also at:  {other}\n");
    }
    text
}

/// Everywhere is no place that can be connected to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_somewhere() {
        for (listening, link) in [
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("[::]:1", "[::1]:1"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("[::1]:1", "[::1]:1"),
        ] {
            assert_eq!(reachable(listening.parse().unwrap()).to_string(), link);
        }
    }
}
