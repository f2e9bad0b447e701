//! One attempt for all who wait, kept once it worked.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

use crate::error::Error;

/// Something that is made at most once at a time, and kept until it is given up.
///
/// Everyone who asks meanwhile waits for the same attempt and gets the same answer; one that failed is not kept. An
/// attempt whose caller goes away is taken over by the next who waits. Backends make their connections, leases and
/// sessions so, however many registrations and watches ask for one.
#[derive(Debug)]
pub struct SingleFlight<T>(Mutex<Slot<T>>);

type Slot<T> = Arc<OnceCell<Result<Arc<T>, Error>>>;

impl<T> Default for SingleFlight<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Send + Sync> SingleFlight<T> {
    /// What is kept; else what `make` makes now.
    ///
    /// # Cancel safety
    /// Cancel safe: an attempt under way is taken over by the next who waits for it.
    ///
    /// # Errors
    /// What `make` answers; everyone who waited gets the same.
    pub async fn get<F>(&self, make: impl FnOnce() -> F + Send) -> Result<Arc<T>, Error>
    where
        F: Future<Output = Result<T, Error>> + Send,
    {
        let slot = Arc::clone(&self.lock());
        let result = slot.get_or_init(|| async { make().await.map(Arc::new) }).await.clone();
        if result.is_err() {
            self.clear(|kept| Arc::ptr_eq(kept, &slot));
        }
        result
    }

    /// Keeps `value` no longer; says whether it was kept.
    pub fn give_up(&self, value: &Arc<T>) -> bool {
        self.clear(|kept| matches!(kept.get(), Some(Ok(kept)) if Arc::ptr_eq(kept, value)))
    }

    fn clear(&self, applies: impl FnOnce(&Slot<T>) -> bool) -> bool {
        let mut slot = self.lock();
        let applies = applies(&slot);
        if applies {
            *slot = Slot::default();
        }
        applies
    }

    fn lock(&self) -> MutexGuard<'_, Slot<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[tokio::test]
    async fn all_who_wait_share_one_attempt_and_a_failure_is_not_kept() {
        let flight = SingleFlight::<u32>::default();
        let made = AtomicUsize::new(0);
        let fail = || async {
            made.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Err(Error::unavailable("x"))
        };
        let (a, b) = tokio::join!(flight.get(fail), flight.get(fail));
        assert!(a.is_err() && b.is_err());
        assert_eq!(made.load(Ordering::Relaxed), 1);
        assert_eq!(*flight.get(|| async { Ok(7) }).await.unwrap(), 7);
        assert_eq!(*flight.get(|| async { Ok(8) }).await.unwrap(), 7);
    }

    #[tokio::test]
    async fn an_attempt_whose_caller_goes_away_is_taken_over() {
        let flight = SingleFlight::<u32>::default();
        let first = flight.get(std::future::pending);
        let second = flight.get(|| async { Ok(2) });
        tokio::pin!(second);
        tokio::select! {
            biased;
            _ = first => unreachable!(),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(*second.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn only_what_is_kept_can_be_given_up() {
        let flight = SingleFlight::<u32>::default();
        let kept = flight.get(|| async { Ok(1) }).await.unwrap();
        assert!(flight.give_up(&kept));
        assert!(!flight.give_up(&kept));
        assert_eq!(*flight.get(|| async { Ok(2) }).await.unwrap(), 2);
    }
}
