//! The keys behind the `?` of a registry's URL: typed, each taken once, none left over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use crate::error::Error;
use crate::registry_url::decode;
use crate::secret::Secret;

/// The keys behind the `?` of a registry's URL.
///
/// A backend takes each key it knows, and then calls [`finish`](Self::finish): a key that nobody took is an error that
/// names those that were asked for, so that a slip of the pen is never silently ignored.
#[derive(Clone, Default)]
pub struct Options {
    given: BTreeMap<String, Vec<String>>,
    known: BTreeSet<&'static str>,
    /// A key that stands for one value and was given several.
    repeated: Option<&'static str>,
}

impl Options {
    pub(crate) fn parse(query: &str) -> Result<Self, Error> {
        let mut given: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| Error::config(format!("option {pair:?} has no value; write key=value")))?;
            let key = decode(key).map_err(Error::config)?;
            let value = decode(value).map_err(|why| Error::config(format!("option {key:?}: {why}")))?;
            given.entry(key).or_default().push(value);
        }
        Ok(Self { given, known: BTreeSet::new(), repeated: None })
    }

    /// Takes a text. A key that is given twice is an error of [`finish`](Self::finish).
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        let mut given = self.texts(key);
        if given.len() > 1 {
            self.repeated = Some(key);
        }
        given.pop()
    }

    /// Takes every text that is given for a key, in their order: for what may be said several times.
    pub fn texts(&mut self, key: &'static str) -> Vec<String> {
        self.known.insert(key);
        self.given.remove(key).unwrap_or_default()
    }

    /// Takes a text that no message shows.
    pub fn secret(&mut self, key: &'static str) -> Option<Secret> {
        self.text(key).map(Secret::new)
    }

    /// Takes a duration: a number and `ms`, `s`, `m` or `h`.
    ///
    /// # Errors
    /// `Config`, naming key, value and form.
    pub fn duration(&mut self, key: &'static str) -> Result<Option<Duration>, Error> {
        self.taken(key, "a duration such as 500ms, 10s, 5m or 1h", parse_duration)
    }

    /// Takes a whole number.
    ///
    /// # Errors
    /// `Config`, naming key, value and form.
    pub fn number(&mut self, key: &'static str) -> Result<Option<u64>, Error> {
        self.taken(key, "a whole number", |text| text.parse().ok())
    }

    /// Takes `true` or `false`.
    ///
    /// # Errors
    /// `Config`, naming key, value and form.
    pub fn flag(&mut self, key: &'static str) -> Result<Option<bool>, Error> {
        self.taken(key, "true or false", |text| text.parse().ok())
    }

    /// Takes a number between 0 and 1.
    ///
    /// # Errors
    /// `Config`, naming key, value and form.
    pub fn share(&mut self, key: &'static str) -> Result<Option<f64>, Error> {
        self.taken(key, "a number from 0 to 1", |text| text.parse().ok().filter(|share| (0.0..=1.0).contains(share)))
    }

    /// Takes one of several words.
    ///
    /// # Errors
    /// `Config`, naming key, value and the words.
    pub fn one_of<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Result<Option<T>, Error> {
        let allowed = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(" or ");
        self.taken(key, &allowed, |text| words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value))
    }

    /// Says that all known keys were taken.
    ///
    /// # Errors
    /// `Config` for a key that nobody took, naming the known ones, and for one that was given twice and stands for one
    /// value.
    pub fn finish(&self) -> Result<(), Error> {
        if let Some(key) = self.repeated {
            return Err(Error::config(format!("option {key:?} is given twice")));
        }
        let Some(unknown) = self.given.keys().next() else { return Ok(()) };
        let known = self.known.iter().copied().collect::<Vec<_>>();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        Err(Error::config(format!("unknown option {unknown:?}; known are: {known}")))
    }

    fn taken<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.text(key) else { return Ok(None) };
        match parse(&text) {
            Some(value) => Ok(Some(value)),
            None => Err(Error::config(format!("option {key}={text}: allowed is {allowed}"))),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.given.keys()).finish()
    }
}

/// `500ms`, `10s`, `5m`, `1h`.
fn parse_duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok()?;
    let millis = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    Some(Duration::from_millis(number.checked_mul(millis)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_keys_are_taken_once() {
        let mut options = Options::parse("ttl=1500ms&n=3&on=true&share=0.25&codec=plain&x=%26").unwrap();
        assert_eq!(options.duration("ttl").unwrap(), Some(Duration::from_millis(1500)));
        assert_eq!(options.number("n").unwrap(), Some(3));
        assert_eq!(options.flag("on").unwrap(), Some(true));
        assert_eq!(options.share("share").unwrap(), Some(0.25));
        assert_eq!(options.one_of("codec", &[("json", 1), ("plain", 2)]).unwrap(), Some(2));
        assert_eq!(options.text("x").as_deref(), Some("&"));
        assert_eq!(options.text("absent"), None);
        options.finish().unwrap();
    }

    #[test]
    fn what_may_be_said_several_times_is_and_nothing_else() {
        let mut options = Options::parse("tag=a&ttl=1s&tag=b").unwrap();
        assert_eq!(options.texts("tag"), ["a", "b"]);
        assert_eq!(options.texts("absent"), Vec::<String>::new());
        options.text("ttl");
        options.finish().unwrap();
        let mut options = Options::parse("ttl=1s&ttl=2s").unwrap();
        options.duration("ttl").unwrap();
        assert!(options.finish().unwrap_err().to_string().contains("\"ttl\" is given twice"));
    }

    #[test]
    fn opendal_and_object_store_drop_unknown_keys_ours_is_an_error_that_names_the_known() {
        let mut options = Options::parse("tll=10s").unwrap();
        assert_eq!(options.duration("ttl").unwrap(), None);
        options.text("codec");
        let error = options.finish().unwrap_err().to_string();
        assert!(error.contains("\"tll\"") && error.contains("codec, ttl"), "{error}");
    }

    #[test]
    fn a_value_of_the_wrong_form_says_which_form_is_right() {
        for (query, allowed) in [("ttl=10", "500ms, 10s"), ("ttl=s", "500ms"), ("ttl=99999999999999999h", "500ms")] {
            let error = Options::parse(query).unwrap().duration("ttl").unwrap_err();
            assert!(error.to_string().contains(allowed), "{error}");
        }
        assert!(Options::parse("a=2").unwrap().share("a").is_err());
        assert!(Options::parse("a=yes").unwrap().flag("a").unwrap_err().to_string().contains("true or false"));
        assert!(Options::parse("a").is_err());
    }
}
