//! A part of this program as a process of its own. It is talked to through its input and output, and ends when its input
//! does: so none is left behind, however this program ends.

use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use sd_examples::program::Outcome;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// What a part says when it has done what it was told; nothing that it prints otherwise is like it.
const DONE: &str = "\u{4}";
/// How long a call, with all its attempts, may take at most.
const CALL: Duration = Duration::from_secs(5);
/// How long a part may take to deregister, and to end.
const END: Duration = Duration::from_secs(5);

/// All further processes.
pub(crate) struct Parts {
    registry: String,
    service: String,
    parts: Vec<Part>,
}

/// One of them.
pub(crate) struct Part {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
}

impl Parts {
    /// None yet; they will meet in this registry.
    pub(crate) fn of(registry: &str) -> Self {
        // A name of its own, so that two of these programs in one registry don't call each other's servers.
        let service = format!("book-{}", std::process::id());
        Self { registry: registry.to_owned(), service, parts: Vec::new() }
    }

    /// Starts one; gives its place.
    pub(crate) fn start(&mut self, name: &str) -> Outcome<usize> {
        let mut command = Command::new(std::env::current_exe()?);
        // Not as an argument, which everybody on this host can read: a URL may hold a password.
        command.args([name, "--service", &self.service]).env("SD_REGISTRY", &self.registry);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        // Ctrl-C reaches this program alone, which ends its parts in order.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("a process without output")?;
        let input = child.stdin.take();
        self.parts.push(Part { child, input, output: BufReader::new(output).lines() });
        Ok(self.parts.len() - 1)
    }

    /// The one at this place.
    pub(crate) fn at(&mut self, place: usize) -> &mut Part {
        &mut self.parts[place]
    }

    /// Ends all of them, the last one first.
    pub(crate) async fn end(mut self) {
        while let Some(mut part) = self.parts.pop() {
            part.input = None;
            // One that does not end by itself is killed when it is dropped.
            drop(timeout(END, part.child.wait()).await);
        }
    }
}

impl Part {
    /// Its process id; 0 when it has ended.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    /// What it says next.
    pub(crate) async fn line(&mut self) -> Outcome<String> {
        match self.output.next_line().await? {
            Some(line) => Ok(line),
            None => Err(format!("a part of this program has ended: {}", self.child.wait().await?).into()),
        }
    }

    /// Prints what it says until it has done what it was told.
    pub(crate) async fn until_done(&mut self, within: Duration) -> Outcome {
        let done = timeout(within, async {
            loop {
                match self.line().await?.as_str() {
                    DONE => return Ok(()),
                    line => println!("{line}"),
                }
            }
        });
        done.await.map_err(|_| format!("not within {within:?}"))?
    }

    /// Has it make so many calls.
    pub(crate) async fn call(&mut self, calls: usize) -> Outcome {
        for _ in 0..calls {
            self.input.as_mut().ok_or("it is ending")?.write_all(b"call\n").await?;
            self.until_done(CALL).await?;
        }
        Ok(())
    }

    /// Kills it: nobody is told.
    pub(crate) async fn kill(&mut self) -> Outcome {
        Ok(self.child.kill().await?)
    }
}

/// What this process, a part, is told: a line each; closed when it is to end.
pub(crate) fn told() -> mpsc::Receiver<String> {
    let (tell, told) = mpsc::channel(1);
    // A thread of its own, which does not hold up the end of this process as the runtime's would.
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if tell.blocking_send(line).is_err() {
                return;
            }
        }
    });
    told
}

/// Says a line to the program that has started this process.
pub(crate) fn say(line: impl std::fmt::Display) -> Outcome {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}")?;
    Ok(out.flush()?)
}

/// Says that what this process was told is done.
pub(crate) fn done() -> Outcome {
    say(DONE)
}
