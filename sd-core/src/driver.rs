//! From a URL's scheme to a backend.

use std::fmt;
use std::sync::Arc;

use crate::backend::Backend;
use crate::error::Error;
use crate::registry_url::RegistryUrl;

/// Makes backends of one kind from URLs.
///
/// # Contract
/// `connect` never waits for the network: it checks the URL and starts. A URL that is wrong, down to an unknown option,
/// is a `Config` error that names what is allowed.
pub trait Driver: fmt::Debug + Send + Sync + 'static {
    /// The URL schemes it answers to.
    fn schemes(&self) -> &'static [&'static str];

    /// A backend for this URL.
    ///
    /// # Errors
    /// `Config`.
    fn connect(&self, url: RegistryUrl) -> Result<Arc<dyn Backend>, Error>;
}

/// The kinds of registry that a program can connect to, by scheme. A value, not a process-wide table.
///
/// ```
/// # use sd_core::{Drivers, MemoryDriver};
/// let drivers = Drivers::new().with(MemoryDriver::default());
/// let error = drivers.connect("ectd://127.0.0.1").unwrap_err();
/// assert!(error.to_string().contains("memory://"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Drivers(Vec<Arc<dyn Driver>>);

impl Drivers {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one; it takes precedence over earlier ones with the same scheme.
    #[must_use]
    pub fn with(mut self, driver: impl Driver) -> Self {
        self.0.insert(0, Arc::new(driver));
        self
    }

    /// The schemes that are known, in the order in which their drivers were added.
    pub fn schemes(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.0.iter().rev().flat_map(|driver| driver.schemes()).copied()
    }

    /// Connects to the registry that `url` names. Never waits for the network.
    ///
    /// # Errors
    /// `Config`: a malformed URL, an unknown scheme (naming the known ones), an unknown option.
    pub fn connect(&self, url: &str) -> Result<Arc<dyn Backend>, Error> {
        let url: RegistryUrl = url.parse()?;
        let scheme = url.scheme();
        match self.0.iter().find(|driver| driver.schemes().contains(&scheme)) {
            Some(driver) => driver.connect(url),
            None => {
                let known: Vec<_> = self.schemes().map(|scheme| format!("{scheme}://")).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(Error::config(format!("unknown registry scheme \"{scheme}://\"; this program knows: {known}")))
            }
        }
    }
}
