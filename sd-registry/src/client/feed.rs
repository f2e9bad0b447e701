//! One stream of events of the centre, whose silence is noticed.

use std::time::Duration;

use http::HeaderValue;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use sd_core::{Cursor, Error};

use super::error::{Failure, broken};
use super::events::{Event, EventParser};
use super::pool::Pool;
use super::session::WatchPlace;

/// One stream of events.
#[derive(Debug)]
pub(crate) struct Feed<'a> {
    pool: &'a Pool,
    place: WatchPlace,
    body: Incoming,
    parser: EventParser,
    silence: Duration,
    operation: &'static str,
}

impl<'a> Feed<'a> {
    /// Opens it, from `cursor` on where there is one. Bounded by the request timeout.
    pub(crate) async fn open(
        pool: &'a Pool,
        path: &str,
        cursor: Option<Cursor>,
        silence: Duration,
        operation: &'static str,
    ) -> Result<Self, Failure> {
        let deadline = pool.deadline();
        let place = pool.watch_place(deadline, operation).await?;
        let last_event = cursor.and_then(|cursor| HeaderValue::from_str(&written(cursor)).ok());
        let opened = tokio::time::timeout_at(deadline, place.session.events(path, last_event, operation)).await;
        let opened = opened.unwrap_or_else(|_| Err(Failure::of_endpoint(operation, "no answer in time")));
        let body = opened.map_err(|failure| pool.judged(&place.session, failure))?;
        Ok(Self { pool, place, body, parser: EventParser::default(), silence, operation })
    }

    /// The next events: those that have arrived together.
    ///
    /// # Errors
    /// The stream broke, ended, or was silent for too long.
    pub(crate) async fn next(&mut self) -> Result<Vec<Event>, Failure> {
        match self.arrived().await {
            Ok(events) => Ok(events),
            Err(failure) => Err(self.blamed(failure)),
        }
    }

    /// Gives this feed's host the blame for a failure.
    pub(crate) fn blamed(&self, failure: Failure) -> Failure {
        self.pool.judged(&self.place.session, failure)
    }

    async fn arrived(&mut self) -> Result<Vec<Event>, Failure> {
        loop {
            let silence = self.silence;
            let frame = match tokio::time::timeout(silence, self.body.frame()).await {
                Ok(Some(frame)) => frame.map_err(|error| broken(self.operation, &error))?,
                Ok(None) => return Err(Failure::of_endpoint(self.operation, "it has ended the watch")),
                Err(_) => {
                    return Err(Failure::of_endpoint(self.operation, format!("it has said nothing for {silence:?}")));
                }
            };
            let Some(data) = frame.data_ref() else { continue };
            let events = self.parser.push(data);
            let events = events.map_err(|_| Failure::of_protocol(self.operation, "it sent an event above 64 MiB"))?;
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }
}

/// `{epoch}-{revision}`, as an event's id says it.
pub(crate) fn written(cursor: Cursor) -> String {
    format!("{:016x}-{}", cursor.epoch, cursor.position)
}

/// Where an event's id says that a watch can go on.
///
/// # Errors
/// It is no such id.
pub(crate) fn cursor(id: &str) -> Result<Cursor, Error> {
    let parsed = id.split_once('-').and_then(|(epoch, revision)| {
        let is_hex = epoch.len() == 16 && epoch.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_plain = is_hex && revision.bytes().all(|byte| byte.is_ascii_digit());
        let (epoch, position) = (u64::from_str_radix(epoch, 16).ok()?, revision.parse().ok()?);
        is_plain.then_some(Cursor { position, epoch })
    });
    parsed.ok_or_else(|| {
        let shown: String = id.chars().take(50).collect();
        Error::new(sd_core::ErrorKind::Protocol, format!("an event's id is {shown:?}, and not epoch-revision"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        for (epoch, position) in [(0, 0), (u64::MAX, (1 << 53) - 1), (0xab, 7)] {
            let given = Cursor { position, epoch };
            assert_eq!(cursor(&written(given)).unwrap(), given);
        }
        assert_eq!(written(Cursor { position: 7, epoch: 0xab }), "00000000000000ab-7");
        for bad in ["", "7", "-7", "00000000000000ab-", "00000000000000ab-+7", "ab-7", "00000000000000ab-7-7"] {
            assert!(cursor(bad).is_err(), "{bad:?}");
        }
    }
}
