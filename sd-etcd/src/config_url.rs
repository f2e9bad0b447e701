//! `etcd://[user[:password]@]host:port,…/prefix?option=value`.

use std::path::PathBuf;

use sd_core::{Codec, Error, RegistryUrl};

use crate::config::EtcdConfig;

/// etcd's own.
const PORT: u16 = 2379;

/// Reads every part of the URL.
///
/// # Errors
/// `Config`, naming what is allowed.
pub(crate) fn parse(mut url: RegistryUrl) -> Result<EtcdConfig, Error> {
    let mut config = EtcdConfig::new(url.authorities(PORT)?);
    if let Some((name, password)) = url.user() {
        config.user = Some(name.to_owned());
        config.password = Some(password.clone());
    }
    config.prefix = url.path().map(str::to_owned);
    let options = url.options();
    if let Some(file) = options.text("password_file") {
        if config.user.is_none() {
            return Err(Error::config("password_file without a user; write etcd://user@host"));
        }
        config.password_file = Some(PathBuf::from(file));
        // `user@` has no password of its own then.
        config.password = config.password.filter(|password| !password.expose().is_empty());
    }
    config.layout = options.text("layout");
    let codecs = [Codec::Json, Codec::Plain].map(|codec| (codec.as_str(), codec));
    set(&mut config.codec, options.one_of("codec", &codecs)?);
    set(&mut config.ttl, options.duration("ttl")?);
    config.ca = options.text("ca").map(PathBuf::from);
    config.cert = options.text("cert").map(PathBuf::from);
    config.key = options.text("key").map(PathBuf::from);
    config.server_name = options.text("server_name");
    set(&mut config.tls, options.flag("tls")?);
    set(&mut config.connect_timeout, options.duration("connect_timeout")?);
    set(&mut config.request_timeout, options.duration("request_timeout")?);
    set(&mut config.require_leader, options.flag("require_leader")?);
    set(&mut config.keep_alive, options.duration("keep_alive")?);
    set(&mut config.keep_alive_timeout, options.duration("keep_alive_timeout")?);
    set(&mut config.watch_check, options.duration("watch_check")?);
    set(&mut config.watch_check_timeout, options.duration("watch_check_timeout")?);
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
    use std::time::Duration;

    fn parsed(url: &str) -> Result<EtcdConfig, Error> {
        EtcdConfig::from_url(url.parse().unwrap())
    }

    #[test]
    fn every_option_arrives_where_it_belongs() {
        let config = parsed(
            "etcd://u:p%40w@h1,[::1]:1/a/b?ttl=20s&codec=plain&layout={service}{id}&ca=/ca&cert=/c&key=/k&tls=true\
             &server_name=etcd.example&connect_timeout=1s&request_timeout=2s&linger=3s&require_leader=false\
             &invalidate_after=4s&hold_share=0.9&hold_grace=5s&hold_live=true&audit=6s&watch_check=7s",
        )
        .unwrap();
        assert_eq!(config.endpoints, ["h1:2379", "[::1]:1"]);
        assert_eq!((config.user.as_deref(), config.password.unwrap().expose()), (Some("u"), "p@w"));
        assert_eq!((config.prefix.as_deref(), config.layout.as_deref()), (Some("/a/b"), Some("{service}{id}")));
        assert_eq!((config.ttl, config.codec), (Duration::from_secs(20), Codec::Plain));
        assert!(config.tls && !config.require_leader);
        assert_eq!(config.server_name.as_deref(), Some("etcd.example"));
        assert_eq!((config.connect_timeout, config.request_timeout), (Duration::from_secs(1), Duration::from_secs(2)));
        assert_eq!((config.connection.linger, config.audit), (Duration::from_secs(3), Duration::from_secs(6)));
        let staleness = StalenessPolicy::default().invalidate_after(Duration::from_secs(4));
        let staleness = staleness.hold_share(0.9).unwrap().hold_grace(Duration::from_secs(5)).hold_live(true);
        assert_eq!(config.connection.staleness, staleness);
    }

    #[test]
    fn an_unknown_option_is_an_error_that_names_the_known_ones() {
        let error = parsed("etcd://h?tll=5s").unwrap_err().to_string();
        assert!(error.contains("\"tll\"") && error.contains("ttl") && error.contains("layout"), "{error}");
        assert!(parsed("etcd://h?codec=xml").unwrap_err().to_string().contains("json or plain"));
        assert!(parsed("etcd://").unwrap_err().to_string().contains("etcd://host:port"));
    }

    #[test]
    fn a_password_file_stands_in_for_the_password() {
        let config = parsed("etcd://u@h?password_file=/run/secret").unwrap();
        assert!(config.password.is_none() && config.password_file.is_some());
        assert!(parsed("etcd://h?password_file=/run/secret").unwrap_err().to_string().contains("user@host"));
    }
}
