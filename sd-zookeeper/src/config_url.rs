//! `zookeeper://host:port,…/chroot?option=value`.

use std::path::PathBuf;

use sd_core::{Codec, Error, RegistryUrl};

use crate::config::{NodeAccess, WatchMode, ZooKeeperConfig};

/// ZooKeeper's own.
const PORT: u16 = 2181;

/// Reads every part of the URL.
///
/// # Errors
/// `Config`, naming what is allowed.
pub(crate) fn parse(mut url: RegistryUrl) -> Result<ZooKeeperConfig, Error> {
    let mut config = ZooKeeperConfig::new(url.authorities(PORT)?);
    if url.user().is_some() {
        return Err(Error::config(
            "a user before @: ZooKeeper has several ways to log in; write ?auth=digest:user:password or \
             ?sasl=user:password",
        ));
    }
    config.chroot = url.path().map(str::to_owned);
    let options = url.options();
    set(&mut config.session, options.duration("session")?);
    let codecs = [Codec::Json, Codec::Plain].map(|codec| (codec.as_str(), codec));
    set(&mut config.codec, options.one_of("codec", &codecs)?);
    let access = [("world", NodeAccess::World), ("creator", NodeAccess::Creator)];
    set(&mut config.acl, options.one_of("acl", &access)?);
    config.auth = options.secret("auth");
    config.auth_file = options.text("auth_file").map(PathBuf::from);
    config.sasl = options.secret("sasl");
    config.sasl_file = options.text("sasl_file").map(PathBuf::from);
    config.ca = options.text("ca").map(PathBuf::from);
    config.cert = options.text("cert").map(PathBuf::from);
    config.key = options.text("key").map(PathBuf::from);
    set(&mut config.tls, options.flag("tls")?);
    set(&mut config.connect_timeout, options.duration("connect_timeout")?);
    set(&mut config.request_timeout, options.duration("request_timeout")?);
    let modes = [("auto", WatchMode::Auto), ("oneshot", WatchMode::OneShot)];
    set(&mut config.watches, options.one_of("watches", &modes)?);
    set(&mut config.audit, options.duration("audit")?);
    config.connection.read(options)?;
    options.finish()?;
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
    use std::path::Path;
    use std::time::Duration;

    fn parsed(url: &str) -> Result<ZooKeeperConfig, Error> {
        ZooKeeperConfig::from_url(url.parse().unwrap())
    }

    #[test]
    fn every_option_arrives_where_it_belongs() {
        let config = parsed(
            "zookeeper://h1,[::1]:1/a/b?session=20s&codec=plain&acl=creator&auth=digest:u:p%40w&sasl_file=/s&ca=/ca\
             &cert=/c&key=/k&tls=true&connect_timeout=1s&request_timeout=2s&linger=3s&watches=oneshot\
             &invalidate_after=4s&hold_share=0.9&hold_grace=5s&hold_live=true&audit=6s",
        )
        .unwrap();
        assert_eq!(config.hosts, ["h1:2181", "[::1]:1"]);
        assert_eq!(config.chroot.as_deref(), Some("/a/b"));
        assert_eq!((config.session, config.codec), (Duration::from_secs(20), Codec::Plain));
        assert_eq!((config.acl, config.watches), (NodeAccess::Creator, WatchMode::OneShot));
        assert_eq!(config.auth.unwrap().expose(), "digest:u:p@w");
        assert_eq!(config.sasl_file.as_deref(), Some(Path::new("/s")));
        assert!(config.tls && config.ca.is_some() && config.cert.is_some() && config.key.is_some());
        assert_eq!((config.connect_timeout, config.request_timeout), (Duration::from_secs(1), Duration::from_secs(2)));
        assert_eq!((config.connection.linger, config.audit), (Duration::from_secs(3), Duration::from_secs(6)));
        let staleness = StalenessPolicy::default().invalidate_after(Duration::from_secs(4));
        let staleness = staleness.hold_share(0.9).unwrap().hold_grace(Duration::from_secs(5)).hold_live(true);
        assert_eq!(config.connection.staleness, staleness);
    }

    #[test]
    fn an_unknown_option_is_an_error_that_names_the_known_ones() {
        let error = parsed("zookeeper://h?sesion=5s").unwrap_err().to_string();
        assert!(error.contains("\"sesion\"") && error.contains("session") && error.contains("sasl"), "{error}");
        assert!(parsed("zookeeper://h?acl=me").unwrap_err().to_string().contains("world or creator"));
        assert!(parsed("zookeeper://").unwrap_err().to_string().contains("zookeeper://host:port"));
    }

    #[test]
    fn a_user_before_the_host_is_refused_with_both_ways_to_log_in() {
        let error = parsed("zookeeper://u:hunter2@h").unwrap_err().to_string();
        assert!(error.contains("auth=digest:user:password") && error.contains("sasl=user:password"), "{error}");
        assert!(!error.contains("hunter2"));
    }
}
