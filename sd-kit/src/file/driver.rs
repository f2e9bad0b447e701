//! From a `file://` URL to a backend.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Backend, Connection, Driver, Error, RegistryUrl, StalenessPolicy, defaults};

use super::registry::{FileRegistry, NAME, backoff};

/// The shortest and longest time between two looks that may be asked for.
const POLL: std::ops::RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_secs(60 * 60);

/// `file:///path/services.yaml` (or `.yml`, `.json`): services and their instances from a file, followed as it changes.
///
/// The file maps each service to its instances; one is an address, or an object with whatever an instance can say:
///
/// ```yaml
/// book:
///   - 127.0.0.1:50052
///   - address: 10.0.0.2:50052
///     id: book-2              # by default the address
///     weight: 2               # 0 to 65535, 1 by default
///     health: up              # or draining, or down
///     zone: eu-1
///     tags: [v1, blue]
///     metadata: {commit: 4f3a}
///     ports: {metrics: 9090}
/// ```
///
/// The path is absolute, as in every `file://` URL: `file://$PWD/services.yaml`. Blanks are written `%20`.
///
/// # How a change is noticed
/// The file is looked at every second (`?poll=1s`, from 10 ms to 1 h), and read only when its size, time or identity has
/// changed and it has then lain still for 100 ms: one `stat` per second, however many services are watched. A change is
/// seen within the poll's time and 300 ms, longer only if writing the file takes longer. That holds for files written in place, for editors that write beside
/// and rename, for the symbolic links that Kubernetes swaps in a ConfigMap, and for network file systems and mounts
/// where the kernel's change notices don't arrive.
///
/// # What a broken file does
/// A file is taken as a whole or not at all. One that can't be read or makes no sense (the error names the line) changes
/// nothing: the last good set stays, `Stale` with the error, and one that was never good leaves subscriptions `Pending`
/// with it. An empty file counts as broken, since a file that is just being written looks so; `{}` says that there
/// are no services. The log tells when trouble begins and ends. What a good file no longer names is gone at
/// once: nothing is held back, as a file does not forget by accident.
///
/// # Limits
/// 16 MiB and 100,000 instances. Registering and administration are `Unsupported`; a probe reads the file.
///
/// Options: `poll`, `invalidate_after` (drops a set that has been stale for so long; by default it is kept).
#[derive(Debug, Clone, Copy, Default)]
pub struct FileDriver;

impl Driver for FileDriver {
    fn schemes(&self) -> &'static [&'static str] {
        &[NAME]
    }

    fn connect(&self, mut url: RegistryUrl) -> Result<Arc<dyn Backend>, Error> {
        let path = path(&url)?;
        let options = url.options();
        let poll = options.duration("poll")?.unwrap_or(defaults::FILE_POLL);
        if !POLL.contains(&poll) {
            return Err(Error::config(format!("option poll={poll:?}: allowed are 10ms to 1h")));
        }
        // A file says what is so; it does not come back wiped, as a registry may.
        let mut staleness = StalenessPolicy::default().hold_share(1.0)?;
        if let Some(age) = options.duration("invalidate_after")? {
            staleness = staleness.invalidate_after(age);
        }
        options.finish()?;
        let registry = FileRegistry::start(path, poll)?;
        let connection = Connection::builder(Arc::new(registry)).staleness(staleness).backoff(backoff());
        Ok(Arc::new(connection.build()?))
    }
}

fn path(url: &RegistryUrl) -> Result<PathBuf, Error> {
    let allowed = "write file:///absolute/path.yaml (or .yml, .json)";
    if url.user().is_some() {
        return Err(Error::config(format!("{url}: nobody logs in to a file; {allowed}")));
    }
    let local = match url.hosts() {
        [] => true,
        [(host, None)] => host == "localhost",
        _ => false,
    };
    let Some(path) = url.path().filter(|_| local) else {
        return Err(Error::config(format!("{url}: what stands before the first / is a host, not a folder; {allowed}")));
    };
    let path = Path::new(path);
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml" | "json") => Ok(path.to_owned()),
        _ => Err(Error::config(format!("{url}: its name does not say what it holds; {allowed}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_absolute_and_its_name_says_what_it_holds() {
        let path_of = |url: &str| path(&url.parse().unwrap());
        assert_eq!(path_of("file:///a/b%20c.yaml").unwrap(), Path::new("/a/b c.yaml"));
        assert_eq!(path_of("file://localhost/a.yml").unwrap(), Path::new("/a.yml"));
        assert_eq!(path_of("file:///a.json?poll=5s").unwrap(), Path::new("/a.json"));
        for (url, why) in [
            ("file://", "is a host"),
            ("file://services.yaml", "is a host"),
            ("file://conf/services.yaml", "is a host"),
            ("file://localhost:80/services.yaml", "is a host"),
            ("file://u@localhost/services.yaml", "logs in"),
            ("file:///services", "does not say"),
            ("file:///services.toml", "does not say"),
            ("file:///", "does not say"),
        ] {
            let error = path_of(url).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("file:///absolute/path.yaml"), "{url}: {error}");
        }
    }

    #[tokio::test]
    async fn options_are_checked() {
        for (options, why) in
            [("poll=1ms", "10ms to 1h"), ("poll=2h", "10ms to 1h"), ("pol=1s", "invalidate_after, poll")]
        {
            let error = FileDriver.connect(format!("file:///a.yaml?{options}").parse().unwrap()).unwrap_err();
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn outside_a_runtime_it_says_so() {
        let error = FileDriver.connect("file:///a.yaml".parse().unwrap()).unwrap_err();
        assert!(error.to_string().contains("runtime"), "{error}");
    }
}
