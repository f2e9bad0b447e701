//! A change, from the publisher's call to the first pick that knows it.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use sd_core::{Change as Published, EndpointCell, PickRequest};

use super::endpoints::{Followed, Uncalled, instance};
use crate::data::Jumps;
use crate::floors::chunked::Change;
use crate::harness::Make;
use crate::harness::clock::Stopwatch;

/// On one thread: publish, let the endpoints take it over, pick. What restores the size is not timed (`Make::timed`).
pub fn publish(change: Change, n: usize) -> Option<Make> {
    Some(Make::timed(move || {
        let followed = Followed::start(n)?;
        let mut jumps = Jumps::over(n);
        let mut weight = 1;
        Ok(move || {
            weight += 1;
            let (change, undo) = match change {
                Change::Add => (put(n, weight), Some(Published::Remove(instance(n).id().into()))),
                Change::Remove => {
                    let at = jumps.next();
                    (Published::Remove(instance(at).id().into()), Some(put(at, weight)))
                }
                Change::Weight => (put(jumps.next(), weight), None),
            };
            let watch = Stopwatch::start();
            followed.publish(change);
            let took = watch.elapsed();
            if let Some(undo) = undo {
                followed.publish(undo);
            }
            took
        })
    }))
}

/// The `index`th instance with a weight that is allowed, and another one than the last.
pub fn put(index: usize, weight: u32) -> Published {
    Published::Put(Arc::new(instance(index).with_weight(1 + weight % 60_000)))
}

/// The same, the one who picks being parked on another thread until the change wakes it.
pub fn publish_parked(n: usize) -> Option<Make> {
    Some(Make::timed(move || {
        let followed = Followed::start(n)?;
        let waiter = Waiter::start(Arc::clone(followed.cell()))?;
        let mut jumps = Jumps::over(n);
        let mut weight = 1;
        Ok(move || {
            weight += 1;
            let change = put(jumps.next(), weight);
            waiter.park(followed.cell().version());
            let watch = Stopwatch::start();
            followed.publish(change);
            waiter.woken().map_or(Duration::ZERO, |woken| watch.until(woken))
        })
    }))
}

/// A thread that waits for the endpoints to change, picks, and says when it has.
struct Waiter {
    tell: Option<Sender<u64>>,
    seen: Receiver<Stopwatch>,
    thread: Option<JoinHandle<()>>,
}

impl Waiter {
    fn start(cell: Arc<EndpointCell<Uncalled>>) -> anyhow::Result<Self> {
        let (tell, told) = channel::<u64>();
        let (answer, seen) = channel();
        let runtime = tokio::runtime::Builder::new_current_thread().build().context("the waiter's runtime")?;
        let thread = std::thread::Builder::new().spawn(move || {
            while let Ok(known) = told.recv() {
                runtime.block_on(cell.changed(known));
                std::hint::black_box(cell.pick(PickRequest::new()).is_ok());
                if answer.send(Stopwatch::start()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { tell: Some(tell), seen, thread: Some(thread) })
    }

    /// Has it wait for another version than `known`, and waits until it is parked.
    fn park(&self, known: u64) {
        if let Some(tell) = &self.tell {
            // Fails only if the thread has panicked, which has been printed.
            tell.send(known).ok();
        }
        std::thread::sleep(Duration::from_micros(100));
    }

    fn woken(&self) -> Option<Stopwatch> {
        self.seen.recv().ok()
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.tell = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has already been printed.
            drop(thread.join());
        }
    }
}
