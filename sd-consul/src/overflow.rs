//! What does not fit Consul's metadata as it is: keys in other letters, long values, named ports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Consul takes no more pairs.
pub(crate) const MOST_PAIRS: usize = 64;
/// Consul takes no longer keys and values, in bytes.
const LONGEST_KEY: usize = 128;
const LONGEST_VALUE: usize = 512;
/// The keys that the overflow stands under, with a number each.
const MORE: &str = "sd-more-";

/// One JSON object, cut into pieces that fit. Readers ignore fields that they do not know.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Overflow {
    /// Pairs of our own whose values are too long, by their keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) own: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) ports: BTreeMap<String, u16>,
}

impl Overflow {
    /// Puts a pair of our own where it fits.
    pub(crate) fn carry(&mut self, meta: &mut BTreeMap<String, String>, key: &str, value: String) {
        let to = if fits_value(&value) { meta } else { &mut self.own };
        to.insert(key.to_owned(), value);
    }

    /// Adds the pieces to `meta`; `false` when they are too many.
    pub(crate) fn spread_into(&self, meta: &mut BTreeMap<String, String>) -> bool {
        if *self != Self::default() {
            let text = self.text();
            let mut rest = text.as_str();
            for number in 0.. {
                let (piece, left) = rest.split_at(rest.floor_char_boundary_of(LONGEST_VALUE));
                meta.insert(format!("{MORE}{number}"), piece.to_owned());
                rest = left;
                if rest.is_empty() || meta.len() > MOST_PAIRS {
                    break;
                }
            }
        }
        meta.len() <= MOST_PAIRS
    }

    /// Reads the pieces back, with `get` to look a pair up.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn gathered<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Result<Self, String> {
        let pieces = (0..MOST_PAIRS).map_while(|number| get(&format!("{MORE}{number}")));
        let text: String = pieces.collect();
        if text.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(&text).map_err(|error| format!("{MORE}0 and what follows: {error}"))
    }

    /// How much it is.
    pub(crate) fn bytes(&self) -> usize {
        self.text().len()
    }

    fn text(&self) -> String {
        // Maps of texts and numbers can always be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Whether Consul takes the key.
pub(crate) fn fits_key(key: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=LONGEST_KEY).contains(&key.len()) && key.bytes().all(allowed) && !key.starts_with("consul-")
}

/// Whether Consul takes the value.
pub(crate) fn fits_value(value: &str) -> bool {
    value.len() <= LONGEST_VALUE
}

trait FloorCharBoundary {
    /// The largest boundary between letters that is at most `index`. (`str::floor_char_boundary` is younger than the
    /// oldest compiler that we support.)
    fn floor_char_boundary_of(&self, index: usize) -> usize;
}

impl FloorCharBoundary for str {
    fn floor_char_boundary_of(&self, index: usize) -> usize {
        if index >= self.len() {
            return self.len();
        }
        // No letter takes more than four bytes.
        (index.saturating_sub(3)..=index).rev().find(|at| self.is_char_boundary(*at)).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn keys_and_values_fit_as_consul_says() {
        assert!(fits_key("a_B-9") && fits_key(&"x".repeat(128)));
        for key in ["", "a b", "a.b", "ж", "consul-x", &"x".repeat(129)] {
            assert!(!fits_key(key), "{key}");
        }
        assert!(fits_value(&"ж".repeat(256)) && !fits_value(&"ж".repeat(257)));
    }

    #[test]
    fn what_is_broken_says_so() {
        let error = Overflow::gathered(|key| (key == "sd-more-0").then_some("{\"metadata\":")).unwrap_err();
        assert!(error.contains("sd-more-0"), "{error}");
        let known = Overflow::gathered(|key| (key == "sd-more-0").then_some("{\"later\":1}")).unwrap();
        assert_eq!(known, Overflow::default());
    }

    proptest! {
        #[test]
        fn what_is_spread_is_gathered(
            metadata in proptest::collection::btree_map("\\PC{0,40}", "\\PC{0,700}", 0..20),
            ports in proptest::collection::btree_map("\\PC{1,9}", 1u16.., 0..5),
        ) {
            let overflow = Overflow { metadata, ports, ..Overflow::default() };
            let mut meta = BTreeMap::new();
            if overflow.spread_into(&mut meta) {
                prop_assert!(meta.iter().all(|(key, value)| fits_key(key) && fits_value(value)));
                prop_assert_eq!(Overflow::gathered(|key| meta.get(key).map(String::as_str)).unwrap(), overflow);
            } else {
                prop_assert!(overflow.bytes() > 512 * 60);
            }
        }
    }
}
