//! The way of a call: pick, attempt, judge, pause, and again, until there is a result or no time, no attempt or no
//! budget left.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;
use sd_core::{NoEndpoints, PickRequest};
use tokio::time::Sleep;

use crate::call_error::CallError;
use crate::form::{Form, Underway};
use crate::policy::{RetryPolicy, Verdict};
use crate::progress::{Progress, Rang};
use crate::retry_error::{GaveUp, RetryError};
use crate::retrying::Retrying;
use crate::wait::Decided;

pin_project! {
    pub(crate) struct Drive<S, P, C, M, Req>
    where
        M: Form<S, Req>,
    {
        retrying: Retrying<S, P, C>,
        form: M,
        // What the next attempt sends; none while the last one has it.
        request: Option<Req>,
        #[pin]
        stage: Stage<M::Attempt>,
        #[pin]
        timer: Option<Sleep>,
        progress: Progress<<M::Attempt as Underway>::Error>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<A> {
        Beginning,
        // It is undecided whether anybody can be picked.
        Waiting { decided: Decided, nobody: Option<NoEndpoints> },
        Calling { #[pin] attempt: A },
        Pausing,
    }
}

impl<S, P, C, M, Req> Drive<S, P, C, M, Req>
where
    M: Form<S, Req>,
{
    pub(crate) fn new(retrying: Retrying<S, P, C>, form: M, request: Req) -> Self {
        let progress = Progress::default();
        Self { retrying, form, request: Some(request), stage: Stage::Beginning, timer: None, progress }
    }
}

impl<S, P, C, M, Req> Future for Drive<S, P, C, M, Req>
where
    S: Clone + Send + Sync + 'static,
    M: Form<S, Req>,
    P: RetryPolicy<Req, <M::Attempt as Underway>::Answer, <M::Attempt as Underway>::Error>,
{
    type Output = Result<<M::Attempt as Underway>::Answer, RetryError<<M::Attempt as Underway>::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let (retrying, progress) = (&*this.retrying, this.progress);
        let balanced = retrying.balanced();
        loop {
            // Either a failure to go on from, or another stage was set.
            let error = match this.stage.as_mut().project() {
                StageProjection::Beginning => {
                    // `None`: polled after it was ready.
                    let Some(request) = this.request.take() else { return Poll::Pending };
                    if progress.made == 0 {
                        retrying.budget().deposit();
                    }
                    let mut pick = PickRequest::new().with_tried(&progress.tried);
                    pick.hash = retrying.policy().hash(&request);
                    match balanced.pick(pick) {
                        Ok(picked) => {
                            progress.made += 1;
                            progress.called = Some(picked.ticket.key());
                            if progress.made < retrying.limits().attempts {
                                *this.request = retrying.policy().clone_request(&request);
                            }
                            let keep_instance = retrying.policy().judges_responses();
                            let attempt = this.form.attempt(picked, request, keep_instance);
                            this.stage.set(Stage::Calling { attempt });
                            continue;
                        }
                        Err(nobody) => {
                            *this.request = Some(request);
                            if balanced.waits_after(&nobody) {
                                let decided = Decided::new(balanced.cell().clone());
                                this.stage.set(Stage::Waiting { decided, nobody: Some(nobody) });
                                continue;
                            }
                            progress.made += 1;
                            progress.called = None;
                            CallError::NoEndpoints(nobody)
                        }
                    }
                }
                StageProjection::Calling { mut attempt } => match attempt.as_mut().poll(cx) {
                    Poll::Ready(Ok(answer)) => {
                        if !retrying.policy().judges_responses()
                            || retrying.policy().judge(Ok(&answer)) == Verdict::Stands
                            || progress.obstacle(retrying, this.request.is_some()).is_some()
                        {
                            return Poll::Ready(Ok(answer));
                        }
                        let Some(instance) = attempt.instance() else { return Poll::Ready(Ok(answer)) };
                        progress.note(CallError::Unaccepted { instance });
                        this.stage.set(if progress.pause(retrying) { Stage::Pausing } else { Stage::Beginning });
                        continue;
                    }
                    Poll::Ready(Err(source)) => match attempt.instance() {
                        Some(instance) => CallError::Service { instance, source },
                        None => return Poll::Pending,
                    },
                    Poll::Pending => {
                        let per_attempt = retrying.limits().per_attempt;
                        let rang = ready!(progress.poll_timer(this.timer.as_mut(), retrying, per_attempt, cx));
                        let Some(instance) = attempt.as_mut().instance() else { return Poll::Pending };
                        attempt.give_up();
                        let error = CallError::TimedOut { instance, after: progress.took() };
                        if let Rang::Call = rang {
                            progress.note(error);
                            this.stage.set(Stage::Beginning);
                            *this.request = None;
                            return Poll::Ready(Err(progress.give_up(retrying, GaveUp::TimedOut)));
                        }
                        error
                    }
                },
                StageProjection::Waiting { decided, nobody } => {
                    if Pin::new(decided).poll(cx).is_pending() {
                        let _ = ready!(progress.poll_timer(this.timer.as_mut(), retrying, None, cx));
                        // Asked again, since what is in the way may be known by now.
                        let newest = balanced.pick(PickRequest::new()).err().or_else(|| nobody.take());
                        progress.made += 1;
                        if let Some(nobody) = newest {
                            progress.note(CallError::NoEndpoints(nobody));
                        }
                        return Poll::Ready(Err(progress.give_up(retrying, GaveUp::TimedOut)));
                    }
                    progress.leave_stage();
                    this.stage.set(Stage::Beginning);
                    continue;
                }
                StageProjection::Pausing => {
                    let rang = ready!(progress.poll_timer(this.timer.as_mut(), retrying, None, cx));
                    if let Rang::Call = rang {
                        return Poll::Ready(Err(progress.give_up(retrying, GaveUp::TimedOut)));
                    }
                    progress.leave_stage();
                    this.stage.set(Stage::Beginning);
                    continue;
                }
            };

            let verdict = retrying.policy().judge(Err(&error));
            let reason = match (&error, verdict) {
                (CallError::NoEndpoints(_), Verdict::Stands) => Some(GaveUp::NoEndpoints),
                (_, Verdict::Stands) => Some(GaveUp::NotRetryable),
                (_, Verdict::TryAgain) => progress.obstacle(retrying, this.request.is_some()),
            };
            progress.note(error);
            if let Some(reason) = reason {
                this.stage.set(Stage::Beginning);
                *this.request = None;
                return Poll::Ready(Err(progress.give_up(retrying, reason)));
            }
            // Drops the attempt, and with it its place in the instance's count.
            this.stage.set(if progress.pause(retrying) { Stage::Pausing } else { Stage::Beginning });
        }
    }
}

impl<S, P, C, M, Req> fmt::Debug for Drive<S, P, C, M, Req>
where
    M: Form<S, Req>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stage = match &self.stage {
            Stage::Beginning => "beginning",
            Stage::Waiting { .. } => "waiting for the first answer",
            Stage::Calling { .. } => "calling",
            Stage::Pausing => "pausing",
        };
        f.debug_struct("Drive").field("stage", &stage).field("attempts", &self.progress.made).finish_non_exhaustive()
    }
}
