//! What registrants say of themselves is shown as text, whatever they say.

use serde_json::json;

use crate::common::centre;
use crate::tab::Tab;

const SCRIPT: &str = "<script>globalThis.ran = 1<\u{2f}script><img src=x onerror='globalThis.ran = 2'>";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_with_markup_are_shown_as_text_and_nothing_runs() {
    let (_centre, http) = centre().await;
    let Some(tab) = Tab::open("hostile", &format!("http://{}", http.authority())).await else { return };
    // An id holds no slash, so its markup does without one.
    let id = "<img src=x onerror=globalThis.ran=3>";
    let instance = json!({"id": id, "address": "10.0.0.7:80", "zone": SCRIPT, "tags": [SCRIPT, "javascript:alert(1)"],
        "metadata": {SCRIPT: SCRIPT, "__proto__": "p", "constructor": "c"}, "owner": "one"});
    let answer = http.post("/v1/register", &json!({"service": "book", "instance": instance, "ttl_ms": 600_000})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    tab.until_rows(1).await;
    tab.until("its event", "document.querySelector('#events li[data-at]') !== null").await;
    assert!(tab.text("#instances .canvas .row").await.contains(SCRIPT));
    assert!(tab.text("#events").await.contains(id));
    tab.click("#instances .canvas .row").await;
    tab.until_text("Deregister…").await;
    let details = tab.text("#details").await;
    assert_eq!(details.matches(SCRIPT).count(), 4, "zone, a tag, a key and its value: {details}");
    assert!(details.contains("__proto__") && details.contains("constructor"), "{details}");
    tab.click("#deregister").await;
    tab.until("the question", "document.getElementById('confirm').open").await;
    assert!(tab.text("#confirm").await.contains(id));
    tab.press("Escape").await;
    let counts = "[typeof globalThis.ran, document.querySelectorAll('img').length, document.scripts.length].join()";
    assert_eq!(tab.js(counts).await, "undefined,0,1");
    tab.went_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_policy_stops_what_the_page_itself_would_not() {
    let (_centre, http) = centre().await;
    let Some(tab) = Tab::open("policy", &format!("http://{}", http.authority())).await else { return };
    tab.until_text("Nothing registered yet").await;
    let tries = "(() => {
        let refused = 0;
        const tried = document.createElement('div');
        try { tried.innerHTML = '<b>markup</b>'; } catch { refused += 1; }
        const script = document.createElement('script');
        try { script.textContent = 'globalThis.ran = 1'; document.body.append(script); } catch { refused += 1; }
        try { tried.setAttribute('onclick', 'globalThis.ran = 2'); } catch { refused += 1; }
        document.body.append(tried);
        tried.click();
        return [refused, typeof globalThis.ran].join();
    })()";
    assert_eq!(tab.js(tries).await, "3,undefined");
}
