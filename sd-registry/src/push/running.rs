//! The calls of one member: a push, and the heartbeat that it is asked for.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, StatusCode};
use tokio::time::sleep;

use crate::push::callback::Called;
use crate::push::delivery::Pushed;
use crate::push::patch::Patch;
use crate::push::posted::Posted;

/// A heartbeat is answered within this time, or has failed.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(3);

pub(super) type Future<T> = Pin<Box<dyn std::future::Future<Output = T> + Send>>;

/// What runs beside the orders.
pub(super) struct Running {
    pub(super) pushing: Option<(Patch, Future<Pushed>)>,
    pub(super) beat: Future<bool>,
}

/// Posts a patch to the receiver.
pub(super) async fn push(posted: &Posted, patch: &Patch, within: Duration) -> Pushed {
    match posted.update.call(Method::POST, Some(patch.to_json()), within).await {
        // The article's centre asks no more of an answer than that there is one.
        Called::Answered(_) => Pushed::Delivered,
        Called::NotSent(why) => Pushed::NotSent(why),
        Called::Unknown(why) => Pushed::Unknown(why),
    }
}

/// Asks for a heartbeat after `delay`; says whether it was answered.
pub(super) fn heartbeat(posted: &Arc<Posted>, delay: Duration) -> Future<bool> {
    let posted = Arc::clone(posted);
    Box::pin(async move {
        sleep(delay).await;
        matches!(posted.heartbeat.call(Method::GET, None, HEARTBEAT).await, Called::Answered(StatusCode::OK))
    })
}
