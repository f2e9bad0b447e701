//! Whole numbers, as JSON has them: `1000.0` is one, and some languages write nothing else.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

/// Whole numbers up to here have each a float of their own.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A whole number that fits `T`, however it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole<T>(pub(crate) T);

impl<'de, T: TryFrom<u64>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let number = deserializer.deserialize_u64(WholeVisitor)?;
        T::try_from(number).map(Self).map_err(|_| {
            let largest = (1_u64 << (8 * size_of::<T>() - 1)).wrapping_mul(2).wrapping_sub(1);
            D::Error::custom(format!("{number} is too large: allowed are 0 to {largest}"))
        })
    }
}

struct WholeVisitor;

impl Visitor<'_> for WholeVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number of 0 or more")
    }

    fn visit_u64<E>(self, number: u64) -> Result<u64, E> {
        Ok(number)
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<u64, E> {
        if number.fract() == 0.0 && (0.0..=EXACT).contains(&number) {
            // Exact, as it is whole and no larger than what a float can tell apart.
            return Ok(number as u64);
        }
        Err(E::invalid_value(serde::de::Unexpected::Float(number), &self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_read_however_they_are_written() {
        for (text, number) in [("7", 7), ("7.0", 7), ("0", 0), ("-0.0", 0), ("6.5535e4", 65_535)] {
            assert_eq!(serde_json::from_str::<Whole<u16>>(text).unwrap(), Whole(number), "{text}");
        }
        for text in ["-1", "1.5", "65536", "1e30", "\"7\"", "null", "true", "-1.0"] {
            assert!(serde_json::from_str::<Whole<u16>>(text).is_err(), "{text}");
        }
        assert_eq!(serde_json::from_str::<Whole<u64>>("18446744073709551615").unwrap(), Whole(u64::MAX));
        let error = serde_json::from_str::<Whole<u16>>("65536").unwrap_err().to_string();
        assert!(error.contains("65536 is too large: allowed are 0 to 65535"), "{error}");
    }
}
