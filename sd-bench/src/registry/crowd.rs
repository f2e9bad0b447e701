//! Many watches on one runtime: each is a task, and who waits is told when the last of them was told.

use std::cell::Cell;
use std::rc::Rc;

use anyhow::bail;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::Local;
use super::load::Watchers;
use crate::harness::clock::Stopwatch;

/// Tasks that each resolve one change after another; needs a `LocalSet`.
#[derive(Default)]
pub struct Crowd {
    tasks: JoinSet<anyhow::Result<()>>,
    told: Rc<Told>,
}

#[derive(Default)]
struct Told {
    count: Cell<usize>,
    expected: Cell<usize>,
    last: Cell<Option<Stopwatch>>,
    done: Notify,
}

impl Crowd {
    /// Adds one, which waits for its next change with `next`.
    pub fn join<F: AsyncFnMut() -> anyhow::Result<()> + 'static>(&mut self, mut next: F) {
        let told = Rc::clone(&self.told);
        told.expected.set(told.expected.get() + 1);
        self.tasks.spawn_local(async move {
            loop {
                next().await?;
                told.count.set(told.count.get() + 1);
                if told.count.get().is_multiple_of(told.expected.get()) {
                    told.last.set(Some(Stopwatch::start()));
                    told.done.notify_one();
                }
            }
        });
    }
}

impl Watchers for Crowd {
    fn told(&mut self) -> Local<'_, Stopwatch> {
        Box::pin(async move {
            tokio::select! {
                () = self.told.done.notified() => {}
                ended = self.tasks.join_next() => bail!("a watch has ended: {ended:?}"),
            }
            match self.told.last.take() {
                Some(last) => Ok(last),
                None => bail!("nobody was told"),
            }
        })
    }
}
