//! `sd://host:port,…?option=value`.

use std::path::PathBuf;

use sd_core::{Error, RegistryUrl};

use super::config::RegistryConfig;

/// The centre's own.
const PORT: u16 = 7070;

/// Reads every part of the URL.
///
/// # Errors
/// `Config`, naming what is allowed.
pub(crate) fn parse(mut url: RegistryUrl) -> Result<RegistryConfig, Error> {
    let mut config = RegistryConfig::new(url.authorities(PORT)?);
    if url.user().is_some() {
        return Err(Error::config("an sd:// URL names no user; a centre knows tokens: ?token=… or ?token_file=…"));
    }
    if url.path().is_some_and(|path| path != "/") {
        return Err(Error::config("an sd:// URL has no path; write sd://host:port?key=value"));
    }
    let options = url.options();
    config.token = options.secret("token");
    config.token_file = options.text("token_file").map(PathBuf::from);
    set(&mut config.ttl, options.duration("ttl")?);
    config.ca = options.text("ca").map(PathBuf::from);
    config.cert = options.text("cert").map(PathBuf::from);
    config.key = options.text("key").map(PathBuf::from);
    config.server_name = options.text("server_name");
    set(&mut config.tls, options.flag("tls")?);
    set(&mut config.connect_timeout, options.duration("connect_timeout")?);
    set(&mut config.request_timeout, options.duration("request_timeout")?);
    set(&mut config.keep_alive, options.duration("keep_alive")?);
    set(&mut config.keep_alive_timeout, options.duration("keep_alive_timeout")?);
    set(&mut config.silence, options.duration("silence")?);
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

    fn parsed(url: &str) -> Result<RegistryConfig, Error> {
        RegistryConfig::from_url(url.parse().unwrap())
    }

    #[test]
    fn every_option_arrives_where_it_belongs() {
        let config = parsed(
            "sd://h1,[::1]:1/?ttl=20s&token=p%40w&ca=/ca&cert=/c&key=/k&tls=true&server_name=sd.example\
             &connect_timeout=1s&request_timeout=2s&linger=3s&keep_alive=7s&keep_alive_timeout=8s&silence=30s\
             &invalidate_after=4s&hold_share=0.9&hold_grace=5s&hold_live=true",
        )
        .unwrap();
        assert_eq!(config.endpoints, ["h1:7070", "[::1]:1"]);
        assert_eq!(config.token.unwrap().expose(), "p@w");
        assert_eq!((config.ttl, config.tls), (Duration::from_secs(20), true));
        assert_eq!(config.server_name.as_deref(), Some("sd.example"));
        assert!(config.ca.is_some() && config.cert.is_some() && config.key.is_some());
        assert_eq!((config.connect_timeout, config.request_timeout), (Duration::from_secs(1), Duration::from_secs(2)));
        assert_eq!((config.connection.linger, config.silence), (Duration::from_secs(3), Duration::from_secs(30)));
        assert_eq!((config.keep_alive, config.keep_alive_timeout), (Duration::from_secs(7), Duration::from_secs(8)));
        let staleness = StalenessPolicy::default().invalidate_after(Duration::from_secs(4));
        let staleness = staleness.hold_share(0.9).unwrap().hold_grace(Duration::from_secs(5)).hold_live(true);
        assert_eq!(config.connection.staleness, staleness);
        assert!(parsed("sd://h?token_file=/t").unwrap().token_file.is_some());
    }

    #[test]
    fn what_it_does_not_know_is_an_error_that_names_what_it_does() {
        let error = parsed("sd://h?tll=5s").unwrap_err().to_string();
        assert!(error.contains("\"tll\"") && error.contains("ttl") && error.contains("token_file"), "{error}");
        for (url, allowed) in [
            ("sd://", "sd://host:port"),
            ("sd://u:p@h", "token="),
            ("sd://h/prefix", "no path"),
            ("sd://h?ttl=1", "10s"),
        ] {
            let error = parsed(url).unwrap_err().to_string();
            assert!(error.contains(allowed), "{error}");
        }
    }

    #[test]
    fn no_message_shows_the_token() {
        let config = parsed("sd://h?token=hunter2").unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let error = parsed("sd://h?token=hunter2&x=hunter2").unwrap_err();
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
