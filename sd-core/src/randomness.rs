//! Randomness that a test can replace.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A source of random numbers: the operating system's through `rand` by default, a fixed sequence in tests.
///
/// # Contract
/// Every `u64` is equally likely. Calls from several threads are allowed at the same time.
pub trait Randomness: fmt::Debug + Send + Sync + 'static {
    /// The next number, uniform over all of `u64`.
    fn next_u64(&self) -> u64;
}

/// Randomness for real use: `rand`'s generator of the calling thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct ThreadRandomness;

impl Randomness for ThreadRandomness {
    fn next_u64(&self) -> u64 {
        rand::random()
    }
}

/// A sequence that is the same in every run: for tests.
#[derive(Debug)]
pub struct SeededRandomness(AtomicU64);

impl SeededRandomness {
    /// The sequence that `seed` stands for.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Randomness for SeededRandomness {
    fn next_u64(&self) -> u64 {
        split_mix(self.0.fetch_add(GOLDEN_GAMMA, Ordering::Relaxed).wrapping_add(GOLDEN_GAMMA))
    }
}

/// The source used where none is given.
#[must_use]
pub fn default_randomness() -> Arc<dyn Randomness> {
    Arc::new(ThreadRandomness)
}

/// A duration between zero and `limit`, both included.
pub(crate) fn up_to(randomness: &dyn Randomness, limit: Duration) -> Duration {
    limit.mul_f64(unit(randomness))
}

/// `base` made longer or shorter by up to `share` of it.
#[must_use]
pub fn spread(randomness: &dyn Randomness, base: Duration, share: f64) -> Duration {
    base.mul_f64((1.0 + share * (2.0 * unit(randomness) - 1.0)).max(0.0))
}

/// A number in `[0, 1)`.
fn unit(randomness: &dyn Randomness) -> f64 {
    // 53 bits are what an f64 can tell apart.
    (randomness.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}

/// The step of SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", OOPSLA 2014).
pub(crate) const GOLDEN_GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// The finaliser of SplitMix64.
#[inline]
pub(crate) const fn split_mix(state: u64) -> u64 {
    let mut z = state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_another_does_not() {
        let draw = |seed| {
            let randomness = SeededRandomness::new(seed);
            [randomness.next_u64(), randomness.next_u64()]
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn a_spread_stays_within_its_share_and_is_one() {
        let randomness = SeededRandomness::new(1);
        let base = Duration::from_secs(10);
        let drawn: Vec<_> = (0..1000).map(|_| spread(&randomness, base, 0.1)).collect();
        assert!(drawn.iter().all(|d| (9.0..=11.0).contains(&d.as_secs_f64())));
        assert!(drawn.iter().max() != drawn.iter().min());
    }
}
