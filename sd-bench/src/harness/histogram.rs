//! A histogram of latencies: 64 steps per power of two, so a quantile is right to about 1.5 %.

use std::time::Duration;

const STEPS_LOG2: u32 = 6;
const STEPS: u64 = 1 << STEPS_LOG2;

/// Counts of nanoseconds.
#[derive(Debug, Clone)]
pub struct Histogram {
    counts: Box<[u64]>,
    total: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        let buckets = (64 - STEPS_LOG2 as usize + 1) << STEPS_LOG2;
        Self { counts: vec![0; buckets].into_boxed_slice(), total: 0 }
    }
}

impl Histogram {
    /// Counts one.
    #[inline]
    pub fn record(&mut self, latency: Duration) {
        let nanos = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.counts[bucket(nanos)] += 1;
        self.total += 1;
    }

    /// Counts all that `other` has counted, too.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.total += other.total;
    }

    /// The nanoseconds that this share of all did not exceed (zero of none).
    #[must_use]
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (self.total as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank.max(1) {
                return middle(bucket);
            }
        }
        0.0
    }
}

#[inline]
fn bucket(nanos: u64) -> usize {
    if nanos < STEPS {
        return nanos as usize;
    }
    let shift = nanos.ilog2() - STEPS_LOG2;
    let step = (nanos >> shift) - STEPS;
    (((u64::from(shift) + 1) << STEPS_LOG2) + step) as usize
}

fn middle(bucket: usize) -> f64 {
    let bucket = bucket as u64;
    if bucket < STEPS {
        return bucket as f64;
    }
    let shift = (bucket >> STEPS_LOG2) - 1;
    let low = ((bucket & (STEPS - 1)) + STEPS) << shift;
    low as f64 + ((1_u64 << shift) - 1) as f64 / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_right_to_two_percent() {
        let mut histogram = Histogram::default();
        for nanos in 1..=1_000_000 {
            histogram.record(Duration::from_nanos(nanos));
        }
        for share in [0.01, 0.5, 0.99, 0.9999] {
            let wanted = share * 1e6;
            let got = histogram.quantile(share);
            assert!((got - wanted).abs() <= wanted * 0.02, "{share}: {got} for {wanted}");
        }
    }

    #[test]
    fn small_numbers_are_exact_and_large_ones_have_a_place() {
        let mut histogram = Histogram::default();
        assert!(histogram.quantile(0.5).abs() < f64::EPSILON);
        histogram.record(Duration::from_nanos(7));
        assert!((histogram.quantile(0.5) - 7.0).abs() < f64::EPSILON);
        histogram.record(Duration::MAX);
        assert!(histogram.quantile(1.0) > 1e18);
    }
}
