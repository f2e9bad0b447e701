//! `sdkit register`: an instance that stays registered for as long as this runs, and a program that serves it.

mod answering;
mod keeping;
mod program;
mod signals;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use sd_core::{Address, Backend, BoxError, Error, Instance, Registration, defaults};

use self::answering::{Answering, HealthUrl};
use self::keeping::{keep, leave};
use self::program::{Break, Program};
use self::signals::{Signal, Signals};
use crate::duration::duration;
use crate::program::Exit;
use crate::registry::UrlArgs;

/// Keep an instance registered, and run the program that serves it
///
/// Without a program the instance is registered until this is told to stop (Ctrl-C, SIGTERM). With one, after --, the
/// program is started, and registered once it answers. When this is told to stop, clients are told first (--drain), then
/// the instance is deregistered, and then the program is passed the signal; other signals are passed on at once. When the
/// program ends by itself, the instance is deregistered at once. The program does not read from the terminal.
#[derive(Args)]
#[command(after_long_help = EXIT_CODES)]
pub(crate) struct Register {
    /// The service
    service: String,

    // No doc comment: rustdoc takes an IPv6 address for a link.
    #[arg(help = "Where clients reach it: host:port, [::1]:port or a URL")]
    address: String,

    /// The instance's id [default: host:port]
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    /// Its share of calls under weighted policies: 0 (none) to 65535
    #[arg(
        long, value_name = "NUMBER", default_value_t = defaults::WEIGHT, allow_negative_numbers = true,
        value_parser = clap::value_parser!(u32).range(0..=i64::from(defaults::MAX_WEIGHT))
    )]
    weight: u32,

    /// A tag; several, with commas or again
    #[arg(long, value_name = "TAG", value_delimiter = ',')]
    tag: Vec<String>,

    /// A pair of metadata; several by giving it again
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    meta: Vec<(String, String)>,

    /// The zone it stands in
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,

    /// The program is ready once this answers with a 2xx; without it, once its address takes connections
    #[arg(long, value_name = "URL", requires = "program")]
    health_url: Option<HealthUrl>,

    /// How long the program may take until it answers
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    wait: Duration,

    /// How long clients are let see that it drains, before it is deregistered
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    drain: Duration,

    /// How long the program may take to end once it is told to, before it is killed
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "20s")]
    kill_after: Duration,

    #[command(flatten)]
    registry: UrlArgs,

    /// The program, and its arguments
    #[arg(last = true, value_name = "PROGRAM")]
    program: Vec<OsString>,
}

const EXIT_CODES: &str = "\
Exit codes: with a program, its own; 128 and the signal's number where one ended it. Beside those of sdkit:
  124  the program did not answer in time (--wait), and was ended
  126  the program can't be executed
  127  the program is not there";

/// The program did not answer in time, as `timeout` says it.
const TOO_LATE: u8 = 124;

impl Register {
    /// The exit code is the program's.
    pub(crate) async fn run(self) -> Result<u8, BoxError> {
        let instance = self.instance()?;
        let registration = Registration::new(&*self.service, instance.clone());
        registration.clone().validated()?;
        let registry = self.registry.connect()?;
        let mut signals = Signals::listen()?;
        match self.program.split_first() {
            None => self.without_program(registry, registration, &mut signals).await.map(|()| 0),
            Some((name, arguments)) => {
                let answering = Answering::new(&instance, self.health_url.clone());
                answering.nobody_yet().await?;
                let mut program = Program::start(name, arguments, self.kill_after)?;
                self.with_program(registry, registration, &answering, &mut program, &mut signals).await
            }
        }
    }

    fn instance(&self) -> Result<Instance, Error> {
        let mut instance = Instance::new(self.address.parse::<Address>()?).with_weight(self.weight);
        if let Some(id) = &self.id {
            instance = instance.with_id(&**id);
        }
        if let Some(zone) = &self.zone {
            instance = instance.with_zone(zone);
        }
        instance = self.tag.iter().fold(instance, Instance::with_tag);
        Ok(self.meta.iter().fold(instance, |instance, (key, value)| instance.with_metadata(key, value)))
    }

    async fn without_program(
        &self,
        registry: Arc<dyn Backend>,
        registration: Registration,
        signals: &mut Signals,
    ) -> Result<(), BoxError> {
        // In the background, so that there is a handle to take it back with from the beginning.
        let mut handle = registry.register_in_background(registration)?;
        let accepted = tokio::select! {
            accepted = handle.accepted() => Some(accepted),
            _ = signals.stop() => None,
        };
        match accepted {
            Some(accepted) => accepted?,
            None => {
                tell_failure(handle.deregister().await);
                return Ok(());
            }
        }
        eprintln!("registered {} {}", handle.service(), handle.id());
        tokio::select! {
            superseded = keep(&mut handle) => return Err(superseded.into()),
            _ = signals.stop() => {}
        }
        let cut = async {
            tokio::select! {
                () = tokio::time::sleep(self.drain) => {}
                _ = signals.stop() => {}
            }
        };
        leave(handle, self.instance()?, cut).await?;
        Ok(())
    }

    async fn with_program(
        &self,
        registry: Arc<dyn Backend>,
        registration: Registration,
        answering: &Answering,
        program: &mut Program,
        signals: &mut Signals,
    ) -> Result<u8, BoxError> {
        match program.meanwhile(signals, tokio::time::timeout(self.wait, answering.answers())).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => {
                program.stop(Signal::SIGTERM, signals).await?;
                let message = format!("the program did not answer at {answering} within {:?} (--wait)", self.wait);
                return Err(Exit { code: TOO_LATE, message: format!("{message}, and was ended") }.into());
            }
            Err(Break::Ended(code)) => {
                let message = format!("the program ended with exit code {code} before it answered at {answering}");
                return Err(Exit { code: code.max(1), message }.into());
            }
            Err(Break::Told(signal)) => return Ok(program.stop(signal, signals).await?),
            Err(Break::Failed(error)) => return Err(error.into()),
        }
        let mut handle = match registry.register_in_background(registration) {
            Ok(handle) => handle,
            Err(refused) => {
                program.stop(Signal::SIGTERM, signals).await?;
                return Err(refused.into());
            }
        };
        match program.meanwhile(signals, handle.accepted()).await {
            Ok(Ok(())) => {}
            Ok(Err(refused)) => {
                program.stop(Signal::SIGTERM, signals).await?;
                return Err(refused.into());
            }
            Err(broken) => {
                tell_failure(handle.deregister().await);
                return match broken {
                    Break::Ended(code) => Ok(code),
                    Break::Told(signal) => Ok(program.stop(signal, signals).await?),
                    Break::Failed(error) => Err(error.into()),
                };
            }
        }
        eprintln!("registered {} {}", handle.service(), handle.id());
        let kept = async {
            // The program serves on: who took the id may be its own successor.
            eprintln!("{}", keep(&mut handle).await);
            std::future::pending::<()>().await;
        };
        match program.meanwhile(signals, kept).await {
            Err(Break::Told(signal)) => {
                let cut = async { drop(program.meanwhile(signals, tokio::time::sleep(self.drain)).await) };
                tell_failure(leave(handle, self.instance()?, cut).await);
                Ok(program.stop(signal, signals).await?)
            }
            Err(Break::Ended(code)) => {
                tell_failure(handle.deregister().await);
                Ok(code)
            }
            Err(Break::Failed(error)) => Err(error.into()),
            Ok(()) => Ok(0),
        }
    }
}

/// The program's end is what counts; the entry lapses by itself.
fn tell_failure(left: Result<(), Error>) {
    if let Err(error) = left {
        eprintln!("not deregistered: {error}");
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    pair.map(|(key, value)| (key.to_owned(), value.to_owned())).ok_or_else(|| "allowed is KEY=VALUE".to_owned())
}
