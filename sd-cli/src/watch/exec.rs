//! A command that is run when something changes: one at a time, and of several changes the newest.

use std::collections::BTreeMap;
use std::io;
use std::process::Stdio;

use sd_core::ServiceName;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::followed::News;
use crate::instances::{freshness_word, service_json};

/// Runs a command. Dropping it kills the one that runs.
pub(crate) struct Exec {
    command: String,
    /// What no run was told yet; at most one each.
    waiting: BTreeMap<ServiceName, Run>,
    running: JoinSet<()>,
}

struct Run {
    freshness: &'static str,
    input: String,
}

impl Exec {
    pub(crate) fn new(command: String) -> Self {
        Self { command, waiting: BTreeMap::new(), running: JoinSet::new() }
    }

    /// Runs it with this, now or as soon as the one that runs has ended.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn tell(&mut self, news: &News) -> io::Result<()> {
        let input = format!("{}\n", service_json(&news.service, &news.snapshot));
        let run = Run { freshness: freshness_word(news.snapshot.freshness()), input };
        self.waiting.insert(news.service.clone(), run);
        self.start()
    }

    /// Waits until a run has ended, and starts the next.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub(crate) async fn ran(&mut self) {
        match self.running.join_next().await {
            Some(_) => {
                if let Err(error) = self.start() {
                    eprintln!("--exec: {error}");
                }
            }
            None => std::future::pending().await,
        }
    }

    fn start(&mut self) -> io::Result<()> {
        if !self.running.is_empty() {
            return Ok(());
        }
        let Some((service, run)) = self.waiting.pop_first() else { return Ok(()) };
        let mut command = Command::new("sh");
        command.arg("-c").arg(&self.command).env("SD_SERVICE", service.as_str()).env("SD_FRESHNESS", run.freshness);
        let mut child = command.stdin(Stdio::piped()).kill_on_drop(true).spawn()?;
        let stdin = child.stdin.take();
        self.running.spawn(async move {
            // Written beside the waiting: a command may end without having read, and need not read at all.
            let tell = async {
                if let Some(mut stdin) = stdin {
                    drop(stdin.write_all(run.input.as_bytes()).await);
                }
                std::future::pending::<()>().await;
            };
            let ended = tokio::select! {
                ended = child.wait() => ended,
                () = tell => return,
            };
            match ended {
                Ok(status) if status.success() => {}
                Ok(status) => eprintln!("--exec: for {service}: {status}"),
                Err(error) => eprintln!("--exec: for {service}: {error}"),
            }
        });
        Ok(())
    }
}
