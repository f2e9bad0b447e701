//! Who requires whom, with programs that speak article 001's protocol.

use crate::common::centre;
use crate::program::{Program, deregister};
use crate::tab::Tab;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_requires_whom_is_shown_and_what_is_missing_stands_out() {
    let (_centre, http) = centre().await;
    let Some(tab) = Tab::open("requirements", &format!("http://{}", http.authority())).await else { return };
    tab.until_text("Nobody has said what they require.").await;
    let (log, grading) = (Program::start().await, Program::start().await);
    log.registered(&http, "LogService", &[]).await;
    grading.registered(&http, "GradingService", &["LogService", "Absent"]).await;
    let shown = "document.getElementById('requires').innerText.replace(/\\s+/g, ' ')";
    tab.until("both", &format!("{shown} === 'GradingService requires Absent nobody LogService 1 up'")).await;
    assert_eq!(deregister(&http, &log.url).await, 200);
    tab.until("nobody is left", &format!("{shown} === 'GradingService requires Absent nobody LogService nobody'"))
        .await;
    tab.click("#requires .link").await;
    tab.until("it is chosen", "document.getElementById('instances-title').innerText === 'GradingService'").await;
    tab.until_rows(1).await;
    tab.went_well();
}
