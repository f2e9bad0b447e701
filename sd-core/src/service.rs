//! The name of a service, validated once.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::defaults::MAX_SERVICE_BYTES;
use crate::error::Error;

/// The name of a service: 1 to 128 of `A-Z a-z 0-9 . _ -`, and not dots alone.
///
/// Every registry can carry such a name as a path segment, a DNS label's part or a Consul service. Cheap to clone.
///
/// ```
/// # use sd_core::ServiceName;
/// let book: ServiceName = "book".parse()?;
/// assert!("book/store".parse::<ServiceName>().is_err());
/// # Ok::<(), sd_core::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServiceName(Arc<str>);

impl ServiceName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ServiceName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let fits = (1..=MAX_SERVICE_BYTES).contains(&name.len());
        if fits && name.bytes().all(allowed) && name.bytes().any(|byte| byte != b'.') {
            return Ok(Self(name.into()));
        }
        Err(Error::config(format!(
            "service name {name:?}: allowed are 1 to {MAX_SERVICE_BYTES} of A-Z a-z 0-9 . _ -, and not dots alone"
        )))
    }
}

impl TryFrom<&str> for ServiceName {
    type Error = Error;

    fn try_from(name: &str) -> Result<Self, Error> {
        name.parse()
    }
}

impl Borrow<str> for ServiceName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for ServiceName {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_every_registry_can_carry_are_taken_and_others_refused() {
        for good in ["book", "a", "Hello", "com.example_book-v1", "..a", &"x".repeat(128)] {
            assert_eq!(good.parse::<ServiceName>().unwrap().as_str(), good);
        }
        for bad in ["", ".", "..", "a/b", "a b", "ä", "a\n", "%41", &"x".repeat(129)] {
            let error = bad.parse::<ServiceName>().unwrap_err();
            assert!(error.to_string().contains(&format!("{bad:?}")), "{error}");
            assert!(error.to_string().contains("A-Z a-z 0-9 . _ -"), "{error}");
        }
    }
}
