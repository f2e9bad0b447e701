//! When to ask again, and from which index on: what a blocking query's answers mean, without any input or output.

use std::time::Duration;

/// The longest pause between two queries that brought nothing new.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The first pause after a query that brought nothing new though it was answered early.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// What an answer's index says about what was known before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The first answer, or one after the history began again.
    First,
    /// Nothing has happened: the wait is over.
    Nothing,
    /// Something has happened, perhaps not to this service.
    News,
    /// The index went back: Consul was restored, or has forgotten what it knew.
    Back,
}

/// Where a watch stands.
#[derive(Debug, Default)]
pub(crate) struct Polling {
    /// 0: nothing is known, and the next query is answered at once.
    index: u64,
    /// How many queries in a row were answered early and brought nothing new.
    idle: u32,
}

impl Polling {
    /// The index to wait beyond; `None` for an answer at once.
    pub(crate) fn beyond(&self) -> Option<u64> {
        (self.index > 0).then_some(self.index)
    }

    /// Takes up an answer's index.
    pub(crate) fn heard(&mut self, index: Option<u64>) -> Heard {
        // An index of 0, or none, is Consul's fault and must not be waited beyond.
        let index = index.unwrap_or_default();
        let heard = match self.index {
            0 => Heard::First,
            known if index < known => Heard::Back,
            known if index == known => Heard::Nothing,
            _ => Heard::News,
        };
        // After a step back everything is read anew, as Consul asks its clients to.
        self.index = if heard == Heard::Back { 0 } else { index };
        heard
    }

    /// How long to leave the agent alone after an answer that took `reading` to be read and understood, and changed
    /// something or not.
    ///
    /// A change is waited for without a pause, unless answers are large: reading them takes at most a quarter of the
    /// time, here and, in the same measure, where they are written.
    /// What brings nothing new (the churn of other services wakes who watches a service without instances) is asked for
    /// ever less often, up to once a second.
    pub(crate) fn pause(&mut self, reading: Duration, changed: bool, waited_out: bool) -> Duration {
        if changed || waited_out {
            self.idle = 0;
            return reading.saturating_mul(3).min(LONGEST_PAUSE);
        }
        let pause = SHORTEST_PAUSE.saturating_mul(1 << self.idle.min(10));
        self.idle = self.idle.saturating_add(1);
        pause.max(reading).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn go_kit_997_an_index_that_goes_back_starts_again_from_nothing() {
        let mut polling = Polling::default();
        assert_eq!((polling.beyond(), polling.heard(Some(21))), (None, Heard::First));
        assert_eq!((polling.beyond(), polling.heard(Some(21))), (Some(21), Heard::Nothing));
        assert_eq!(polling.heard(Some(30)), Heard::News);
        assert_eq!((polling.beyond(), polling.heard(Some(11))), (Some(30), Heard::Back));
        assert_eq!((polling.beyond(), polling.heard(Some(11))), (None, Heard::First));
        assert_eq!(polling.beyond(), Some(11));
    }

    #[test]
    fn an_index_of_zero_or_none_is_never_waited_beyond() {
        for index in [None, Some(0)] {
            let mut polling = Polling::default();
            assert_eq!(polling.heard(index), Heard::First);
            assert_eq!(polling.beyond(), None);
        }
    }

    #[test]
    fn go_kit_1214_what_brings_nothing_new_is_asked_for_ever_less_often() {
        let mut polling = Polling::default();
        let pauses: Vec<_> = (0..8).map(|_| polling.pause(Duration::ZERO, false, false).as_millis()).collect();
        assert_eq!(pauses, [20, 40, 80, 160, 320, 640, 1000, 1000]);
        assert_eq!(polling.pause(Duration::ZERO, true, false), Duration::ZERO);
        assert_eq!(polling.pause(Duration::from_millis(20), true, false), Duration::from_millis(60));
        assert_eq!(polling.pause(Duration::from_millis(400), true, false), LONGEST_PAUSE);
    }

    proptest! {
        #[test]
        fn go_kit_997_it_waits_beyond_what_was_heard_last_and_nothing_else(
            indexes in proptest::collection::vec(proptest::option::of(0u64..50), 1..60)
        ) {
            let mut polling = Polling::default();
            let mut last: Option<u64> = None;
            for index in indexes {
                let heard = polling.heard(index);
                let index = index.unwrap_or(0);
                let went_back = last.is_some_and(|last| last > 0 && index < last);
                prop_assert_eq!(heard == Heard::Back, went_back);
                let wanted = if went_back || index == 0 { None } else { Some(index) };
                prop_assert_eq!(polling.beyond(), wanted);
                last = Some(if went_back { 0 } else { index });
            }
        }

        #[test]
        fn go_kit_1214_idle_answers_cost_at_most_a_few_queries_a_second(
            reading in proptest::collection::vec(0u64..3000, 20..100)
        ) {
            let mut polling = Polling::default();
            let pauses: Duration = reading.iter().map(|ms| polling.pause(Duration::from_millis(*ms), false, false)).sum();
            let queries = u32::try_from(reading.len()).unwrap();
            prop_assert!(pauses >= (queries - 7) * LONGEST_PAUSE);
        }
    }
}
