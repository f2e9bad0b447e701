//! One at a time for each id: what this process does to one entry comes in an order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sd_core::{Error, ErrorKind};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::error::error;

/// Who may act on which id now.
///
/// An agent has no compare-and-swap: taking an entry back is to read whose it is, and then to delete it. A handle that
/// is dropped and another that registers the same id, the ordinary restart within a process, would meet in between.
/// Every act is bounded in time, so nobody waits for ever.
#[derive(Debug, Default)]
pub(crate) struct Turns(Arc<Mutex<HashMap<String, Arc<Semaphore>>>>);

/// The right to act on one id, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    id: String,
    table: Arc<Mutex<HashMap<String, Arc<Semaphore>>>>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// Waits for the turn, in order. Cancel safe.
    ///
    /// # Errors
    /// `Unavailable` when it has not come by then.
    pub(crate) async fn take(&self, id: &str, deadline: Instant, operation: &'static str) -> Result<Turn, Error> {
        let line = {
            let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(table.entry(id.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(1))))
        };
        // Made first: it leaves no line behind when the wait is given up.
        let mut turn = Turn { id: id.to_owned(), table: Arc::clone(&self.0), permit: None };
        match timeout_at(deadline, line.acquire_owned()).await {
            Ok(Ok(permit)) => {
                turn.permit = Some(permit);
                Ok(turn)
            }
            _ => Err(error(ErrorKind::Unavailable, operation, format!("{id:?} is still being written"))),
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.permit = None;
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        // The table's own is the last one: nobody waits.
        if table.get(&self.id).is_some_and(|line| Arc::strong_count(line) == 1) {
            table.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test(start_paused = true)]
    async fn one_id_is_one_at_a_time_others_do_not_wait_and_nothing_is_left() {
        let turns = Turns::default();
        let first = turns.take("a", soon(), "register").await.unwrap();
        let _other = turns.take("b", soon(), "register").await.unwrap();
        assert_eq!(turns.take("a", soon(), "register").await.unwrap_err().kind(), ErrorKind::Unavailable);
        let second = turns.take("a", soon(), "register");
        tokio::pin!(second);
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut second).await.is_err());
        drop(first);
        drop(second.await.unwrap());
        assert_eq!(turns.0.lock().unwrap().len(), 1);
    }
}
