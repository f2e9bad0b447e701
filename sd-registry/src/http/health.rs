//! Is it alive, is it ready?

use axum::extract::State;

use crate::http::app::App;
use crate::http::problem::Problem;

/// It answers, so it is.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// Ready while it can do everything: it is not stopping, and its store can be written.
pub(crate) async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    if *app.stopping.borrow() {
        return Err(Problem::unavailable("the centre is stopping"));
    }
    match app.ledger.condition().trouble {
        Some(trouble) => Err(Problem::unavailable(trouble)),
        None => Ok("ready\n"),
    }
}
