//! Self-preservation: when too many leases lapse at once, the trouble is more likely ours than theirs.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::clock::{Millis, millis};

/// Lapses are counted over so long a time.
const WINDOW: Millis = 60_000;
/// And by the second, so that the count takes no more room however many there are.
const BUCKET: Millis = 1_000;

/// When evictions stop, and for how long.
///
/// When more than `share` of all leases lapse within a minute, lapsed entries are kept, as Eureka does: that many
/// registrants do not die at once, a network does. Those that renew go on as if nothing had been. Evictions begin again
/// when so many have come back that the share of the lapsed is within the limit; none is kept longer than `age_limit`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SelfPreservation {
    /// The share of leases, 0 to 1, that may lapse within a minute. Default 0.15; 1 switches it off.
    pub share: f64,
    /// Fewer lapses than this within a minute never stop evictions, whatever their share: two of three instances that
    /// die are a matter of every day. Default 10.
    pub at_least: usize,
    /// No lapsed entry is kept longer than this. Default 10 min.
    pub age_limit: Duration,
}

impl Default for SelfPreservation {
    fn default() -> Self {
        Self { share: 0.15, at_least: 10, age_limit: Duration::from_secs(600) }
    }
}

/// What to do with leases that have just lapsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Evict,
    Keep,
}

/// Counts lapses, and decides.
#[derive(Debug)]
pub(crate) struct Preservation {
    rules: SelfPreservation,
    /// Evictions by second, oldest first.
    evicted: VecDeque<(Millis, usize)>,
    since: Option<Millis>,
}

impl Preservation {
    pub(crate) fn new(rules: SelfPreservation) -> Self {
        Self { rules, evicted: VecDeque::new(), since: None }
    }

    /// Since when evictions are stopped.
    pub(crate) fn since(&self) -> Option<Millis> {
        self.since
    }

    pub(crate) fn age_limit(&self) -> Millis {
        millis(self.rules.age_limit)
    }

    /// `lapsed` leases have just lapsed, and `kept` before; `held` are all there are, those included.
    pub(crate) fn judge(&mut self, now: Millis, lapsed: usize, kept: usize, held: usize) -> Verdict {
        let evicted = self.evicted_lately(now);
        if self.since.is_none() && self.is_too_many(evicted + kept + lapsed, held + evicted) {
            self.since = Some(now);
        }
        if self.since.is_some() {
            return Verdict::Keep;
        }
        self.evict(now, lapsed);
        Verdict::Evict
    }

    /// `kept` lapsed leases are being kept, of `held` that are held, those included; says whether they are to be
    /// evicted now, because they are few enough.
    pub(crate) fn recovers(&mut self, now: Millis, kept: usize, held: usize) -> bool {
        let evicted = self.evicted_lately(now);
        let over = self.since.is_some() && !self.is_too_many(evicted + kept, held + evicted);
        if over {
            self.since = None;
            self.evict(now, kept);
        }
        over
    }

    fn evict(&mut self, now: Millis, count: usize) {
        let bucket = now - now % BUCKET;
        match self.evicted.back_mut() {
            Some((at, before)) if *at == bucket => *before += count,
            _ => self.evicted.push_back((bucket, count)),
        }
    }

    fn evicted_lately(&mut self, now: Millis) -> usize {
        while self.evicted.front().is_some_and(|(at, _)| at + WINDOW <= now) {
            self.evicted.pop_front();
        }
        self.evicted.iter().map(|(_, count)| count).sum()
    }

    fn is_too_many(&self, lapsed: usize, held: usize) -> bool {
        lapsed >= self.rules.at_least.max(1) && lapsed as f64 > self.rules.share * held as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preservation() -> Preservation {
        Preservation::new(SelfPreservation::default())
    }

    #[test]
    fn a_few_lapses_evict_and_a_flood_does_not() {
        let mut preservation = preservation();
        assert_eq!(preservation.judge(0, 9, 0, 100), Verdict::Evict);
        assert_eq!(preservation.judge(500, 6, 0, 91), Verdict::Evict, "15 of 100 is the limit, not above it");
        assert_eq!(preservation.judge(1_000, 1, 0, 85), Verdict::Keep, "16 of 100");
        assert_eq!(preservation.since(), Some(1_000));
        assert_eq!(preservation.judge(2_000, 1, 1, 85), Verdict::Keep, "and all after it");
    }

    #[test]
    fn lapses_of_more_than_a_minute_ago_do_not_count() {
        let mut preservation = preservation();
        assert_eq!(preservation.judge(0, 15, 0, 100), Verdict::Evict);
        assert_eq!(preservation.judge(61_000, 12, 0, 85), Verdict::Evict);
        assert_eq!(preservation.judge(62_000, 3, 0, 73), Verdict::Keep, "15 of 85");
    }

    #[test]
    fn a_small_fleet_loses_its_dead() {
        let mut preservation = preservation();
        assert_eq!(preservation.judge(0, 2, 0, 3), Verdict::Evict);
        assert_eq!(preservation.judge(0, 7, 0, 9), Verdict::Evict);
        assert_eq!(preservation.judge(0, 1, 0, 2), Verdict::Keep, "the tenth within a minute");
    }

    #[test]
    fn it_ends_when_enough_have_come_back() {
        let mut preservation = preservation();
        assert_eq!(preservation.judge(0, 40, 0, 100), Verdict::Keep);
        assert!(!preservation.recovers(1, 40, 100));
        assert!(!preservation.recovers(2, 16, 100));
        assert!(preservation.recovers(3, 15, 100));
        assert_eq!(preservation.since(), None);
        assert!(!preservation.recovers(4, 0, 85), "it ends once");
        assert_eq!(preservation.judge(5, 1, 0, 85), Verdict::Keep, "those evicted at its end count as any others");
    }

    #[test]
    fn one_that_is_kept_after_many_that_were_evicted_stays_for_the_minute() {
        let mut preservation = preservation();
        for second in 0..9 {
            assert_eq!(preservation.judge(second * 1_000, 1, 0, 40), Verdict::Evict);
        }
        assert_eq!(preservation.judge(9_000, 1, 0, 31), Verdict::Keep, "the tenth of 40");
        assert!(!preservation.recovers(9_500, 1, 31));
        assert!(preservation.recovers(61_500, 1, 31));
    }

    #[test]
    fn a_share_of_one_switches_it_off() {
        let mut preservation = Preservation::new(SelfPreservation { share: 1.0, ..SelfPreservation::default() });
        assert_eq!(preservation.judge(0, 1_000, 0, 1_000), Verdict::Evict);
    }
}
