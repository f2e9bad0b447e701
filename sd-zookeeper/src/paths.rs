//! Where services and instances stand: `{root}/{service}/{id}`.

use std::borrow::Cow;
use std::fmt::Write as _;

use sd_core::{Error, ServiceName};

/// The node below which services stand when the URL names none.
pub(crate) const DEFAULT_ROOT: &str = "/services";

/// ZooKeeper's own node, at its very root.
const RESERVED: &str = "zookeeper";

/// Where services and instances stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paths {
    /// Empty for the very root.
    root: String,
}

impl Paths {
    /// Below `root`, which begins with a slash; trailing slashes do not count.
    ///
    /// # Errors
    /// `Config`, naming what is allowed.
    pub(crate) fn new(root: Option<&str>) -> Result<Self, Error> {
        let given = root.unwrap_or(DEFAULT_ROOT);
        let root = given.trim_end_matches('/');
        let fits = |name: &str| !name.is_empty() && encoded_unless_percent(name) == name;
        let mut names = root.split('/');
        if names.next() != Some("") || !names.all(fits) {
            return Err(Error::config(format!(
                "chroot {given:?}: write /name/name; a name must not be empty, '.' or '..', or hold characters that \
                 ZooKeeper refuses (control characters, U+E000 to U+F8FF, U+FFF0 and above)"
            )));
        }
        Ok(Self { root: root.to_owned() })
    }

    /// The node that services stand below.
    pub(crate) fn root(&self) -> &str {
        if self.root.is_empty() { "/" } else { &self.root }
    }

    /// The node of a service.
    pub(crate) fn service(&self, service: &ServiceName) -> String {
        format!("{}/{service}", self.root)
    }

    /// The node of an instance.
    pub(crate) fn node(&self, service: &ServiceName, id: &str) -> String {
        format!("{}/{service}/{}", self.root, encoded(id))
    }

    /// Which service a node below the root stands for.
    pub(crate) fn service_of(&self, name: &str) -> Option<ServiceName> {
        if self.root.is_empty() && name == RESERVED {
            return None;
        }
        name.parse().ok()
    }

    /// Whether the service can stand where it would.
    ///
    /// # Errors
    /// `Config`, naming what is allowed.
    pub(crate) fn check(&self, service: &ServiceName) -> Result<(), Error> {
        if self.root.is_empty() && service.as_str() == RESERVED {
            return Err(Error::config(format!(
                "service {service}: at the very root this is ZooKeeper's own node; use a chroot or another name"
            )));
        }
        Ok(())
    }
}

/// Whether `name` is that of the node of the instance `id`; other programs may have written it as it is.
pub(crate) fn names(name: &str, id: &str) -> bool {
    name == id || name == encoded(id)
}

/// An id as a node's name: what ZooKeeper refuses, and `%` itself, stands percent-encoded as in URLs.
///
/// ZooKeeper refuses control characters, `/` (neither of which an id may hold), U+E000 to U+F8FF, U+FFF0 to U+FFFF,
/// everything beyond U+FFFF (it sees surrogates there), and the names `.` and `..`.
pub(crate) fn encoded(id: &str) -> Cow<'_, str> {
    if id.contains('%') {
        return Cow::Owned(id.split('%').map(encoded_unless_percent).collect::<Vec<_>>().join("%25"));
    }
    encoded_unless_percent(id)
}

fn encoded_unless_percent(text: &str) -> Cow<'_, str> {
    if text == "." || text == ".." {
        return Cow::Owned("%2E".repeat(text.len()));
    }
    if !text.chars().any(is_refused) {
        return Cow::Borrowed(text);
    }
    let mut encoded = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if is_refused(c) {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                // Writing to a String can't fail.
                let _ = write!(encoded, "%{byte:02X}");
            }
        } else {
            encoded.push(c);
        }
    }
    Cow::Owned(encoded)
}

fn is_refused(c: char) -> bool {
    c.is_control() || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> ServiceName {
        text.parse().unwrap()
    }

    /// The other way, to show that there is one.
    fn decoded(name: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = name.bytes();
        while let Some(byte) = rest.next() {
            let mut digit = || char::from(rest.next().unwrap()).to_digit(16).unwrap();
            bytes.push(if byte == b'%' { u8::try_from(digit() * 16 + digit()).unwrap() } else { byte });
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn nodes_stand_below_the_root() {
        for (root, node) in [
            (None, "/services/book/[::1]:80"),
            (Some("/"), "/book/[::1]:80"),
            (Some("/a/b c/"), "/a/b c/book/[::1]:80"),
        ] {
            let paths = Paths::new(root).unwrap();
            assert_eq!(paths.node(&name("book"), "[::1]:80"), node);
        }
        assert_eq!(Paths::new(Some("/")).unwrap().root(), "/");
    }

    #[test]
    fn a_root_that_zookeeper_refuses_is_refused_by_name() {
        for root in ["a", "/a//b", "/./a", "/a/..", "/\u{1}", "/\u{e000}", "/\u{1f600}"] {
            let error = Paths::new(Some(root)).unwrap_err().to_string();
            assert!(error.contains(&format!("{root:?}")) && error.contains("/name/name"), "{error}");
        }
    }

    #[test]
    fn zookeepers_own_node_is_no_service() {
        let at_root = Paths::new(Some("/")).unwrap();
        assert!(at_root.check(&name("zookeeper")).is_err() && at_root.service_of("zookeeper").is_none());
        let below = Paths::new(None).unwrap();
        assert!(below.check(&name("zookeeper")).is_ok() && below.service_of("zookeeper").is_some());
        assert_eq!(below.service_of("a b"), None);
    }

    #[test]
    fn what_zookeeper_takes_stands_as_it_is_and_the_rest_encoded() {
        for id in ["a b", "знать", "日本", "[::1]:80", "...", "a?b#c&d", "\u{fdd0}"] {
            assert_eq!(encoded(id), id);
        }
        for (id, name) in [
            (".", "%2E"),
            ("..", "%2E%2E"),
            ("50%", "50%25"),
            ("%2F", "%252F"),
            (".%", "%2E%25"),
            ("\u{1f600}", "%F0%9F%98%80"),
            ("a\u{e000}b", "a%EE%80%80b"),
            ("\u{fffd}", "%EF%BF%BD"),
        ] {
            assert_eq!(encoded(id), name);
            assert!(names(name, id) && names(id, id) && !names("x", id));
        }
    }

    proptest! {
        #[test]
        fn encoding_can_be_undone(id in "\\PC{1,20}") {
            prop_assert_eq!(decoded(&encoded(&id)), id);
        }
    }
}
