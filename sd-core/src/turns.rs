//! A counter per (thread, balancer) and a random state per thread, for picks through a shared reference.

use std::cell::{Cell, RefCell};
use std::sync::{Mutex, PoisonError};

use crate::randomness::{GOLDEN_GAMMA, split_mix};

/// One balancer's place in every thread's table. Dense: places are given back, so that a thread's table is never longer
/// than the most balancers that ever lived at the same time.
#[derive(Debug)]
pub(crate) struct TurnPlace(usize);

static FREE: Mutex<(Vec<usize>, usize)> = Mutex::new((Vec::new(), 0));

impl TurnPlace {
    pub(crate) fn new() -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let place = free.0.pop().unwrap_or_else(|| {
            free.1 += 1;
            free.1 - 1
        });
        Self(place)
    }

    /// Lends this thread's counter for this balancer, and its random state.
    #[inline]
    pub(crate) fn lend<R>(&self, pick: impl FnOnce(&Cell<u64>, &Cell<u64>) -> R) -> R {
        THREAD.with(|thread| {
            // Copied out and back, so that a picker may itself pick from another balancer.
            let turn = Cell::new(thread.turn(self.0));
            let random = Cell::new(thread.random.get());
            let picked = pick(&turn, &random);
            thread.random.set(random.get());
            thread.set_turn(self.0, turn.get());
            picked
        })
    }
}

impl Drop for TurnPlace {
    fn drop(&mut self) {
        FREE.lock().unwrap_or_else(PoisonError::into_inner).0.push(self.0);
    }
}

struct Thread {
    turns: RefCell<Vec<u64>>,
    random: Cell<u64>,
}

thread_local! {
    static THREAD: Thread = Thread { turns: RefCell::default(), random: Cell::new(rand::random()) };
}

impl Thread {
    #[inline]
    fn turn(&self, place: usize) -> u64 {
        let known = self.turns.borrow().get(place).copied();
        known.unwrap_or_else(|| self.first_turn(place))
    }

    #[inline]
    fn set_turn(&self, place: usize, turn: u64) {
        if let Some(slot) = self.turns.borrow_mut().get_mut(place) {
            *slot = turn;
        }
    }

    /// Threads start anywhere, so that they do not all call the first instance first.
    #[cold]
    fn first_turn(&self, place: usize) -> u64 {
        let mut turns = self.turns.borrow_mut();
        while turns.len() <= place {
            turns.push(self.draw());
        }
        turns[place]
    }

    fn draw(&self) -> u64 {
        let state = self.random.get().wrapping_add(GOLDEN_GAMMA);
        self.random.set(state);
        split_mix(state)
    }
}

/// Two states for a new handle, from the calling thread's: no lock, no system call.
pub(crate) fn fresh_states() -> (u64, u64) {
    THREAD.with(|thread| (thread.draw(), thread.draw()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_balancers_on_one_thread_count_apart() {
        let (first, second) = (TurnPlace::new(), TurnPlace::new());
        let count = |place: &TurnPlace| {
            place.lend(|turn, _| {
                turn.set(turn.get().wrapping_add(1));
                turn.get()
            })
        };
        let start = (count(&first), count(&second));
        for n in 1..10 {
            assert_eq!(count(&first), start.0.wrapping_add(n));
            assert_eq!(count(&second), start.1.wrapping_add(n));
        }
    }

    #[test]
    fn places_are_given_back() {
        let places: Vec<_> = (0..100).map(|_| TurnPlace::new()).collect();
        let most = places.iter().map(|place| place.0).max().unwrap();
        drop(places);
        assert!((0..100).map(|_| TurnPlace::new()).all(|place| place.0 <= most));
    }

    #[test]
    fn a_picker_may_pick_from_another_balancer() {
        let (outer, inner) = (TurnPlace::new(), TurnPlace::new());
        outer.lend(|turn, _| {
            turn.set(5);
            inner.lend(|turn, _| turn.set(9));
        });
        assert_eq!(outer.lend(|turn, _| turn.get()), 5);
        assert_eq!(inner.lend(|turn, _| turn.get()), 9);
    }

    #[test]
    fn handles_start_apart() {
        let starts: std::collections::HashSet<_> = (0..100).map(|_| fresh_states().0).collect();
        assert_eq!(starts.len(), 100);
    }
}
