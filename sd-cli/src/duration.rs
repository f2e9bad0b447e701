//! A time on the command line, written as in a registry's URL.

use std::time::Duration;

/// Reads `500ms`, `10s`, `5m` or `1h`.
///
/// # Errors
/// Anything else, saying what is allowed.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let parsed = text.find(|c: char| !c.is_ascii_digit()).and_then(|end| {
        let (number, unit) = text.split_at(end);
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(millis)
    });
    parsed.map(Duration::from_millis).ok_or_else(|| "allowed is a time such as 500ms, 10s, 5m or 1h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit() {
        for (text, millis) in [("500ms", 500), ("10s", 10_000), ("5m", 300_000), ("1h", 3_600_000), ("0s", 0)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)));
        }
        for text in ["", "10", "s", "-1s", "1.5s", "10 s", "10d", "99999999999999999999h", "9999999999999999h"] {
            assert!(duration(text).unwrap_err().contains("500ms, 10s"), "{text}");
        }
    }
}
