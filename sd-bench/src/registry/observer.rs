//! Whoever watches: on a thread and a runtime of its own, so that its CPU time can be told.

use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use super::Local;
use super::mark::Mark;
use super::target::Target;
use crate::harness::clock::{Stopwatch, thread_cpu};

/// Knows what a watched service looks like now.
pub trait Observe {
    /// Resolves when all these weights have been seen (ours: when a pick can know them).
    fn seen<'a>(&'a mut self, marks: &'a [Mark]) -> Local<'a, ()>;
}

/// Connects, watches a service, and resolves when all that stands there is known; called on the observer's thread.
pub type Connect = fn(Target, service: &'static str) -> Local<'static, Box<dyn Observe>>;

/// When it was seen, and the CPU time that the observing thread had used by then.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// The moment.
    pub at: Stopwatch,
    /// Since the thread began.
    pub cpu: Duration,
}

/// The thread of an observer.
#[derive(Debug)]
pub struct Observer {
    wanted: Option<Sender<Vec<Mark>>>,
    seen: mpsc::Receiver<anyhow::Result<Seen>>,
    thread: Option<JoinHandle<()>>,
}

impl Observer {
    /// Starts the thread and waits until the observer knows all that stands there.
    pub fn start(connect: Connect, target: Target, service: &'static str) -> anyhow::Result<Self> {
        // One question at a time, and one answer to each.
        let (wanted, incoming) = channel(1);
        let (answer, seen) = mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("observer".to_owned()).spawn(move || {
            if let Err(error) = observe(connect, target, service, incoming, &answer) {
                drop(answer.try_send(Err(error)));
            }
        })?;
        let observer = Self { wanted: Some(wanted), seen, thread: Some(thread) };
        observer.wait()?;
        Ok(observer)
    }

    /// Tells it what to look for next.
    pub fn look_for(&self, marks: Vec<Mark>) -> anyhow::Result<()> {
        let wanted = self.wanted.as_ref().context("the observer is stopping")?;
        wanted.try_send(marks).map_err(|_| anyhow!("the observer has ended, or has not answered yet"))
    }

    /// Waits until it has seen that.
    pub fn wait(&self) -> anyhow::Result<Seen> {
        match self.seen.recv_timeout(Duration::from_secs(20)) {
            Ok(seen) => seen,
            Err(_) => bail!("the observer has not seen what was written within 20 s"),
        }
    }

    /// The CPU time that its thread has used so far (it looks for nothing, and says when it has seen that).
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        self.look_for(Vec::new())?;
        Ok(self.wait()?.cpu)
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.wanted = None;
        if let Some(thread) = self.thread.take() {
            // A panic there has already been printed.
            drop(thread.join());
        }
    }
}

fn observe(
    connect: Connect,
    target: Target,
    service: &'static str,
    mut wanted: Receiver<Vec<Mark>>,
    answer: &mpsc::SyncSender<anyhow::Result<Seen>>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let now = || Seen { at: Stopwatch::start(), cpu: thread_cpu() };
        // Nothing is sent while an answer is due, so what comes then is that nobody waits for it any more.
        let mut observer = tokio::select! {
            observer = connect(target, service) => observer?,
            _ = wanted.recv() => return Ok(()),
        };
        answer.try_send(Ok(now()))?;
        while let Some(marks) = wanted.recv().await {
            tokio::select! {
                seen = observer.seen(&marks) => seen?,
                _ = wanted.recv() => return Ok(()),
            }
            answer.try_send(Ok(now()))?;
        }
        Ok(())
    })
}
