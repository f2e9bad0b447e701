//! `consul://host:port?option=value`.

use std::path::PathBuf;

use sd_core::{Error, RegistryUrl};

use crate::check::word;
use crate::config::{CheckKind, Consistency, ConsulConfig};

/// Consul's own.
const PORT: u16 = 8500;
/// What Consul's own tools use for TLS.
const TLS_PORT: u16 = 8501;

/// Reads every part of the URL.
///
/// # Errors
/// `Config`, naming what is allowed.
pub(crate) fn parse(mut url: RegistryUrl) -> Result<ConsulConfig, Error> {
    if url.user().is_some() {
        return Err(Error::config(format!("{url}: Consul knows tokens, no users; write ?token=… or ?token_file=…")));
    }
    if url.path().is_some_and(|path| path != "/") {
        return Err(Error::config(format!("{url}: Consul has no place for a path; write consul://host:port?…")));
    }
    if url.hosts().len() > 1 {
        return Err(Error::config(format!(
            "{url}: give one agent, this host's own; what is registered with one is not known to another"
        )));
    }
    let options = url.options();
    let mut config = ConsulConfig::new("");
    set(&mut config.tls, options.flag("tls")?);
    config.ca = options.text("ca").map(PathBuf::from);
    config.cert = options.text("cert").map(PathBuf::from);
    config.key = options.text("key").map(PathBuf::from);
    config.server_name = options.text("server_name");
    config.dc = options.text("dc");
    config.token = options.secret("token");
    config.token_file = options.text("token_file").map(PathBuf::from);
    let tags = options.texts("tag");
    config.tags = tags.iter().flat_map(|tags| tags.split(',')).map(str::to_owned).collect();
    set(&mut config.passing, options.flag("passing")?);
    config.near = options.text("near");
    let modes =
        [("default", Consistency::Default), ("stale", Consistency::Stale), ("consistent", Consistency::Consistent)];
    set(&mut config.consistency, options.one_of("consistency", &modes)?);
    set(&mut config.wait, options.duration("wait")?);
    set(&mut config.ttl, options.duration("ttl")?);
    let kinds = [CheckKind::Ttl, CheckKind::Http, CheckKind::Tcp, CheckKind::Grpc].map(|kind| (word(kind), kind));
    set(&mut config.check.kind, options.one_of("check", &kinds)?);
    config.check.url = options.text("check_url");
    config.check.path = options.text("check_path");
    set(&mut config.check.rhythm.interval, options.duration("check_interval")?);
    set(&mut config.check.rhythm.timeout, options.duration("check_timeout")?);
    config.check.method = options.text("check_method");
    for header in options.texts("check_header") {
        // Not the header itself: it may hold what lets Consul in.
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| Error::config("check_header: write Name:value, several times if need be"))?;
        config = config.check_header(name.trim(), value.trim());
    }
    if let Some(passing) = options.flag("check_passing")? {
        config = config.check_passing(passing);
    }
    let options = url.options();
    set(&mut config.check.deregister_after, options.duration("deregister_after")?);
    if let Some(weight) = options.number("warning_weight")? {
        config.warning_weight = u32::try_from(weight).unwrap_or(u32::MAX);
    }
    set(&mut config.connect_timeout, options.duration("connect_timeout")?);
    set(&mut config.request_timeout, options.duration("request_timeout")?);
    config.connection.read(options)?;
    options.finish()?;
    let port = if config.tls || config.ca.is_some() || config.cert.is_some() { TLS_PORT } else { PORT };
    config.endpoint = url.authorities(port)?.remove(0);
    Ok(config)
}

fn set<T>(setting: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *setting = given;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sd_core::StalenessPolicy;
    use std::time::Duration;

    fn parsed(url: &str) -> Result<ConsulConfig, Error> {
        ConsulConfig::from_url(url.parse().unwrap())
    }

    #[test]
    fn every_option_arrives_where_it_belongs() {
        let second = Duration::from_secs(1);
        let config = parsed(
            "consul://[::1]:1?dc=dc2&token=t&tag=a,b&tag=c&passing=true&near=_agent&consistency=stale&wait=5m&ttl=20s\
             &check=http&check_path=/live&check_interval=2s&check_timeout=3s&check_method=HEAD&check_header=A:b\
             &check_header=C:%20d:e&check_passing=true&deregister_after=2m&warning_weight=7&ca=/ca&cert=/c&key=/k\
             &tls=true&server_name=consul.example&connect_timeout=1s&request_timeout=2s&linger=3s&invalidate_after=4s\
             &hold_share=0.9&hold_grace=5s&hold_live=true",
        )
        .unwrap();
        assert_eq!((config.endpoint.as_str(), config.dc.as_deref()), ("[::1]:1", Some("dc2")));
        assert_eq!(config.token.unwrap().expose(), "t");
        assert_eq!(config.tags, ["a", "b", "c"]);
        assert!(config.passing && config.tls);
        assert_eq!((config.near.as_deref(), config.consistency), (Some("_agent"), Consistency::Stale));
        assert_eq!((config.wait, config.ttl, config.connection.linger), (300 * second, 20 * second, 3 * second));
        assert_eq!((config.check.kind, config.check.path.as_deref()), (CheckKind::Http, Some("/live")));
        assert_eq!((config.check.rhythm.interval, config.check.rhythm.timeout), (2 * second, 3 * second));
        let headers: Vec<_> =
            config.check.headers.iter().map(|(name, value)| (name.as_str(), value.expose())).collect();
        assert_eq!(headers, [("A", "b"), ("C", "d:e")]);
        assert_eq!((config.check.deregister_after, config.warning_weight), (120 * second, 7));
        assert_eq!(config.server_name.as_deref(), Some("consul.example"));
        let staleness = StalenessPolicy::default().invalidate_after(4 * second).hold_share(0.9).unwrap();
        assert_eq!(config.connection.staleness, staleness.hold_grace(5 * second).hold_live(true));
    }

    #[test]
    fn ports_are_consuls_own_where_none_is_written() {
        assert_eq!(parsed("consul://h").unwrap().endpoint, "h:8500");
        assert_eq!(parsed("consul://h/?tls=true").unwrap().endpoint, "h:8501");
    }

    #[test]
    fn what_does_not_fit_says_what_does() {
        for (url, why) in [
            ("consul://h?tll=5s", "deregister_after"),
            ("consul://h?check=script", "ttl or http or tcp or grpc"),
            ("consul://h?consistency=strong", "default or stale or consistent"),
            ("consul://h1,h2", "one agent"),
            ("consul://h/services", "path"),
            ("consul://u:hunter2@h", "?token="),
            ("consul://", "consul://host:port"),
            ("consul://h?check=http&check_header=hunter2", "Name:value"),
            ("consul://h?ttl=1s&ttl=2s", "twice"),
        ] {
            let error = parsed(url).unwrap_err().to_string();
            assert!(error.contains(why) && !error.contains("hunter2"), "{url}: {error}");
        }
    }
}
