//! Whether what is known of a range is what the registry holds, without reading it all again.

use std::sync::Arc;

use etcd_client::{GetOptions, SortOrder, SortTarget, Txn, TxnOp, TxnOpResponse};
use sd_core::ErrorKind;
use tokio::time::Instant;

use crate::dial::Session;
use crate::error::Failure;
use crate::layout::Range;
use crate::pool::Pool;
use crate::view::Expected;

/// Whether the registry held, at `revision`, as many keys as are known, and the newest of them as it is known. Two
/// lookups in etcd's index: cheap enough for every reconnect of every client.
///
/// A cluster that was restored or wiped may have the same id and already be past our revision: its history tells. A
/// member that merely lags behind its cluster answers when it has caught up. A revision that has been compacted, or is
/// still to come, is not the same history.
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
    let answer = match pool.call(pool.deadline(), operation, run).await {
        Err(failure) if failure.error.kind() == ErrorKind::Protocol => return Ok(false),
        answer => answer?,
    };
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EtcdConfig;
    use sd_testkit::etcd::EtcdServer;

    #[tokio::test]
    async fn a_key_more_or_less_a_newer_one_and_another_history_are_noticed() {
        let Some(server) = EtcdServer::start("a_key_more_or_less").await else { return };
        let pool = Pool::of(&EtcdConfig::new([server.endpoint()]));
        let range = Range { start: b"/a/".to_vec(), end: b"/a0".to_vec() };
        let gateway = server.gateway();
        gateway.put("/a/1", "x", None).await;
        let newest = gateway.put("/a/2", "x", None).await;
        let later = gateway.put("/elsewhere", "x", None).await;
        let expected = |keys, newest: Option<(&str, i64)>| Expected {
            keys,
            newest: newest.map(|(key, revision)| (key.as_bytes().to_vec(), revision)),
        };
        let cases = [
            (expected(2, Some(("/a/2", newest))), true, true),
            (expected(1, Some(("/a/2", newest))), false, false),
            (expected(3, Some(("/a/2", newest))), false, false),
            (expected(0, None), false, false),
            // An update that was missed: one more lookup than a reconnect is worth, so only the audit sees it.
            (expected(2, Some(("/a/1", newest - 1))), true, false),
            (expected(2, Some(("/a/2", newest - 1))), false, false),
        ];
        for (expected, same, complete) in cases {
            let found = is_same_history(&pool, &range, later, &expected, "watch").await.unwrap();
            assert_eq!(found, same, "{expected:?}");
            let found = is_complete(&pool, pool.deadline(), &range, later, &expected, "watch").await.unwrap();
            assert_eq!(found, complete, "{expected:?}");
        }
        let right = expected(2, Some(("/a/2", newest)));
        assert!(!is_same_history(&pool, &range, later + 100, &right, "watch").await.unwrap(), "still to come");
        gateway.put("/elsewhere", "y", None).await;
        gateway.compact().await;
        assert!(!is_same_history(&pool, &range, later, &right, "watch").await.unwrap(), "compacted");
    }
}
