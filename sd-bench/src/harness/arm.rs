//! One thing that is measured: ours, a floor or a peer, on one thread or two.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use super::clock::Stopwatch;

/// Does the operation so many times and says how long the timed part took.
pub type Run = Box<dyn FnMut(u64) -> Duration>;

/// Makes one thread's state and loop; called on that thread.
#[derive(Clone)]
pub struct Make(Arc<dyn Fn() -> anyhow::Result<Run> + Send + Sync>);

impl std::fmt::Debug for Make {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Make")
    }
}

impl Make {
    /// A plain operation: the whole loop is timed. `make` builds a thread's state, the closure it gives is the operation.
    pub fn op<F, T>(make: impl Fn() -> anyhow::Result<F> + Send + Sync + 'static) -> Self
    where
        F: FnMut() -> T + 'static,
    {
        Self(Arc::new(move || {
            let mut op = make()?;
            Ok(Box::new(move |times| {
                let watch = Stopwatch::start();
                for _ in 0..times {
                    black_box(op());
                }
                watch.elapsed()
            }))
        }))
    }

    /// An operation that times itself, because it must prepare something first that does not count.
    pub fn timed<F>(make: impl Fn() -> anyhow::Result<F> + Send + Sync + 'static) -> Self
    where
        F: FnMut() -> Duration + 'static,
    {
        Self(Arc::new(move || {
            let mut op = make()?;
            Ok(Box::new(move |times| (0..times).map(|_| op()).sum()))
        }))
    }

    /// An asynchronous operation, on a `current_thread` runtime of its own; the whole loop is one task and is timed.
    pub fn future<F, T>(make: impl AsyncFn() -> anyhow::Result<F> + Send + Sync + 'static) -> Self
    where
        F: AsyncFnMut() -> T + 'static,
    {
        Self(Arc::new(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let mut op = runtime.block_on(make())?;
            Ok(Box::new(move |times| {
                runtime.block_on(async {
                    let watch = Stopwatch::start();
                    for _ in 0..times {
                        black_box(op().await);
                    }
                    watch.elapsed()
                })
            }))
        }))
    }

    /// Builds the calling thread's state.
    pub fn build(&self) -> anyhow::Result<Run> {
        (self.0)()
    }
}

/// What is measured, under the name that the output shows, and on how many threads at once.
#[derive(Debug, Clone)]
pub struct Arm {
    /// The name in the column `reference_name`.
    pub name: String,
    /// One or two.
    pub threads: usize,
    /// How a thread gets its state.
    pub make: Make,
}
