//! How keys are put together: which service and id a key stands for, and back.

use sd_core::{Error, ServiceName};

/// The path below which instances stand when the URL names none.
pub(crate) const DEFAULT_PREFIX: &str = "/services";

const DEFAULT_TEMPLATE: &str = "/{service}/{id}";

/// How keys are put together: literal text around a service's name and an instance's id.
///
/// Ids stand in keys as they are, blanks and `%` included. Where nothing separates service and id (`{service}{id}`, as
/// in `Hello7587`), a name ends where something stands that no such name may hold: there a service's name must be
/// without digits and an id must not begin with a letter, `.`, `_` or `-`; so `HelloWorld1` is none of `Hello`'s.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    before: String,
    between: String,
    after: String,
}

/// Keys from `start` up to, not including, `end`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: Vec<u8>,
    pub(crate) end: Vec<u8>,
}

/// What a key in a service's range stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key<'a> {
    /// An instance, by the id in its key.
    Of(&'a str),
    /// Another service's instance: the range is wider than the service.
    Foreign,
    /// Nothing that fits the layout, and why.
    Misfit(&'static str),
}

impl Layout {
    /// From a URL's path and its option `layout`, each if it was given.
    ///
    /// # Errors
    /// `Config`, naming the form.
    pub(crate) fn new(prefix: Option<&str>, template: Option<&str>) -> Result<Self, Error> {
        // A layout of one's own is the whole key, unless a path was written as well.
        let prefix = prefix.unwrap_or(if template.is_some() { "" } else { DEFAULT_PREFIX }).trim_end_matches('/');
        let template = template.unwrap_or(DEFAULT_TEMPLATE);
        let refused = || {
            Error::config(format!(
                "layout {template:?}: it must hold {{service}} and then {{id}}, each once, and no other braces"
            ))
        };
        let (before, rest) = template.split_once("{service}").ok_or_else(refused)?;
        let (between, after) = rest.split_once("{id}").ok_or_else(refused)?;
        if [before, between, after].iter().any(|text| text.contains(['{', '}'])) {
            return Err(refused());
        }
        Ok(Self { before: format!("{prefix}{before}"), between: between.to_owned(), after: after.to_owned() })
    }

    /// The key of an instance.
    pub(crate) fn key(&self, service: &ServiceName, id: &str) -> Vec<u8> {
        format!("{}{service}{}{id}{}", self.before, self.between, self.after).into_bytes()
    }

    /// Whether key and service can be told from each other again.
    ///
    /// # Errors
    /// `Config`, naming what is allowed.
    pub(crate) fn check(&self, service: &ServiceName, id: &str) -> Result<(), Error> {
        if !self.between.is_empty() {
            if service.as_str().contains(&self.between) {
                return Err(Error::config(format!(
                    "service {service}: its name must not hold {:?}, which ends it in this layout",
                    self.between
                )));
            }
            return Ok(());
        }
        if !service.as_str().chars().all(continues_name) {
            return Err(Error::config(format!(
                "service {service}: nothing separates service and id in this layout, so no digit is allowed in the name"
            )));
        }
        if id.starts_with(continues_name) {
            return Err(Error::config(format!(
                "instance id {id:?}: nothing separates service and id in this layout, so it must not begin with a \
                 letter, '.', '_' or '-'"
            )));
        }
        Ok(())
    }

    /// Where the instances of a service stand.
    pub(crate) fn range(&self, service: &ServiceName) -> Range {
        Range::of_prefix(format!("{}{service}{}", self.before, self.between))
    }

    /// Where the instances of all services stand.
    pub(crate) fn whole_range(&self) -> Range {
        Range::of_prefix(self.before.clone())
    }

    /// What a key in the service's range stands for.
    pub(crate) fn id<'a>(&self, service: &ServiceName, key: &'a [u8]) -> Key<'a> {
        let start = self.before.len() + service.as_str().len() + self.between.len();
        let Some(rest) = key.get(start..) else { return Key::Misfit("the key is too short") };
        let Ok(rest) = std::str::from_utf8(rest) else { return Key::Misfit("the key is not UTF-8") };
        if self.between.is_empty() && rest.starts_with(continues_name) {
            return Key::Foreign;
        }
        let Some(id) = rest.strip_suffix(&self.after) else { return Key::Misfit("the key's end does not fit") };
        match id {
            "" => Key::Misfit("the key has no id"),
            id if id.contains('/') => Key::Misfit("the id in the key holds a '/'"),
            id => Key::Of(id),
        }
    }

    /// Which service a key in the whole range belongs to.
    pub(crate) fn service(&self, key: &[u8]) -> Option<ServiceName> {
        let rest = std::str::from_utf8(key).ok()?.strip_prefix(&self.before)?;
        let end = if self.between.is_empty() { rest.find(|c| !continues_name(c))? } else { rest.find(&self.between)? };
        let service = rest[..end].parse().ok()?;
        matches!(self.id(&service, key), Key::Of(_)).then_some(service)
    }
}

impl Range {
    fn of_prefix(prefix: String) -> Self {
        let start = prefix.into_bytes();
        let mut end = start.clone();
        // UTF-8 holds no 0xff, so the last byte can always be counted up.
        match end.last_mut() {
            Some(last) => {
                *last += 1;
                Self { start, end }
            }
            // etcd's way to write "all keys".
            None => Self { start: vec![0], end: vec![0] },
        }
    }
}

/// Whether a service's name goes on with `c`, where nothing separates it from the id.
fn continues_name(c: char) -> bool {
    c.is_ascii_alphabetic() || matches!(c, '.' | '_' | '-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> ServiceName {
        text.parse().unwrap()
    }

    fn key_of(layout: &Layout, service: &str, id: &str) -> String {
        String::from_utf8(layout.key(&name(service), id)).unwrap()
    }

    #[test]
    fn keys_are_what_the_go_programs_of_the_articles_write() {
        for (prefix, template, service, id, key) in [
            (None, None, "book", "127.0.0.1:50052", "/services/book/127.0.0.1:50052"),
            (Some("/"), None, "foo", "ip:port", "/foo/ip:port"),
            (Some("/web/"), None, "a", "b c%", "/web/a/b c%"),
            (Some("/"), None, "web", "node2", "/web/node2"),
            (None, Some("{service}{id}"), "Hello", "7587862094", "Hello7587862094"),
            (Some("/x"), Some("-{service}:{id}/addr"), "a", "1", "/x-a:1/addr"),
        ] {
            let layout = Layout::new(prefix, template).unwrap();
            assert_eq!(key_of(&layout, service, id), key);
            assert_eq!(layout.id(&name(service), key.as_bytes()), Key::Of(id));
            assert_eq!(layout.service(key.as_bytes()), Some(name(service)));
            layout.check(&name(service), id).unwrap();
        }
    }

    #[test]
    fn a_template_without_both_parts_is_refused_with_the_form() {
        for template in
            ["", "{service}", "{id}{service}", "{service}{id}{id}", "{service}/{name}/{id}", "{{service}{id}"]
        {
            let error = Layout::new(None, Some(template)).unwrap_err();
            assert!(error.to_string().contains("{service} and then {id}"), "{error}");
        }
    }

    #[test]
    fn without_a_separator_a_longer_name_is_another_service() {
        let layout = Layout::new(None, Some("{service}{id}")).unwrap();
        assert_eq!(layout.id(&name("Hello"), b"HelloWorld7"), Key::Foreign);
        assert_eq!(layout.service(b"HelloWorld7"), Some(name("HelloWorld")));
        assert_eq!(layout.id(&name("Hello"), b"Hello[::1]:80"), Key::Of("[::1]:80"));
        assert!(layout.check(&name("Hello2"), "7").unwrap_err().to_string().contains("no digit"));
        assert!(layout.check(&name("Hello"), "localhost:80").unwrap_err().to_string().contains("begin with"));
    }

    #[test]
    fn keys_without_an_id_or_with_a_path_in_it_do_not_fit() {
        let layout = Layout::new(None, None).unwrap();
        for key in ["/services/book/", "/services/book/a/b"] {
            assert!(matches!(layout.id(&name("book"), key.as_bytes()), Key::Misfit(_)), "{key}");
            assert_eq!(layout.service(key.as_bytes()), None);
        }
        assert!(matches!(layout.id(&name("book"), b"/services/book/\xff"), Key::Misfit(_)));
    }

    #[test]
    fn ranges_end_behind_the_last_key_of_the_prefix() {
        let layout = Layout::new(None, None).unwrap();
        let range = layout.range(&name("book"));
        assert_eq!((range.start.as_slice(), range.end.as_slice()), (&b"/services/book/"[..], &b"/services/book0"[..]));
        let all = Layout::new(None, Some("{service}{id}")).unwrap().whole_range();
        assert_eq!((all.start, all.end), (vec![0], vec![0]));
    }

    #[test]
    fn a_service_that_holds_the_separator_is_refused() {
        let layout = Layout::new(None, Some("{service}-{id}")).unwrap();
        assert!(layout.check(&name("a-b"), "1").is_err());
        layout.check(&name("a"), "b-1").unwrap();
    }
}
