//! Retry throttling: retries stop while more calls fail than succeed by far.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use sd_core::Error;

/// gRPC's retry throttling: each failed attempt takes a token, each answer gives a share of one back, and nothing is
/// tried again unless more than half of the tokens are there.
#[derive(Debug, Clone)]
pub(crate) struct Throttle(Arc<Tokens>);

#[derive(Debug)]
struct Tokens {
    /// In thousandths, which is as fine as the protocol's ratio goes.
    left: AtomicI64,
    most: i64,
    ratio: i64,
}

const THOUSAND: i64 = 1000;

impl Throttle {
    /// # Errors
    /// `Config` for tokens that are not above 0 and up to 1000, and a ratio that is not above 0.
    pub(crate) fn new(most: f64, ratio: f64) -> Result<Self, Error> {
        if !(most > 0.0 && most <= 1000.0) {
            return Err(Error::config(format!("maxTokens {most}: allowed is more than 0, up to 1000")));
        }
        let ratio_thousandths = (ratio * THOUSAND as f64) as i64;
        if ratio_thousandths <= 0 {
            return Err(Error::config(format!("tokenRatio {ratio}: allowed is 0.001 and more")));
        }
        let most = (most * THOUSAND as f64) as i64;
        Ok(Self(Arc::new(Tokens { left: AtomicI64::new(most), most, ratio: ratio_thousandths })))
    }

    /// Notes an answer that stands.
    pub(crate) fn succeeded(&self) {
        let Tokens { left, most, ratio } = &*self.0;
        // Full nearly always: nothing is written then.
        if left.load(Ordering::Relaxed) < *most {
            let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some((left + ratio).min(*most)));
        }
    }

    /// Notes a failed attempt; says whether it may be tried again.
    pub(crate) fn failed(&self) -> bool {
        let Tokens { left, most, .. } = &*self.0;
        let take = |left: i64| (left - THOUSAND).max(0);
        let before = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(take(left)));
        take(before.unwrap_or_else(|left| left)) > most / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_half_nothing_is_tried_again_until_answers_fill_it() {
        let throttle = Throttle::new(4.0, 0.5).unwrap();
        assert_eq!([(); 3].map(|()| throttle.failed()), [true, false, false]);
        for _ in 0..4 {
            throttle.succeeded();
        }
        assert!(!throttle.failed());
        for _ in 0..100 {
            throttle.succeeded();
        }
        assert_eq!([(); 2].map(|()| throttle.failed()), [true, false]);
        for _ in 0..100 {
            throttle.failed();
        }
        assert_eq!(throttle.0.left.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (most, ratio) in [(0.0, 1.0), (1001.0, 1.0), (f64::NAN, 1.0), (1.0, 0.0), (1.0, 0.0001), (1.0, f64::NAN)] {
            assert!(Throttle::new(most, ratio).is_err(), "{most} {ratio}");
        }
    }
}
