//! Prints a service's comings and goings as they happen, and its list every 5 s.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use sd_core::{Delta, Instance, ServiceName, Snapshot, Subscription};
use sd_examples::program::{self, Outcome, RegistryArgs};
use sd_kit::StopSignal;
use tokio::time::{Instant, interval_at};

const EVERY: Duration = Duration::from_secs(5);

/// Prints a service's comings and goings as they happen, and its list every 5 s.
#[derive(Parser)]
struct Args {
    #[command(flatten)]
    registry: RegistryArgs,
    /// The service to watch
    #[arg(long, value_name = "NAME", default_value = "web")]
    service: ServiceName,
}

#[tokio::main]
async fn main() -> ExitCode {
    program::main(run).await
}

async fn run(args: Args) -> Outcome {
    let registry = args.registry.connect()?;
    let mut stop = StopSignal::listen()?;
    let mut subscription = registry.subscribe(&args.service);
    println!("watching {}", args.service);

    let mut seen = Snapshot::pending();
    let mut ticks = interval_at(Instant::now() + EVERY, EVERY);
    loop {
        tokio::select! {
            snapshot = subscription.changed() => {
                let snapshot = snapshot.ok_or("the watch has ended")?;
                print_changes(&Delta::between(&seen, &snapshot));
                seen = snapshot;
            }
            _ = ticks.tick() => print_list(&subscription),
            () = stop.requested() => return Ok(()),
        }
    }
}

/// A subscription tells states; what happened is the difference between two of them.
fn print_changes(delta: &Delta) {
    for instance in &delta.added {
        println!("came     {}", line(instance));
    }
    for instance in &delta.changed {
        println!("changed  {}", line(instance));
    }
    for instance in &delta.removed {
        println!("gone     {}", line(instance));
    }
}

fn print_list(subscription: &Subscription) {
    let snapshot = subscription.snapshot();
    let freshness = snapshot.freshness();
    let list = snapshot.iter().map(|instance| line(instance)).collect::<Vec<_>>().join(", ");
    match (freshness.is_pending(), freshness.error()) {
        // Not the same as an empty list: nobody knows.
        (true, None) => println!("list     not known yet"),
        (true, Some(error)) => println!("list     not known yet: {error}"),
        (false, None) => println!("list     [{list}]"),
        (false, Some(error)) => println!("list     [{list}], as it was last known: {error}"),
    }
}

fn line(instance: &Instance) -> String {
    format!("{} at {}", instance.id(), instance.address())
}
