//! A change, and the event that tells of it.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sd_core::ServiceName;

use crate::engine::entry::Entry;

/// Why an entry went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Somebody took it away.
    Deregistered,
    /// Its lease lapsed.
    Expired,
    /// It left the registry behind this front, which does not say why.
    Gone,
}

impl Reason {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Deregistered => "deregistered",
            Self::Expired => "expired",
            Self::Gone => "gone",
        }
    }
}

/// What a change comes to for people: a `put` alone does not say whether there was anything before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// The id was free.
    Registered,
    /// It was there before anybody looked, in a registry behind.
    Found,
    /// Another owner has it now.
    TakenOver,
    /// Its owner, or an administrator, has changed it.
    Changed,
    /// It went, for this reason.
    Went(Reason),
}

impl What {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Found => "found",
            Self::TakenOver => "taken-over",
            Self::Changed => "changed",
            Self::Went(reason) => reason.as_str(),
        }
    }
}

/// One change of what the centre holds.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// An entry came, or took another's place.
    Put(Arc<Entry>),
    /// An entry went.
    Remove { entry: Arc<Entry>, revision: u64, reason: Reason },
    /// A service has its first instance.
    Appeared { service: ServiceName, revision: u64 },
    /// A service has lost its last instance.
    Vanished { service: ServiceName, revision: u64 },
}

impl Change {
    pub(crate) fn revision(&self) -> u64 {
        match self {
            Self::Put(entry) => entry.revision,
            Self::Remove { revision, .. } | Self::Appeared { revision, .. } | Self::Vanished { revision, .. } => {
                *revision
            }
        }
    }

    pub(crate) fn service(&self) -> &ServiceName {
        match self {
            Self::Put(entry) | Self::Remove { entry, .. } => &entry.service,
            Self::Appeared { service, .. } | Self::Vanished { service, .. } => service,
        }
    }

    /// `put` or `remove`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Put(_) | Self::Appeared { .. } => "put",
            Self::Remove { .. } | Self::Vanished { .. } => "remove",
        }
    }

    fn write_data(&self, out: &mut String) {
        match self {
            Self::Put(entry) => entry.write_json(out),
            Self::Remove { entry, revision, reason } => {
                let id = serde_json::Value::from(&*entry.id);
                let (service, reason) = (&entry.service, reason.as_str());
                let _ = write!(out, r#"{{"service":"{service}","id":{id},"revision":{revision},"reason":"{reason}"}}"#);
            }
            Self::Appeared { service, revision } | Self::Vanished { service, revision } => {
                let _ = write!(out, r#"{{"service":"{service}","revision":{revision}}}"#);
            }
        }
    }
}

/// A change on its way to whoever watches; all share one, and its encoded form.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) change: Change,
    pub(crate) what: What,
    /// In milliseconds since 1970.
    pub(crate) at: u64,
    epoch: Epoch,
    frame: OnceLock<Bytes>,
}

impl Event {
    pub(crate) fn new(change: Change, what: What, at: u64, epoch: Epoch) -> Self {
        Self { change, what, at, epoch, frame: OnceLock::new() }
    }

    /// As a server-sent event; encoded when the first one asks, for all.
    pub(crate) fn frame(&self) -> Bytes {
        self.frame.get_or_init(|| self.encode(self.epoch)).clone()
    }

    /// As [`frame`](Self::frame), under an epoch that may be the reader's own.
    pub(crate) fn frame_in(&self, epoch: Epoch) -> Bytes {
        if epoch == self.epoch { self.frame() } else { self.encode(epoch) }
    }

    fn encode(&self, epoch: Epoch) -> Bytes {
        let mut out = String::with_capacity(512);
        let (name, revision) = (self.change.name(), self.change.revision());
        let _ = write!(out, "id: {epoch}-{revision}\nevent: {name}\ndata: ");
        self.change.write_data(&mut out);
        out.push_str("\n\n");
        Bytes::from(out)
    }

    /// Roughly how much room it takes in a history.
    pub(crate) fn weight(&self) -> usize {
        let text = match &self.change {
            Change::Put(entry) | Change::Remove { entry, .. } => entry.instance.len(),
            Change::Appeared { .. } | Change::Vanished { .. } => 0,
        };
        // Once as the entry's text, once encoded.
        256 + 2 * text
    }
}

/// What revisions count in: 16 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(pub(crate) u64);

impl std::fmt::Display for Epoch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl std::str::FromStr for Epoch {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex { u64::from_str_radix(text, 16).map(Self).map_err(drop) } else { Err(()) }
    }
}
