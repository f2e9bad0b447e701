//! What the program's commands do: one of the services each, or all of them.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{Method, StatusCode};
use clap::Args;
use sd_core::{BoxError, Instancer};
use sd_kit::{Lifecycle, StopSignal};
use sd_registry::{Centre, PushConfig, Registry};
use tokio::process::{Child, Command};

use crate::log_layer::Lines;
use crate::log_service::{self, LogFile};
use crate::names::{GRADING, LOG, PORTAL};
use crate::provider::Provider;
use crate::{grading, portal};

/// What a command gives back.
pub type Outcome<T = ()> = Result<T, BoxError>;

/// How long a service that ends ships what it has logged.
const LAST_LINES: Duration = Duration::from_secs(2);
/// How often the file is looked at, and services for their end.
const LOOK: Duration = Duration::from_millis(100);

/// What each service is told.
#[derive(Debug, Args)]
pub struct ServiceArgs {
    /// The centre: host:port
    #[arg(long, value_name = "HOST:PORT", default_value = "localhost:3000")]
    pub centre: String,
    /// What to register in place of localhost and the port listened on
    #[arg(long, value_name = "ADDRESS", default_value = "localhost")]
    pub advertise: String,
    /// Seconds between deregistering and taking no more requests
    #[arg(long, value_name = "SECONDS", default_value_t = 1)]
    pub drain: u64,
}

/// Where all of them listen, and what is done.
#[derive(Debug, Args)]
pub struct AllArgs {
    /// The centre's port, on both loopbacks; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 3000)]
    pub centre_port: u16,
    /// The log service's
    #[arg(long, value_name = "PORT", default_value_t = 4000)]
    pub log_port: u16,
    /// The grading service's
    #[arg(long, value_name = "PORT", default_value_t = 6000)]
    pub grading_port: u16,
    /// The portal's
    #[arg(long, value_name = "PORT", default_value_t = 5000)]
    pub portal_port: u16,
    /// The log file
    #[arg(long, value_name = "FILE", default_value = "distributed.log")]
    pub file: PathBuf,
    /// Ends after so many pages were shown [default: goes on until it is stopped]
    #[arg(long, value_name = "COUNT")]
    pub pages: Option<u32>,
}

/// The centre alone, until it is told to stop.
///
/// # Errors
/// The port is taken.
pub async fn centre(port: u16) -> Outcome {
    let mut stop = StopSignal::listen()?;
    let centre = start_centre(port).await?;
    println!("the centre listens at {}/services", centre.http_url());
    stop.requested().await;
    Ok(centre.shutdown().await?)
}

/// The log service.
///
/// # Errors
/// As [`Lifecycle::run`].
pub async fn log(args: ServiceArgs, port: u16, file: &Path) -> Outcome {
    let centre = Arc::new(PushConfig::new(args.centre.as_str()).connect()?);
    live(LOG, centre, &args, port, log_service::router(LogFile::new(file))).await
}

/// The grading service, which logs.
///
/// # Errors
/// As [`Lifecycle::run`].
pub async fn grading(args: ServiceArgs, port: u16, lines: Lines) -> Outcome {
    let centre = Arc::new(PushConfig::new(args.centre.as_str()).requires(LOG)?.connect()?);
    let shipping = lines.ship(Provider::new(centre.subscribe(&LOG.parse()?))?);
    let outcome = live(GRADING, centre, &args, port, grading::router()).await;
    shipping.finish(LAST_LINES).await;
    outcome
}

/// The portal, which logs, and asks the grading service.
///
/// # Errors
/// As [`Lifecycle::run`].
pub async fn portal(args: ServiceArgs, port: u16, lines: Lines) -> Outcome {
    let centre = Arc::new(PushConfig::new(args.centre.as_str()).requires(LOG)?.requires(GRADING)?.connect()?);
    let shipping = lines.ship(Provider::new(centre.subscribe(&LOG.parse()?))?);
    let grading = Provider::new(centre.subscribe(&GRADING.parse()?))?;
    let outcome = live(PORTAL, centre, &args, port, portal::router(grading)).await;
    shipping.finish(LAST_LINES).await;
    outcome
}

/// A service's life, as the article's `service.Start`.
async fn live(name: &str, centre: Arc<sd_core::Connection>, args: &ServiceArgs, port: u16, router: Router) -> Outcome {
    let label = name.to_owned();
    let lifecycle = Lifecycle::new(name, centre)
        .listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .advertise(args.advertise.as_str())
        .drain(Duration::from_secs(args.drain))
        .on_event(move |event| println!("{label}: {event}"));
    tracing::info!("started");
    lifecycle
        .run(async |listener, stopping| {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, router).with_graceful_shutdown(stopping).await
        })
        .await?;
    Ok(())
}

/// The centre in this process, the services as processes of their own, and a reader of the portal; shows the log file.
///
/// # Errors
/// A port is taken, or a service ends.
pub async fn all(args: AllArgs) -> Outcome {
    let mut stop = StopSignal::listen()?;
    let centre = start_centre(args.centre_port).await?;
    println!("the centre listens at {}/services", centre.http_url());
    let file = args.file.to_string_lossy().into_owned();
    let mut services = Services::default();
    services.start(&centre, "log", args.log_port, &["--file", &file])?;
    services.start(&centre, "grading", args.grading_port, &[])?;
    services.start(&centre, "portal", args.portal_port, &[])?;
    let reader = PushConfig::new(authority(&centre)).connect()?;
    let pages = Provider::new(reader.subscribe(&PORTAL.parse()?))?;
    let outcome = tokio::select! {
        outcome = read(&pages, &args) => outcome,
        outcome = services.failed() => outcome,
        () = stop.requested() => Ok(()),
    };
    // Registered last, gone first: the log service takes the others' last lines.
    services.stop().await;
    centre.shutdown().await?;
    outcome
}

async fn start_centre(port: u16) -> Outcome<Centre> {
    // `http://localhost:3000/services` is compiled into the article's programs, and localhost may be either.
    let builder = Registry::builder().listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    Ok(builder.also_listen(SocketAddr::from((Ipv6Addr::LOCALHOST, port))).spawn().await?)
}

fn authority(centre: &Centre) -> String {
    format!("localhost:{}", centre.local_addr().port())
}

/// Asks for a page every second, and prints what comes into the log file.
async fn read(pages: &Provider, args: &AllArgs) -> Outcome {
    let mut shown = 0;
    let mut position = tokio::fs::metadata(&args.file).await.map_or(0, |file| file.len());
    let mut next = tokio::time::interval(Duration::from_secs(1));
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = look.tick() => position = print_new(&args.file, position).await,
            _ = next.tick() => match pages.call(Method::GET, "/", "").await {
                Ok((StatusCode::OK, _)) => {
                    shown += 1;
                    println!("page {shown} was shown");
                }
                Ok((status, _)) => println!("the portal answered {status}"),
                Err(error) => println!("no portal: {error}"),
            },
        }
        if args.pages.is_some_and(|pages| shown >= pages) {
            return Ok(());
        }
    }
}

/// Prints the whole lines after `position`; where they end.
async fn print_new(file: &Path, position: u64) -> u64 {
    let Ok(all) = tokio::fs::read(file).await else { return position };
    let from = usize::try_from(position).unwrap_or(usize::MAX).min(all.len());
    let new = &all[from..];
    let whole = new.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    print!("{}", String::from_utf8_lossy(&new[..whole]));
    (from + whole) as u64
}

/// The services, as processes; killed when this is dropped.
#[derive(Default)]
struct Services(Vec<(&'static str, Child)>);

impl Services {
    fn start(&mut self, centre: &Centre, command: &'static str, port: u16, more: &[&str]) -> Outcome {
        let mut process = Command::new(std::env::current_exe()?);
        process.arg(command).args(["--centre", &authority(centre), "--port", &port.to_string()]).args(more);
        let child = process.stdin(std::process::Stdio::null()).kill_on_drop(true).spawn()?;
        self.0.push((command, child));
        Ok(())
    }

    /// Resolves when one of them has ended. Cancel safe.
    async fn failed(&mut self) -> Outcome {
        loop {
            for (name, child) in &mut self.0 {
                if let Some(status) = child.try_wait()? {
                    return Err(format!("the {name} service has ended: {status}").into());
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn stop(mut self) {
        while let Some((_, mut child)) = self.0.pop() {
            terminate(&mut child);
            // An error says that it has ended already.
            drop(child.wait().await);
        }
    }
}

#[cfg(unix)]
fn terminate(child: &mut Child) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
    if let Some(pid) = pid {
        // An error says that it has ended already.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
    }
}

#[cfg(not(unix))]
fn terminate(child: &mut Child) {
    drop(child.start_kill());
}
