//! 10,000 instances stay usable.

use futures_util::{StreamExt, stream};
use serde_json::json;

use crate::common::{Http, centre};
use crate::tab::Tab;

const INSTANCES: usize = 10_000;
/// However many instances there are.
const MOST_ELEMENTS: u64 = 1_500;

fn address(number: usize) -> String {
    format!("10.{}.{}.{}:80", number / 65_536, number / 256 % 256, number % 256)
}

async fn fill(http: &Http) {
    let numbers = stream::iter(0..INSTANCES);
    numbers
        .for_each_concurrent(64, async |number| {
            let (service, zone) = (format!("service-{}", number % 20), format!("zone-{}", number % 3));
            let instance = json!({"address": address(number), "zone": zone, "metadata": {"n": number.to_string()}});
            let body = json!({"service": service, "instance": instance, "ttl_ms": 3_600_000});
            assert_eq!(http.post("/v1/register", &body).await.status, 201);
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_instances_are_shown_searched_and_changed() {
    let (_centre, http) = centre().await;
    let Some(tab) = Tab::open("many", &format!("http://{}", http.authority())).await else { return };
    fill(&http).await;
    tab.go("/?again").await;
    tab.until_rows(INSTANCES).await;
    let took = tab.js("Math.round(performance.now())").await;
    println!("10,000 instances: rows {took} ms after the page was asked for");
    let elements = async || tab.js("document.querySelectorAll('*').length").await.as_u64().unwrap();
    assert!(elements().await < MOST_ELEMENTS);
    assert_eq!(tab.text("#instances-count").await, "10,000 instances");

    tab.js("document.getElementById('instances').scrollTop = 1e9; true").await;
    let last_row =
        "document.querySelector(`#instances .row[aria-rowindex=\"10001\"]`)?.innerText.includes('service-19')";
    tab.until("the last row", &format!("{last_row} === true")).await;
    assert!(elements().await < MOST_ELEMENTS);
    tab.js("document.getElementById('instances').focus(); true").await;
    tab.press("Home").await;
    tab.until("the first row", "document.activeElement.getAttribute('aria-activedescendant') !== null").await;
    tab.press("End").await;
    tab.until("the last row", &format!("{last_row} === true")).await;

    tab.press("/").await;
    tab.type_text("n=7777").await;
    tab.until_rows(1).await;
    assert!(tab.text("#instances .canvas .row").await.contains(&address(7_777)));
    let id = json!({"service": "service-17", "id": address(7_777)});
    http.post("/v1/drain", &id).await;
    tab.until("it drains", "document.querySelector('#instances .canvas .row').dataset.health === 'draining'").await;
    tab.until_rows(1).await;
    tab.press("Escape").await;
    tab.until_rows(INSTANCES).await;

    let repaint = "(async () => {
        let worst = 0, before = performance.now();
        const grid = document.getElementById('instances');
        for (let step = 0; step < 60; step += 1) {
            grid.scrollTop = step * 5000;
            await new Promise(requestAnimationFrame);
            worst = Math.max(worst, performance.now() - before);
            before = performance.now();
        }
        return Math.round(worst);
    })()";
    println!("10,000 instances: the slowest of 60 frames while scrolling took {} ms", tab.js(repaint).await);
    assert!(elements().await < MOST_ELEMENTS);
    tab.went_well();
}

/// In the page: what is kept in order change by change must be what sorting all of it anew comes to.
const MODEL: &str = "(async () => {
    const { Model } = await import('/page/model.js');
    let seed = 7;
    const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
    const pick = (list) => list[random(list.length)];
    const model = new Model();
    const keys = () => model.shown.map((entry) => `${entry.key} ${entry.revision}`).join();
    for (let revision = 1; revision <= 4000; revision += 1) {
        const [service, id] = [`s-${random(5)}`, `h-${random(40)}`];
        const health = pick(['up', 'up', 'draining', 'down']);
        const instance = { id, address: `${id}:80`, weight: random(4), health, zone: pick(['a', 'b']) };
        if (random(3) > 0) model.take({ name: 'put', data: { service, revision, instance } });
        else model.take({ name: 'remove', data: { service, id, revision } });
        if (random(20) === 0) {
            const terms = pick([[], ['h-1'], ['zone:a'], ['s-2', 'health:up']]);
            const filter = { service: pick([null, null, 's-1']), health: pick([null, null, 'draining']), terms };
            const by = pick(['instance', 'service', 'health', 'weight', 'zone', 'age']);
            model.arrange({ filter, sort: { by, down: random(2) === 0 } });
        }
        if (random(10) > 0) continue;
        const kept = keys();
        const counted = JSON.stringify([model.counts(null), model.total, model.names.map((one) => one.name)]);
        model.arrange({});
        if (keys() !== kept) return `${revision}: ${kept} is not ${keys()}`;
        const all = [...model.services.values()].flatMap((one) => [...one.entries.values()]);
        const of = (word) => all.filter((entry) => entry.health === word).length;
        const counts = { up: of('up'), draining: of('draining'), down: of('down'), total: all.length };
        const names = [...model.services.keys()].sort();
        if (JSON.stringify([counts, all.length, names]) !== counted) return `${revision}: ${counted}`;
    }
    return 'the same';
})()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_in_place_is_what_is_sorted_anew() {
    let (_centre, http) = centre().await;
    let Some(tab) = Tab::open("model", &format!("http://{}", http.authority())).await else { return };
    assert_eq!(tab.js(MODEL).await, "the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sorting_and_health_choose_what_is_shown_and_a_reload_finds_it_again() {
    let (_centre, http) = centre().await;
    let Some(tab) = Tab::open("sorting", &format!("http://{}", http.authority())).await else { return };
    for (id, weight) in [("h-9", 1), ("h-10", 5), ("h-1", 3)] {
        let instance = json!({"id": id, "address": format!("{id}:80"), "weight": weight});
        http.post("/v1/register", &json!({"service": "book", "instance": instance, "ttl_ms": 600_000})).await;
    }
    tab.until_rows(3).await;
    let order =
        "[...document.querySelectorAll('#instances .canvas .row')].sort((a, b) => a.ariaRowIndex - b.ariaRowIndex)
        .map((row) => row.querySelector('.address').innerText).join()";
    tab.until("digits count as numbers", &format!("{order} === 'h-1:80,h-9:80,h-10:80'")).await;
    tab.click(".c-weight button").await;
    tab.until("by weight, the heaviest first", &format!("{order} === 'h-10:80,h-1:80,h-9:80'")).await;
    http.post("/v1/drain", &json!({"service": "book", "id": "h-1"})).await;
    tab.until_text("1 draining").await;
    tab.click("[data-health=draining].chip").await;
    tab.until_rows(1).await;
    tab.call("Page.reload", json!({})).await;
    tab.until(
        "it is asked for again",
        "document.querySelector('.chip[aria-pressed=true]')?.innerText === '1 draining'",
    )
    .await;
    tab.until_rows(1).await;
    tab.js("document.getElementById('search').focus(); true").await;
    tab.type_text("nothing like it").await;
    tab.until_text("Nothing matches").await;
    tab.click("#nothing button").await;
    tab.until("all are shown", &format!("{order} === 'h-10:80,h-1:80,h-9:80'")).await;
    tab.went_well();
}
