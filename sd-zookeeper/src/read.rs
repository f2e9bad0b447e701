//! Reading many nodes, in requests of bounded size.

use futures_util::stream::{FuturesOrdered, TryStreamExt as _};
use zookeeper_client::{Client, Error as Said, MultiReadResult};

use crate::error::{Failure, answer};
use crate::node::{Found, find};
use crate::sessions::Sessions;

/// How many nodes are read with one request, at most and to begin with.
const MOST: usize = 500;
const FIRST: usize = 64;

/// How many bytes one request asks for, and one answer holds, about. The server reads no request beyond 1 MiB
/// (`jute.maxbuffer`) and breaks the connection of whoever sends one; an answer it builds in its memory, whatever its
/// size.
const BYTES: usize = 512 * 1024;

/// How many requests for one node each are under way at the same time.
const TOGETHER: usize = 64;

/// Reads nodes of unknown size: as many at a time as are likely to fit, judged by those read before.
#[derive(Debug)]
pub(crate) struct Reader {
    /// The server knows no reads of many nodes.
    pub(crate) singly: bool,
    batch: usize,
}

impl Reader {
    pub(crate) fn new(singly: bool) -> Self {
        Self { singly, batch: FIRST }
    }

    /// How many of `paths` are read next.
    pub(crate) fn fitting(&self, paths: &[String]) -> usize {
        let most = if self.singly { TOGETHER } else { self.batch };
        let mut bytes = 0;
        let fits = |path: &&String| {
            bytes += path.len() + 32;
            bytes <= BYTES
        };
        paths.iter().take(most).take_while(fits).count().max(1)
    }

    /// Reads nodes, as many as [fit](Self::fitting), each as it is there or not, within one request's time.
    pub(crate) async fn read(
        &mut self,
        client: &Client,
        paths: &[String],
        sessions: &Sessions,
        operation: &'static str,
    ) -> Result<Vec<Option<Found>>, Failure> {
        let deadline = sessions.deadline();
        if self.singly {
            let mut reading = FuturesOrdered::new();
            for path in paths {
                reading.push_back(find(client, path, deadline, operation));
            }
            return reading.try_collect().await;
        }
        let mut reader = client.new_multi_reader();
        for path in paths {
            reader.add_get_data(path).map_err(|said| Failure::new(said, operation))?;
        }
        let results = answer(deadline, operation, reader.commit()).await?;
        let found: Vec<_> = results.into_iter().map(|result| found(result, operation)).collect::<Result<_, _>>()?;
        self.learn(paths.len(), found.iter().flatten().map(|found| found.data.len() + 128).sum());
        Ok(found)
    }

    fn learn(&mut self, nodes: usize, bytes: usize) {
        let each = bytes.div_ceil(nodes.max(1)).max(1);
        // Slowly upwards: those still to come may be larger.
        self.batch = (BYTES / each).clamp(1, MOST).min(self.batch * 4);
    }
}

fn found(result: MultiReadResult, operation: &'static str) -> Result<Option<Found>, Failure> {
    match result {
        MultiReadResult::Data { data, stat } => Ok(Some(Found::new(data, stat))),
        MultiReadResult::Error { err: Said::NoNode } => Ok(None),
        MultiReadResult::Error { err } => Err(Failure::new(err, operation)),
        _ => Err(Failure::new(Said::UnexpectedError("an answer to another question".to_owned()), operation)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_bounded_by_count_by_the_request_and_by_the_answer() {
        let mut reader = Reader::new(false);
        let short: Vec<_> = (0..2000).map(|number| format!("/services/book/{number}")).collect();
        assert_eq!(reader.fitting(&short), FIRST);
        for _ in 0..5 {
            reader.learn(FIRST, FIRST * 300);
        }
        assert_eq!(reader.fitting(&short), MOST);
        let long: Vec<_> = (0..2000).map(|_| "x".repeat(100_000)).collect();
        assert_eq!(reader.fitting(&long), 5);
        reader.learn(10, 10 * 1_000_000);
        assert_eq!(reader.fitting(&short), 1, "values of a megabyte are read one at a time");
        assert_eq!(Reader::new(true).fitting(&short), TOGETHER);
    }
}
