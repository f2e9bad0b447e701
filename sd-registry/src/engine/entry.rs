//! What the centre keeps per registration.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use sd_core::{Codec, Entry as Decoded, Error, Instance, Owner, ServiceName, UnknownFields};

use crate::engine::lease::Lease;

/// One registration, as it stands. Never changed: what changes is a new one under the same id.
///
/// The instance is kept as the text that goes over the wire; parsed it would take several times the room, and nobody
/// but an administrator's act looks inside.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) service: ServiceName,
    pub(crate) id: Arc<str>,
    pub(crate) owner: Owner,
    /// Of its last change.
    pub(crate) revision: u64,
    /// Since when this owner holds it, in milliseconds since 1970; not known of one mirrored from another registry.
    pub(crate) registered_at: Option<u64>,
    /// What holds it; an entry mirrored from another registry is held there.
    pub(crate) lease: Option<Arc<Lease>>,
    /// In sd-core's JSON codec, the owner included.
    pub(crate) instance: Box<str>,
}

impl Entry {
    /// The instance, parsed.
    ///
    /// # Errors
    /// `Protocol`, when it can't be read.
    pub(crate) fn decode(&self) -> Result<Decoded, Error> {
        Codec::decode(self.instance.as_bytes())
    }

    pub(crate) fn ttl(&self) -> Option<Duration> {
        self.lease.as_ref().map(|lease| lease.ttl)
    }

    /// Appends `{"service":…,"revision":…,"registered_at_ms":…,"ttl_ms":…,"instance":…` without the closing brace, for more to follow.
    pub(crate) fn write_open(&self, out: &mut String) {
        // A service name holds nothing that JSON must escape, and writing to a String can't fail.
        let _ = write!(out, r#"{{"service":"{}","revision":{}"#, self.service, self.revision);
        if let Some(at) = self.registered_at {
            let _ = write!(out, r#","registered_at_ms":{at}"#);
        }
        if let Some(ttl) = self.ttl() {
            let _ = write!(out, r#","ttl_ms":{}"#, ttl.as_millis());
        }
        let _ = write!(out, r#","instance":{}"#, self.instance);
    }

    /// Appends the whole entry.
    pub(crate) fn write_json(&self, out: &mut String) {
        self.write_open(out);
        out.push('}');
    }

    pub(crate) fn to_json(&self) -> String {
        let mut out = String::with_capacity(self.instance.len() + 80);
        self.write_json(&mut out);
        out
    }
}

/// An instance as the centre keeps it.
///
/// # Errors
/// `Config`, when it is too large for any registry.
pub(crate) fn encode(instance: &Instance, owner: &Owner, unknown: &UnknownFields) -> Result<Box<str>, Error> {
    let value = Codec::Json.encode(instance, Some(owner), unknown)?;
    let text = String::from_utf8(value).map_err(|error| Error::config("not UTF-8").with_source(error))?;
    Ok(text.into_boxed_str())
}
