//! A picking thread that is parked until it is told of a change.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::chunked::Chunked;
use crate::harness::clock::Stopwatch;

/// The thread, and the way to it.
#[derive(Debug)]
pub struct Waiter {
    tell: Option<Sender<(usize, u32)>>,
    seen: Receiver<Stopwatch>,
    thread: Option<JoinHandle<()>>,
}

impl Waiter {
    /// Starts the thread.
    pub fn start(set: Arc<ArcSwap<Chunked>>) -> anyhow::Result<Self> {
        let (tell, told) = channel::<(usize, u32)>();
        let (answer, seen) = channel();
        let thread = std::thread::Builder::new().spawn(move || {
            // A receiver that finds nothing parks its thread.
            while let Ok((at, weight)) = told.recv() {
                while set.load().get(at).is_none_or(|m| m.weight != weight) {
                    std::hint::spin_loop();
                }
                if answer.send(Stopwatch::start()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { tell: Some(tell), seen, thread: Some(thread) })
    }

    /// Waits until the thread is parked.
    pub fn settle(&self) {
        std::thread::sleep(Duration::from_micros(100));
    }

    /// Tells it to look for a weight; gives the moment at which it saw it.
    #[must_use]
    pub fn wake(&self, at: usize, weight: u32) -> Option<Stopwatch> {
        self.tell.as_ref()?.send((at, weight)).ok()?;
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
