//! Whether what is known of a range is what the registry holds, without reading it all again.

use std::sync::Arc;

use etcd_client::{GetOptions, SortOrder, SortTarget, Txn, TxnOp, TxnOpResponse};
use tokio::time::Instant;

use crate::dial::Session;
use crate::error::Failure;
use crate::layout::Range;
use crate::pool::Pool;
use crate::view::Expected;

/// Whether the registry held, at `revision`, as many keys as are known, and the newest of them as it is known. Two
/// lookups in etcd's index: cheap enough for every reconnect of every client.
///
/// A cluster that was restored or wiped may have the same id and already be past our revision: its history tells.
pub(crate) async fn is_same_history(
    pool: &Pool,
    range: &Range,
    revision: i64,
    expected: &Expected,
    operation: &'static str,
) -> Result<bool, Failure> {
    let at = GetOptions::new().with_revision(revision);
    let count = at.clone().with_range(range.end.clone()).with_count_only();
    let mut gets = vec![TxnOp::get(range.start.clone(), Some(count))];
    if let Some((key, _)) = &expected.newest {
        gets.push(TxnOp::get(key.clone(), Some(at.with_keys_only())));
    }
    let run = |session: Arc<Session>| async move { session.kv().txn(Txn::new().and_then(gets)).await };
    let answer = pool.call(pool.deadline(), operation, run).await?;
    let mut answers = answer.op_responses().into_iter().filter_map(|response| match response {
        TxnOpResponse::Get(answer) => Some(answer),
        _ => None,
    });
    let keys = answers.next().map_or(0, |answer| answer.count());
    let newest = answers.next().and_then(|answer| answer.kvs().first().map(etcd_client::KeyValue::mod_revision));
    Ok(same_count(keys, expected) && newest == expected.newest.as_ref().map(|(_, revision)| *revision))
}

/// Whether the registry held, at `revision`, as many keys as are known, and none that was written later than those.
/// etcd reads and sorts the whole range for this: for now and then.
pub(crate) async fn is_complete(
    pool: &Pool,
    deadline: Instant,
    range: &Range,
    revision: i64,
    expected: &Expected,
    operation: &'static str,
) -> Result<bool, Failure> {
    let options = GetOptions::new()
        .with_range(range.end.clone())
        .with_revision(revision)
        .with_keys_only()
        .with_sort(SortTarget::Mod, SortOrder::Descend)
        .with_limit(1);
    let start = range.start.clone();
    let get = |session: Arc<Session>| async move { session.kv().get(start, Some(options)).await };
    let answer = pool.call(deadline, operation, get).await?;
    let newest = answer.kvs().first().map(etcd_client::KeyValue::mod_revision);
    Ok(same_count(answer.count(), expected) && newest == expected.newest.as_ref().map(|(_, revision)| *revision))
}

fn same_count(count: i64, expected: &Expected) -> bool {
    usize::try_from(count).is_ok_and(|count| count == expected.keys)
}
