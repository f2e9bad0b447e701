//! The threads that run the arms: one or two at a time, started together, each with its own state.
//!
//! The threads live as long as the case, so that thread-local state (counters, cached snapshots) is as warm as it is in
//! a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow};

use super::alloc;
use super::arm::{Arm, Run};

/// What one batch cost.
#[derive(Debug, Clone, Copy)]
pub struct Batch {
    /// The slowest thread's time.
    pub longest: Duration,
    /// Nanoseconds per operation, the mean of the threads.
    pub nanos: f64,
    /// Allocations per operation, the mean of the threads.
    pub allocations: f64,
}

struct Order {
    arm: usize,
    times: u64,
    gate: Arc<Gate>,
}

type Done = anyhow::Result<(Duration, u64)>;

/// Everyone leaves when the last has come. It spins: a wake-up takes longer than many a batch.
struct Gate {
    missing: AtomicUsize,
}

impl Gate {
    fn pass(&self) {
        self.missing.fetch_sub(1, Ordering::AcqRel);
        let mut spins = 0_u32;
        while self.missing.load(Ordering::Acquire) > 0 {
            spins += 1;
            if spins.is_multiple_of(10_000) {
                // Somebody else may have the other's core.
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
    }
}

struct Lane {
    orders: Option<Sender<Order>>,
    done: Receiver<Done>,
    thread: Option<JoinHandle<()>>,
}

/// The threads of one case.
pub struct Workers {
    lanes: Vec<Lane>,
    threads: Vec<usize>,
}

impl Workers {
    /// Starts as many threads as the arms need and builds each arm's state on each thread that will run it.
    pub fn start(arms: &[Arm]) -> anyhow::Result<Self> {
        let most = arms.iter().map(|arm| arm.threads).max().unwrap_or(0);
        let lanes = (0..most).map(|lane| start_lane(lane, arms)).collect::<anyhow::Result<Vec<_>>>()?;
        for lane in &lanes {
            lane.done.recv().context("a measuring thread ended")??;
        }
        let threads = arms.iter().map(|arm| arm.threads).collect();
        Ok(Self { lanes, threads })
    }

    /// Runs one arm `times` times on each of its threads.
    pub fn run(&self, arm: usize, times: u64) -> anyhow::Result<Batch> {
        let threads = *self.threads.get(arm).context("no such arm")?;
        let gate = Arc::new(Gate { missing: AtomicUsize::new(threads) });
        let lanes = self.lanes.get(..threads).context("too few threads")?;
        for lane in lanes {
            let gate = Arc::clone(&gate);
            let orders = lane.orders.as_ref().context("threads are stopping")?;
            orders.send(Order { arm, times, gate }).map_err(|_| anyhow!("a measuring thread ended"))?;
        }
        let mut batch = Batch { longest: Duration::ZERO, nanos: 0.0, allocations: 0.0 };
        for lane in lanes {
            let (time, allocations) = lane.done.recv().context("a measuring thread ended")??;
            let share = 1.0 / (times.max(1) as f64 * threads as f64);
            batch.longest = batch.longest.max(time);
            batch.nanos += time.as_nanos() as f64 * share;
            batch.allocations += allocations as f64 * share;
        }
        Ok(batch)
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        for lane in &mut self.lanes {
            lane.orders = None;
            if let Some(thread) = lane.thread.take() {
                // A panic there has already been printed.
                drop(thread.join());
            }
        }
    }
}

fn start_lane(lane: usize, arms: &[Arm]) -> anyhow::Result<Lane> {
    let arms: Vec<Option<Arm>> = arms.iter().map(|arm| (lane < arm.threads).then(|| arm.clone())).collect();
    let (orders, incoming) = channel::<Order>();
    let (report, done) = channel::<Done>();
    let thread =
        std::thread::Builder::new().name(format!("lane-{lane}")).spawn(move || work(&arms, &incoming, &report))?;
    Ok(Lane { orders: Some(orders), done, thread: Some(thread) })
}

fn work(arms: &[Option<Arm>], orders: &Receiver<Order>, report: &Sender<Done>) {
    let mut runs: Vec<Option<Run>> = Vec::new();
    for arm in arms {
        let Some(arm) = arm else {
            runs.push(None);
            continue;
        };
        match arm.make.build() {
            Ok(run) => runs.push(Some(run)),
            Err(error) => {
                drop(report.send(Err(error.context(format!("setting up {:?}", arm.name)))));
                return;
            }
        }
    }
    if report.send(Ok((Duration::ZERO, 0))).is_err() {
        return;
    }
    while let Ok(order) = orders.recv() {
        let Some(Some(run)) = runs.get_mut(order.arm) else {
            drop(report.send(Err(anyhow!("an arm was sent to a thread that lacks it"))));
            return;
        };
        order.gate.pass();
        let before = alloc::count();
        let time = run(order.times);
        let allocations = alloc::count() - before;
        if report.send(Ok((time, allocations))).is_err() {
            return;
        }
    }
}
