//! Which of several endpoints to try next: healthy ones first, then the one that has been in trouble longest.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::randomness::Randomness;

/// Which of a registry's endpoints to try next: a backend uses one at a time, and the others stand in for it.
///
/// The healthy come first, then the one that has been in trouble longest; so a sick one is tried again, and only when
/// the others are in trouble.
#[derive(Debug)]
pub struct Rotation {
    endpoints: Vec<String>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Since when each was last known to be in trouble.
    trouble: Vec<Option<Instant>>,
    /// Where the round begins.
    start: usize,
}

impl Rotation {
    /// Begins at a random one, so that a thousand processes with one URL do not all use its first host.
    pub fn new(endpoints: Vec<String>, randomness: &dyn Randomness) -> Self {
        let start = (randomness.next_u64() % endpoints.len().max(1) as u64) as usize;
        let state = State { trouble: vec![None; endpoints.len()], start };
        Self { endpoints, state: Mutex::new(state) }
    }

    /// An endpoint as it was given; empty where there is none of that number.
    #[must_use]
    pub fn name(&self, endpoint: usize) -> &str {
        self.endpoints.get(endpoint).map_or("", String::as_str)
    }

    /// The best endpoint beside those already `tried`; counted as in trouble until [`works`](Self::works) is said, so
    /// that an attempt that nobody waited for counts too.
    pub fn next(&self, tried: &[usize]) -> Option<usize> {
        let mut state = self.lock();
        let n = self.endpoints.len();
        let start = state.start;
        // `None`, no trouble, sorts before any instant.
        let best = (0..n)
            .filter(|endpoint| !tried.contains(endpoint))
            .min_by_key(|endpoint| (state.trouble[*endpoint], (endpoint + n - start) % n))?;
        state.trouble[best] = Some(Instant::now());
        Some(best)
    }

    /// Notes that an endpoint answers.
    pub fn works(&self, endpoint: usize) {
        if let Some(trouble) = self.lock().trouble.get_mut(endpoint) {
            *trouble = None;
        }
    }

    /// Notes that an endpoint is in trouble.
    pub fn fails(&self, endpoint: usize) {
        let mut state = self.lock();
        if let Some(trouble) = state.trouble.get_mut(endpoint) {
            *trouble = Some(Instant::now());
            state.start = (endpoint + 1) % self.endpoints.len();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::randomness::SeededRandomness;
    use std::time::Duration;

    fn rotation(n: usize) -> Rotation {
        Rotation::new((0..n).map(|n| n.to_string()).collect(), &SeededRandomness::new(1))
    }

    #[tokio::test(start_paused = true)]
    async fn the_healthy_come_first_and_then_the_longest_in_trouble() {
        let rotation = rotation(3);
        rotation.fails(1);
        tokio::time::advance(Duration::from_secs(1)).await;
        rotation.fails(0);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(rotation.next(&[]), Some(2));
        tokio::time::advance(Duration::from_secs(1)).await;
        // 2 was tried and nobody said that it works.
        assert_eq!(rotation.next(&[]), Some(1));
        assert_eq!(rotation.next(&[1]), Some(0));
        assert_eq!(rotation.next(&[0, 1, 2]), None);
        rotation.works(2);
        assert_eq!(rotation.next(&[]), Some(2));
    }

    #[test]
    fn processes_begin_at_different_endpoints() {
        let first = |seed| {
            let endpoints = (0..3).map(|n| n.to_string()).collect();
            Rotation::new(endpoints, &SeededRandomness::new(seed)).next(&[])
        };
        let seen: std::collections::HashSet<_> = (0..50).map(first).collect();
        assert_eq!(seen.len(), 3);
    }
}
