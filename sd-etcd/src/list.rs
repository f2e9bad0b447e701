//! Reading all keys of a range as they were at one revision, in pages.

use std::sync::Arc;

use etcd_client::{GetOptions, KeyValue};
use tokio::time::Instant;

use crate::dial::Session;
use crate::error::Failure;
use crate::layout::Range;
use crate::pool::Pool;

const PAGE: i64 = 1000;

/// All keys of a range, as they were at one revision.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) revision: i64,
    pub(crate) cluster: u64,
    pub(crate) entries: Vec<KeyValue>,
}

/// Reads all keys of a range. With a `deadline` all of it ends by then, else each page has its own.
///
/// A page that turns out larger than we decode is asked for again with half as many keys.
pub(crate) async fn list(
    pool: &Pool,
    range: &Range,
    keys_only: bool,
    operation: &'static str,
    deadline: Option<Instant>,
) -> Result<Listing, Failure> {
    let mut listing = Listing { revision: 0, cluster: 0, entries: Vec::new() };
    let mut start = range.start.clone();
    let mut limit = PAGE;
    loop {
        let mut options = GetOptions::new().with_range(range.end.clone()).with_limit(limit);
        if keys_only {
            options = options.with_keys_only();
        }
        if listing.revision != 0 {
            options = options.with_revision(listing.revision);
        }
        let from = start.clone();
        let get = |session: Arc<Session>| async move { session.kv().get(from, Some(options)).await };
        let mut answer = match pool.call(deadline.unwrap_or_else(|| pool.deadline()), operation, get).await {
            Err(failure) if failure.too_large && limit > 1 => {
                limit /= 2;
                continue;
            }
            answer => answer?,
        };
        if let (0, Some(header)) = (listing.revision, answer.header()) {
            (listing.revision, listing.cluster) = (header.revision(), header.cluster_id());
        }
        let more = answer.more();
        listing.entries.append(&mut answer.take_kvs());
        match listing.entries.last() {
            Some(last) if more => {
                start = last.key().to_vec();
                start.push(0);
            }
            _ => return Ok(listing),
        }
    }
}
