//! What a call has behind it, and how long it may still go on.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sd_core::InstanceKey;
use tokio::time::{Instant, Sleep};

use crate::call_error::CallError;
use crate::retry_error::{Attempt, GaveUp, RetryError};
use crate::retrying::Retrying;

/// What a call has behind it. Instants are known from when it first had to wait, or first failed.
pub(crate) struct Progress<E> {
    /// Attempts that were made, the present one included.
    pub(crate) made: u32,
    pauses: u32,
    /// The end of the call's total time.
    deadline: Option<Instant>,
    /// Whether `deadline` is what it should be: without a limit it is `None` then, too.
    has_deadline: bool,
    /// When the present stage began, and when it ends by itself.
    began: Option<Instant>,
    ends: Option<Instant>,
    /// What the timer is set to.
    armed: Option<Instant>,
    /// Who is being called.
    pub(crate) called: Option<InstanceKey>,
    pub(crate) tried: Vec<InstanceKey>,
    failed: Vec<Attempt<E>>,
}

/// What rang.
pub(crate) enum Rang {
    /// The call's total time is over.
    Call,
    /// The present stage's time is over.
    Stage,
}

impl<E> Progress<E> {
    /// Notes how the present attempt failed.
    pub(crate) fn note(&mut self, error: CallError<E>) {
        self.failed.push(Attempt::new(error, self.took()));
        self.tried.extend(self.called.take());
        self.leave_stage();
    }

    pub(crate) fn took(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| Instant::now() - began)
    }

    pub(crate) fn leave_stage(&mut self) {
        (self.began, self.ends) = (None, None);
    }

    /// What is in the way of another attempt; if nothing is, it has been taken from the budget.
    pub(crate) fn obstacle<S, P, C>(&mut self, retrying: &Retrying<S, P, C>, can_send_again: bool) -> Option<GaveUp> {
        if self.made >= retrying.limits().attempts {
            return Some(GaveUp::Exhausted);
        }
        if !can_send_again {
            return Some(GaveUp::NotRetryable);
        }
        let now = Instant::now();
        self.set_deadline(retrying, now);
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            return Some(GaveUp::TimedOut);
        }
        (!retrying.budget().withdraw()).then_some(GaveUp::BudgetExhausted)
    }

    /// Begins the pause before the next attempt. False: there is none; the second attempt goes to another instance at
    /// once, if one is left.
    pub(crate) fn pause<S, P, C>(&mut self, retrying: &Retrying<S, P, C>) -> bool {
        if self.made == 1 && self.is_another_left(retrying) {
            return false;
        }
        self.pauses += 1;
        let now = Instant::now();
        let pause = retrying.limits().pause(self.pauses, retrying.randomness());
        (self.began, self.ends) = (Some(now), now.checked_add(pause));
        true
    }

    fn is_another_left<S, P, C>(&self, retrying: &Retrying<S, P, C>) -> bool {
        let present = retrying.balanced().cell().load();
        let members = present.members();
        members.len() > self.tried.len() || members.iter().any(|member| !self.tried.contains(&member.key()))
    }

    pub(crate) fn give_up<S, P, C>(&mut self, retrying: &Retrying<S, P, C>, reason: GaveUp) -> RetryError<E> {
        RetryError { reason, attempts: std::mem::take(&mut self.failed), allowed: retrying.limits().attempts }
    }

    fn set_deadline<S, P, C>(&mut self, retrying: &Retrying<S, P, C>, now: Instant) {
        if !self.has_deadline {
            self.deadline = now.checked_add(retrying.limits().within);
            self.has_deadline = true;
        }
    }

    /// Called when the present stage has to wait: sets the timer to the call's or the stage's end, whichever is first.
    pub(crate) fn poll_timer<S, P, C>(
        &mut self,
        mut timer: Pin<&mut Option<Sleep>>,
        retrying: &Retrying<S, P, C>,
        limit: Option<Duration>,
        cx: &mut Context<'_>,
    ) -> Poll<Rang> {
        if self.began.is_none() {
            let now = Instant::now();
            self.set_deadline(retrying, now);
            (self.began, self.ends) = (Some(now), limit.and_then(|limit| now.checked_add(limit)));
        }
        let next = match (self.deadline, self.ends) {
            (Some(deadline), Some(ends)) => deadline.min(ends),
            (either, other) => match either.or(other) {
                Some(next) => next,
                None => return Poll::Pending,
            },
        };
        match timer.as_mut().as_pin_mut() {
            None => timer.set(Some(tokio::time::sleep_until(next))),
            Some(sleep) if self.armed != Some(next) => sleep.reset(next),
            Some(_) => {}
        }
        self.armed = Some(next);
        if let Some(sleep) = timer.as_pin_mut() {
            ready!(sleep.poll(cx));
        }
        self.armed = None;
        Poll::Ready(if self.deadline.is_some_and(|deadline| deadline <= next) { Rang::Call } else { Rang::Stage })
    }
}

impl<E> Default for Progress<E> {
    fn default() -> Self {
        Self {
            made: 0,
            pauses: 0,
            deadline: None,
            has_deadline: false,
            began: None,
            ends: None,
            armed: None,
            called: None,
            tried: Vec::new(),
            failed: Vec::new(),
        }
    }
}
