//! What changes shows, soon.

use serde_json::json;

use crate::common::{centre, registration};
use crate::tab::Tab;

/// In the page: does something, and tells how long after its acceptance it shows, in milliseconds.
const MEASURE: &str = "
    globalThis.post = async (path, body) => {
        const headers = { 'content-type': 'application/json' };
        const response = await fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
        if (!response.ok) throw new Error(await response.text());
    };
    globalThis.frame = () => new Promise(requestAnimationFrame);
    globalThis.shown = (id) => [...document.querySelectorAll('#instances .canvas .row')]
        .find((row) => row.innerText.includes(id))?.innerText ?? '';
    globalThis.measured = async (accepted, isSeen) => {
        await accepted();
        const since = performance.now();
        while (!isSeen()) await frame();
        return Math.round(performance.now() - since);
    };
    true";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_that_registers_drains_and_dies_shows_at_once() {
    let (_centre, http) = centre().await;
    let Some(tab) = Tab::open("live", &format!("http://{}", http.authority())).await else { return };
    tab.until_text("Nothing registered yet").await;
    tab.js(MEASURE).await;
    let measured = async |what: &str, script: &str| {
        let took = tab.js(script).await;
        println!("{what}: seen {took} ms after it was accepted");
    };
    let book = registration("book", "10.0.0.7:50052", "one");
    measured("registered", &format!("measured(() => post('v1/register', {book}), () => shown('10.0.0.7:50052'))"))
        .await;
    let id = json!({"service": "book", "id": "10.0.0.7:50052"});
    let is_draining = "() => shown('10.0.0.7:50052').includes('draining')";
    measured("drained", &format!("measured(() => post('v1/drain', {id}), {is_draining})")).await;
    let is_gone = "() => !shown('10.0.0.7:50052')";
    measured("deregistered", &format!("measured(() => post('v1/deregister', {id}), {is_gone})")).await;
    let mut short = registration("book", "10.0.0.8:50052", "one");
    short["ttl_ms"] = json!(1_000);
    let died = format!(
        "measured(async () => {{
            await post('v1/register', {short});
            while (!shown('10.0.0.8:50052')) await frame();
            // A list, as one that names the instance would complain in the console when it is gone.
            while ((await (await fetch('v1/services/book')).json()).instances.length > 0) await frame();
        }}, () => !shown('10.0.0.8:50052'))"
    );
    measured("died", &died).await;
    tab.until("recent events", "document.querySelectorAll('#events li[data-at]').length === 5").await;
    let events = tab.text("#events").await;
    let words: Vec<_> = events.lines().filter(|line| !line.contains(|c: char| c.is_ascii_digit())).collect();
    let words: Vec<_> = words.into_iter().filter(|line| *line != "book").collect();
    assert_eq!(words, ["expired", "registered", "deregistered", "draining", "registered"]);
    tab.went_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_known_of_an_instance_is_shown_and_times_go_on() {
    let (_centre, http) = centre().await;
    let Some(tab) = Tab::open("details", &format!("http://{}", http.authority())).await else { return };
    let instance = json!({"address": "10.0.0.7:50052", "id": "first", "weight": 3, "zone": "eu-1", "tags": ["canary", "v2"],
        "metadata": {"commit": "4f3a"}, "ports": {"metrics": 9100}, "owner": "one"});
    http.post("/v1/register", &json!({"service": "book", "instance": instance, "ttl_ms": 600_000})).await;
    tab.until_rows(1).await;
    tab.until("its lease is known", "document.querySelector('#instances .left').innerText.includes('min')").await;
    let row = tab.text("#instances .canvas .row").await;
    for word in ["up", "10.0.0.7:50052", "first", "book", "3", "eu-1", "canary, v2"] {
        assert!(row.contains(word), "{word}: {row}");
    }
    let age = tab.text("#instances .c-age").await;
    tab.until(
        "its age grows",
        &format!("!document.querySelector('#instances .canvas .c-age').innerText.includes({age:?})"),
    )
    .await;
    tab.click("#instances .canvas .row").await;
    tab.until("details", "!document.getElementById('details').hidden").await;
    let details = tab.text("#details").await;
    for word in
        ["book", "first", "up", "eu-1", "canary, v2", "metrics 9100", "one", "commit", "4f3a", "of a TTL of 10 min"]
    {
        assert!(details.contains(word), "{word}: {details}");
    }
    http.post("/v1/deregister", &json!({"service": "book", "id": "first"})).await;
    tab.until_text("No longer registered.").await;
    assert_eq!(tab.js("document.getElementById('deregister').disabled").await, true);
    tab.went_well();
}
