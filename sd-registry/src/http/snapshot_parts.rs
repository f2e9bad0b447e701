//! A snapshot in parts: what is being sent is encoded when there is room for it, never the whole at once.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::json;

use crate::engine::change::Epoch;
use crate::engine::watcher::Snapshot;
use crate::http::access::Caller;
use crate::wire::StaleAnswer;

/// So many entries stand in one part.
const ENTRIES: usize = 500;
/// And so many bytes, about.
const BYTES: usize = 256 << 10;

/// Where in a snapshot its reader is. The snapshot itself is shared, and costs nothing to keep.
#[derive(Debug)]
pub(crate) struct SnapshotParts {
    snapshot: Snapshot,
    epoch: Epoch,
    names_only: bool,
    stale: Option<StaleAnswer>,
    service: usize,
    after: Option<Arc<str>>,
    done: bool,
}

impl SnapshotParts {
    pub(crate) fn new(snapshot: Snapshot, epoch: Epoch, names_only: bool, stale: Option<StaleAnswer>) -> Self {
        Self { snapshot, epoch, names_only, stale, service: 0, after: None, done: false }
    }

    /// The next part, as an event; `None` after the last.
    pub(crate) fn next(&mut self, caller: &Caller) -> Option<Bytes> {
        if self.done {
            return None;
        }
        let mut items = String::new();
        let more = if self.names_only { self.names(caller, &mut items) } else { self.entries(caller, &mut items) };
        self.done = !more;
        let (epoch, revision) = (self.epoch, self.snapshot.revision);
        let list = if self.names_only { "services" } else { "instances" };
        let stale = match &self.stale {
            Some(stale) => format!(r#","stale":{}"#, json!(stale)),
            None => String::new(),
        };
        // Whoever breaks off in between must not resume from here.
        let id = if more { String::new() } else { format!("id: {epoch}-{revision}\n") };
        Some(Bytes::from(format!(
            "{id}event: snapshot\ndata: {{\"epoch\":\"{epoch}\",\"revision\":{revision},\"{list}\":[{items}],\
             \"more\":{more}{stale}}}\n\n"
        )))
    }

    /// Writes entries up to the limit of a part; says whether there are more.
    fn entries(&mut self, caller: &Caller, out: &mut String) -> bool {
        let mut written = 0;
        while let Some((service, entries)) = self.snapshot.services.get(self.service) {
            if caller.sees(service) {
                let from = self.after.take().map_or(Bound::Unbounded, Bound::Excluded);
                for (id, entry) in entries.range((from, Bound::Unbounded)) {
                    if written == ENTRIES || out.len() > BYTES {
                        return true;
                    }
                    if written > 0 {
                        out.push(',');
                    }
                    entry.write_json(out);
                    written += 1;
                    self.after = Some(Arc::clone(id));
                }
            }
            self.service += 1;
            self.after = None;
        }
        false
    }

    fn names(&mut self, caller: &Caller, out: &mut String) -> bool {
        let mut written = 0;
        while let Some((service, _)) = self.snapshot.services.get(self.service) {
            if written == ENTRIES {
                return true;
            }
            self.service += 1;
            if caller.sees(service) {
                if written > 0 {
                    out.push(',');
                }
                out.push_str(&format!("\"{service}\""));
                written += 1;
            }
        }
        false
    }
}
