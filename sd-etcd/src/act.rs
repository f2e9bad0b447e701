//! Transactions that touch an entry only as long as it is the one that was read.

use std::sync::Arc;

use etcd_client::{Compare, CompareOp, GetOptions, KeyValue, Txn, TxnOp, TxnOpResponse};
use sd_core::{Codec, Entry};
use tokio::time::Instant;

use crate::dial::Session;
use crate::error::Failure;
use crate::pool::Pool;

/// How many keys are read or deleted in one transaction; etcd takes 128.
pub(crate) const CHUNK: usize = 64;

/// The entry under a key, if there is one.
pub(crate) async fn read(
    pool: &Pool,
    deadline: Instant,
    operation: &'static str,
    key: &[u8],
) -> Result<Option<KeyValue>, Failure> {
    let get = |session: Arc<Session>| async move { session.kv().get(key, None::<GetOptions>).await };
    Ok(pool.call(deadline, operation, get).await?.take_kvs().pop())
}

/// Deletes a key if it still is what was read at `revision`; says whether it did.
pub(crate) async fn delete_unchanged(
    pool: &Pool,
    deadline: Instant,
    operation: &'static str,
    key: &[u8],
    revision: i64,
) -> Result<bool, Failure> {
    let txn =
        Txn::new().when([Compare::mod_revision(key, CompareOp::Equal, revision)]).and_then([TxnOp::delete(key, None)]);
    let run = |session: Arc<Session>| async move { session.kv().txn(txn).await };
    Ok(pool.call(deadline, operation, run).await?.succeeded())
}

/// Runs `txn`; what its `get`s found when it did not go through, or `None` when it did.
pub(crate) async fn run_or_read(
    pool: &Pool,
    deadline: Instant,
    operation: &'static str,
    txn: Txn,
) -> Result<Option<Vec<KeyValue>>, Failure> {
    let run = |session: Arc<Session>| async move { session.kv().txn(txn).await };
    let answer = pool.call(deadline, operation, run).await?;
    if answer.succeeded() {
        return Ok(None);
    }
    Ok(Some(found(answer.op_responses())))
}

/// What the `get`s of a transaction found.
pub(crate) fn found(responses: Vec<TxnOpResponse>) -> Vec<KeyValue> {
    let found = responses.into_iter().filter_map(|response| match response {
        TxnOpResponse::Get(mut answer) => Some(answer.take_kvs()),
        _ => None,
    });
    found.flatten().collect()
}

/// The entry, if it is json.
pub(crate) fn json(value: &[u8]) -> Option<Entry> {
    Codec::decode(value).ok().filter(|entry| entry.codec == Codec::Json)
}
