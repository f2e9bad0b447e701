//! `sdkit watch`: what comes, goes and changes, until it is told to stop.

mod exec;
mod followed;
mod lines;
mod screen;

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use clap::Args;
use sd_core::{BoxError, Error, ErrorKind, ServiceName};
use sd_kit::StopSignal;

use self::exec::Exec;
use self::followed::{Followed, News};
use self::screen::Screen;
use crate::program::Outcome;
use crate::registry::UrlArgs;

/// How often a live table is drawn anew although nothing has changed: ages are shown in seconds.
const TICK: Duration = Duration::from_secs(1);

/// Follow a service, or all: a live table on a terminal, a line of JSON per change in a pipe
///
/// The first line of a service holds all who are there as added. An outage of the registry shows as freshness "stale",
/// and ends nothing: the registry is asked again until it is back.
#[derive(Args)]
pub(crate) struct Watch {
    /// The service; all without it. It need not be there yet
    service: Option<String>,

    /// Run this command with `sh -c` whenever instances come, go or change, and once for those who are there. It is
    /// given $SD_SERVICE, and on stdin what is known as JSON, as `sdkit get --output json` prints it. One runs at a
    /// time; what changes meanwhile is told at once afterwards. What is printed is the command's
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,

    /// Print lines of JSON on a terminal, too
    #[arg(long, conflicts_with = "exec")]
    lines: bool,

    #[command(flatten)]
    registry: UrlArgs,
}

impl Watch {
    pub(crate) async fn run(self) -> Outcome {
        let service = self.service.as_deref().map(str::parse::<ServiceName>).transpose()?;
        let registry = self.registry.connect()?;
        let mut stop = StopSignal::listen()?;
        let mut followed = match service {
            Some(service) => Followed::one(registry, service),
            None => Followed::all(registry),
        };
        let mut shown = match self.exec {
            Some(command) => Shown::Exec(Exec::new(command)),
            None if io::stdout().is_terminal() && !self.lines => Shown::Screen(Screen::new(self.registry.shown())),
            None => Shown::Lines,
        };
        let mut tick = tokio::time::interval(TICK);
        loop {
            tokio::select! {
                () = stop.requested() => return Ok(()),
                news = followed.next() => shown.show(news?)?,
                () = shown.ran() => {}
                _ = tick.tick(), if shown.is_screen() => shown.draw()?,
            }
        }
    }
}

/// Where news go.
enum Shown {
    Lines,
    Screen(Screen),
    Exec(Exec),
}

impl Shown {
    fn show(&mut self, news: News) -> Result<(), BoxError> {
        match self {
            Self::Lines => {
                let mut out = io::stdout().lock();
                writeln!(out, "{}", lines::line(&news))?;
                out.flush()?;
            }
            Self::Screen(screen) => {
                screen.note(news);
                self.draw()?;
            }
            Self::Exec(exec) if news.is_about_instances() => exec.tell(&news)?,
            Self::Exec(_) => {}
        }
        Ok(())
    }

    fn is_screen(&self) -> bool {
        matches!(self, Self::Screen(_))
    }

    fn draw(&mut self) -> io::Result<()> {
        match self {
            Self::Screen(screen) => screen.draw(),
            _ => Ok(()),
        }
    }

    /// A command has ended, and the next, if any, was started.
    async fn ran(&mut self) {
        match self {
            Self::Exec(exec) => exec.ran().await,
            _ => std::future::pending().await,
        }
    }
}

/// That the registry can't tell which services there are.
fn no_list(error: &Error) -> bool {
    error.kind() == ErrorKind::Unsupported
}
