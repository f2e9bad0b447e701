//! Latencies of single picks while the set is being changed at a steady rate by another thread.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use super::clock::Stopwatch;
use super::histogram::Histogram;

/// Something that is picked from, and changed meanwhile.
pub struct Load {
    /// One pick; on the measuring thread.
    pub pick: Box<dyn FnMut()>,
    /// One change; on another thread.
    pub update: Box<dyn FnMut() + Send>,
}

/// Picks for `length` while changing at `rate` per second. Gives the latencies and the rate that was reached.
pub fn slice(load: &mut Load, rate: u32, length: Duration) -> (Histogram, f64) {
    let stop = AtomicBool::new(false);
    let done = AtomicU64::new(0);
    let mut histogram = Histogram::default();
    let Load { pick, update } = load;
    std::thread::scope(|scope| {
        let (stop, done) = (&stop, &done);
        scope.spawn(move || {
            let period = Duration::from_secs(1) / rate;
            let watch = Stopwatch::start();
            let mut due = period;
            while !stop.load(Ordering::Relaxed) {
                std::thread::sleep(due.saturating_sub(watch.elapsed()));
                update();
                done.fetch_add(1, Ordering::Relaxed);
                due += period;
            }
        });
        let whole = Stopwatch::start();
        while whole.elapsed() < length {
            for _ in 0..256 {
                let watch = Stopwatch::start();
                pick();
                histogram.record(watch.elapsed());
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    let reached = done.load(Ordering::Relaxed) as f64 / length.as_secs_f64();
    (histogram, reached)
}
