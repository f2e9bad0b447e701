//! `grpc-timeout`: how long a call may take, as its header says.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

pub(crate) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The most digits that the protocol allows.
const DIGITS: usize = 8;
const LIMIT: u128 = 10u128.pow(DIGITS as u32);

/// What the header says; `None` when it is missing or malformed, which servers ignore, too.
pub(crate) fn stated(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > DIGITS || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// What is left, in the finest unit that holds it; rounded down, so that the server never waits longer than we do.
pub(crate) fn header(left: Duration) -> HeaderValue {
    let units = [(left.as_nanos(), 'n'), (left.as_micros(), 'u'), (left.as_millis(), 'm')];
    let seconds = (u128::from(left.as_secs()).min(LIMIT - 1), 'S');
    let (number, unit) = units.into_iter().find(|(number, _)| *number < LIMIT).unwrap_or(seconds);
    HeaderValue::try_from(format!("{number}{unit}")).unwrap_or(HeaderValue::from_static("0n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(GRPC_TIMEOUT, HeaderValue::from_str(text).unwrap());
        stated(&headers)
    }

    #[test]
    fn every_unit_is_read_and_nonsense_is_none() {
        let cases = [("2H", 7_200_000), ("3M", 180_000), ("4S", 4_000), ("5m", 5), ("6000u", 6), ("7000000n", 7)];
        for (text, millis) in cases {
            assert_eq!(read(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for bad in ["", "S", "1", "1s", "-1S", "+1S", "123456789S", "1 S", "1.5S"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_never_longer() {
        for left in [0, 1, 99_999_999, 100_000_000, 1_234_567_890_123, 86_400_000_000_000 * 365] {
            let left = Duration::from_nanos(left);
            let again = read(header(left).to_str().unwrap()).unwrap();
            assert!(again <= left && left - again <= left / 1_000_000, "{left:?} {again:?}");
        }
        assert!(read(header(Duration::MAX).to_str().unwrap()).unwrap() >= Duration::from_secs(99_999_999));
    }
}
