//! A change, from the publisher's call to the first pick that knows it.

use crate::floors::chunked::Change;
use crate::harness::Make;

/// On one thread: publish, let the endpoints take it over, pick. What restores the size is not timed (`Make::timed`).
pub fn publish(change: Change, n: usize) -> Option<Make> {
    let _ = (change, n);
    None
}

/// The same, the one who picks being parked on another thread until the change wakes it.
pub fn publish_parked(n: usize) -> Option<Make> {
    let _ = n;
    None
}
