//! The way of a call: pick, send, judge, and elsewhere again where that is safe or allowed.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Request, Response, StatusCode};
use sd_core::{InstanceKey, Outcome, PickRequest, Picked, Ticket, defaults, spread};
use tokio::time::{Instant, sleep, timeout_at};
use tonic::body::Body;
use tonic::{Code, Status};

use crate::connection::Connection;
use crate::deadline;
use crate::failure::Failure;
use crate::message::Message;
use crate::method_config::{MethodConfig, RetryRule};
use crate::nobody;
use crate::request_body::RequestBody;
use crate::response_body::{ResponseBody, code, outcome};
use crate::shared::Shared;

/// So often a request that surely was not processed is sent again, beside what its method's rule allows: instances may
/// go one after the other.
const MOST_TRANSPARENT: u32 = 8;
/// A pause is this much shorter or longer than the rule says, as gRPC has it.
const SPREAD: f64 = 0.2;
const PUSHBACK: &str = "grpc-retry-pushback-ms";

pub(crate) async fn call(channel: Arc<Shared>, request: Request<Body>) -> Result<Response<ResponseBody>, Status> {
    let channel = &*channel;
    let (head, body) = request.into_parts();
    let path = head.uri.into_parts().path_and_query;
    let path = path.ok_or_else(|| Status::internal("a request without a path: generated clients give one"))?;
    let method = channel.config.of(path.path());
    let stated = deadline::stated(&head.headers);
    let ours = method.and_then(|method| method.timeout).or(channel.timeout);
    let limit = stated.into_iter().chain(ours).min();
    // The clock is read only where there is a limit.
    let deadline = limit.and_then(|limit| Some((Instant::now().checked_add(limit)?, limit)));
    let mut message = Message { path, headers: head.headers, body: RequestBody::read(body).await? };
    if let Some(limit) = limit.filter(|_| limit != stated) {
        message.set_timeout(limit);
    }
    channel.begin(method.is_some_and(|method| method.retry.is_some()));
    let call = Call { channel, method, deadline, tried: Vec::new(), attempts: 0, transparent: 0, refused: false };
    call.run(message).await
}

/// A call, between two attempts.
struct Call<'a> {
    channel: &'a Shared,
    method: Option<&'a MethodConfig>,
    deadline: Option<(Instant, Duration)>,
    tried: Vec<InstanceKey>,
    /// Attempts that servers may have seen.
    attempts: u32,
    /// Attempts that no server has seen.
    transparent: u32,
    /// Whether a server has refused one for having too much to do.
    refused: bool,
}

/// What an attempt came to.
enum Attempt {
    /// The head of an answer, with its status if that is all.
    Answered(Response<ResponseBody>, Option<Code>),
    Failed(Failure),
    /// There was no answer within the time of an attempt.
    Late(Duration),
}

impl Call<'_> {
    async fn run(mut self, mut message: Message) -> Result<Response<ResponseBody>, Status> {
        loop {
            let version = self.channel.cell().version();
            let Picked { service: connection, ticket } = self.pick().await?;
            let key = ticket.key();
            let spare = message.again();
            self.attempts += 1;
            let attempt = match self.attempt(&connection, message).await {
                Ok(attempt) => attempt,
                Err(late) => {
                    ticket.complete(Outcome::Failure);
                    return Err(late);
                }
            };
            match attempt {
                Attempt::Answered(response, failed) => {
                    let pause = failed.and_then(|failed| self.pause(failed, Some(response.headers()), spare.is_some()));
                    let (Some(pause), Some(spare)) = (pause, spare) else {
                        if failed.is_none() {
                            self.channel.succeeded();
                        }
                        return Ok(self.hand_on(response, ticket));
                    };
                    ticket.complete(outcome(response.headers()));
                    message = self.after(pause, spare).await;
                }
                Attempt::Failed(Failure::Broken(status)) => {
                    ticket.complete(Outcome::Failure);
                    let pause = self.pause(status.code(), None, spare.is_some());
                    let (Some(pause), Some(spare)) = (pause, spare) else { return Err(status) };
                    message = self.after(pause, spare).await;
                }
                Attempt::Failed(failure) => {
                    // Of the instance it says that it goes, not that it fails.
                    drop(ticket);
                    message = self.transparently(failure, spare, key, version).await?;
                }
                Attempt::Late(limit) => {
                    let id = connection.instance().id().to_owned();
                    ticket.complete(Outcome::Failure);
                    let pause = self.allowed(None, spare.is_some());
                    let late = || Status::deadline_exceeded(format!("{id} has not answered within {limit:?}"));
                    let (Some(pause), Some(spare)) = (pause, spare) else { return Err(late()) };
                    message = self.after(pause, spare).await;
                }
            }
            self.tried.push(key);
        }
    }

    /// Waits for somebody to call, where that is wanted.
    async fn pick(&self) -> Result<Picked<Connection>, Status> {
        let cell = self.channel.cell();
        let wait_for_ready =
            self.method.and_then(|method| method.wait_for_ready).unwrap_or(self.channel.wait_for_ready);
        let mut give_up = None;
        loop {
            let seen = cell.version();
            let nobody = match cell.pick(PickRequest::new().with_tried(&self.tried)) {
                Ok(picked) => return Ok(picked),
                Err(nobody) => nobody,
            };
            if !wait_for_ready && (!nobody.undecided || self.channel.fail_fast) {
                return Err(nobody::unavailable(self.channel, nobody));
            }
            let patience = || Instant::now() + self.channel.wait_timeout;
            let until = if wait_for_ready { None } else { Some(*give_up.get_or_insert_with(patience)) };
            let deadline = self.deadline.map(|(deadline, _)| deadline);
            match until.into_iter().chain(deadline).min() {
                None => drop(cell.changed(seen).await),
                Some(limit) if timeout_at(limit, cell.changed(seen)).await.is_ok() => {}
                Some(limit) if deadline == Some(limit) => return Err(nobody::late(self.channel, nobody)),
                Some(_) => return Err(nobody::unavailable(self.channel, nobody)),
            }
        }
    }

    /// Sends it to one instance, and waits for the head of its answer.
    ///
    /// # Errors
    /// The call's own time is over.
    async fn attempt(&self, connection: &Connection, message: Message) -> Result<Attempt, Status> {
        let Message { path, headers, body } = message;
        let sent = connection.send(path, headers, body);
        let per_attempt = self.rule().and_then(|rule| rule.per_attempt);
        let attempt_ends = per_attempt.and_then(|limit| Instant::now().checked_add(limit));
        let deadline = self.deadline.map(|(deadline, _)| deadline);
        let answer = match deadline.into_iter().chain(attempt_ends).min() {
            None => sent.await,
            Some(end) => match (timeout_at(end, sent).await, self.deadline, per_attempt) {
                (Ok(answer), _, _) => answer,
                (Err(_), Some((deadline, limit)), _) if deadline == end => {
                    let id = connection.instance().id();
                    return Err(Status::deadline_exceeded(format!("{id} has not answered within {limit:?}")));
                }
                (Err(_), _, limit) => return Ok(Attempt::Late(limit.unwrap_or_default())),
            },
        };
        Ok(match answer {
            Ok(response) => {
                let failed = failed(&response);
                Attempt::Answered(response, failed)
            }
            Err(failure) => Attempt::Failed(failure),
        })
    }

    /// The pause before a further attempt after an answer, if one is allowed.
    fn pause(&self, failed: Code, headers: Option<&HeaderMap>, can_send_again: bool) -> Option<Duration> {
        self.rule().filter(|rule| rule.allows(failed))?;
        self.allowed(headers, can_send_again)
    }

    /// The pause before a further attempt, if the rule, its budget, the server and the time that is left allow one.
    fn allowed(&self, headers: Option<&HeaderMap>, can_send_again: bool) -> Option<Duration> {
        let rule = self.rule()?;
        let pushback =
            headers.and_then(|headers| headers.get(PUSHBACK)).map(|text| text.to_str().ok()?.parse::<u32>().ok());
        // Throttling counts each failure, whether or not it could be tried again.
        let is_allowed = self.channel.may_retry(self.attempts < rule.attempts && can_send_again);
        let pause = match pushback {
            Some(None) => return None,
            Some(Some(millis)) => Duration::from_millis(millis.into()),
            None => spread(&*self.channel.randomness, rule.pause(self.attempts), SPREAD),
        };
        let is_time_left = self.deadline.is_none_or(|(deadline, _)| Instant::now() + pause < deadline);
        (is_allowed && is_time_left).then_some(pause)
    }

    /// Pauses, and readies the message for a further attempt.
    async fn after(&self, pause: Duration, mut spare: Message) -> Message {
        sleep(pause).await;
        self.tell_time_left(&mut spare);
        spare.set_previous_attempts(self.attempts);
        spare
    }

    fn tell_time_left(&self, message: &mut Message) {
        if let Some((deadline, _)) = self.deadline {
            message.set_timeout(deadline.saturating_duration_since(Instant::now()));
        }
    }

    /// The message for a further attempt after one that surely was not processed.
    ///
    /// # Errors
    /// There were too many of those, or nothing is left to send.
    async fn transparently(
        &mut self,
        failure: Failure,
        spare: Option<Message>,
        key: InstanceKey,
        version: u64,
    ) -> Result<Message, Status> {
        self.attempts -= 1;
        self.transparent += 1;
        // One that has too much to do must not be asked by everyone again and again.
        let is_refusal = matches!(failure, Failure::Refused(_));
        let too_often = self.transparent > MOST_TRANSPARENT || (is_refusal && self.refused);
        self.refused |= is_refusal;
        let (message, status) = match failure {
            Failure::Unsent { request, status } => (request.map(|request| Message::from(*request)).or(spare), status),
            other => (spare, other.into_status()),
        };
        let Some(mut message) = message.filter(|_| !too_often) else { return Err(status) };
        if self.tried.contains(&key) {
            // Nobody else is left, and the set does not know yet that this connection is gone.
            let moment = Instant::now() + defaults::INSTANCE_CONNECT_TIMEOUT;
            let limit = self.deadline.map_or(moment, |(deadline, _)| deadline.min(moment));
            let _ = timeout_at(limit, self.channel.cell().changed(version)).await;
        }
        self.tell_time_left(&mut message);
        Ok(message)
    }

    fn hand_on(&self, response: Response<ResponseBody>, ticket: Ticket) -> Response<ResponseBody> {
        let (head, mut body) = response.into_parts();
        body.carry(ticket, &head.headers);
        if let Some((deadline, _)) = self.deadline {
            body.end_at(deadline);
        }
        Response::from_parts(head, body)
    }

    fn rule(&self) -> Option<&RetryRule> {
        self.method.and_then(|method| method.retry.as_ref())
    }
}

/// The status of an answer that is nothing else; `None` for one that goes on, and for success.
fn failed(response: &Response<ResponseBody>) -> Option<Code> {
    match (code(response.headers()), response.status()) {
        (Some(Code::Ok), _) | (None, StatusCode::OK) => None,
        (Some(code), _) => Some(code),
        // gRPC's table for answers of proxies, which know HTTP alone.
        (None, StatusCode::BAD_REQUEST) => Some(Code::Internal),
        (None, StatusCode::UNAUTHORIZED) => Some(Code::Unauthenticated),
        (None, StatusCode::FORBIDDEN) => Some(Code::PermissionDenied),
        (None, StatusCode::NOT_FOUND) => Some(Code::Unimplemented),
        (
            None,
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT,
        ) => Some(Code::Unavailable),
        (None, _) => Some(Code::Unknown),
    }
}
