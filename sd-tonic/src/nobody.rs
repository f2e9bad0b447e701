//! The status of a call that could reach nobody: it says why.

use std::error::Error as StdError;
use std::fmt::Write as _;
use std::sync::Arc;

use sd_core::{LeftOut, NoEndpoints};
use tonic::{Code, Status};

use crate::shared::Shared;

/// So many instances are named.
const NAMED: usize = 3;

/// Nobody can be picked: `Unavailable`, not `Unknown`.
#[cold]
pub(crate) fn unavailable(channel: &Shared, nobody: NoEndpoints) -> Status {
    status(Code::Unavailable, channel, nobody)
}

/// The call's time was over before anybody could be picked.
#[cold]
pub(crate) fn late(channel: &Shared, nobody: NoEndpoints) -> Status {
    status(Code::DeadlineExceeded, channel, nobody)
}

fn status(code: Code, channel: &Shared, nobody: NoEndpoints) -> Status {
    let mut message = format!("{}: {nobody}", channel.name);
    let present = channel.cell().load();
    for (instance, why) in present.left_out().take(NAMED) {
        let _ = write!(message, "; {}: {}", instance.id(), describe(why));
    }
    drop(present);
    if let Some(error) = nobody.freshness.error() {
        let _ = write!(message, "; {error}");
    }
    let mut status = Status::new(code, message);
    status.set_source(Arc::new(nobody));
    status
}

fn describe(why: &LeftOut) -> String {
    match why {
        LeftOut::Filtered => "filtered out".to_owned(),
        LeftOut::Draining => "draining".to_owned(),
        LeftOut::Down => "down".to_owned(),
        LeftOut::Weightless => "of weight 0".to_owned(),
        LeftOut::Connecting => "being connected to".to_owned(),
        LeftOut::Unconnected(error) => root(error),
        other => format!("{other:?}"),
    }
}

/// The first cause: `connection refused` tells more than that there is no connection.
fn root(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
