//! How it looks: by day, by night, on a phone, and with nothing to show.

use serde_json::json;

use crate::common::{Http, centre, registration};
use crate::tab::Tab;

async fn fill(http: &Http) {
    let long =
        "a-service-with-a-name-that-goes-on-and-on.and-on.and-on.and-on.and-on.and-on.and-on-for-a-hundred-letters";
    for (service, address) in [
        ("book", "10.0.0.7:50052".to_owned()),
        (long, format!("{}.example:65535", "a-host-with-a-long-name.".repeat(8))),
    ] {
        let instance = json!({"address": address, "zone": "z".repeat(60), "tags": ["t".repeat(90)],
            "metadata": {"k".repeat(80): "v".repeat(300)}});
        let answer =
            http.post("/v1/register", &json!({"service": service, "instance": instance, "ttl_ms": 600_000})).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_sticks_out_at_any_width() {
    let (_centre, http) = centre().await;
    fill(&http).await;
    let Some(tab) = Tab::open("widths", &format!("http://{}", http.authority())).await else { return };
    tab.until_rows(2).await;
    // What sticks out of a panel is cut off there, and would not show in the document's width.
    let fits = "[document.documentElement, ...document.querySelectorAll('.top, .views, .panel, .head, .scroll, .row, .body, \
        .requires, #events, .acts')].every((one) => one.scrollWidth <= one.clientWidth + 1) \
        && document.documentElement.scrollHeight <= innerHeight";
    for (width, height) in [(320, 640), (390, 844), (700, 900), (820, 1180), (1024, 768), (1280, 800), (1920, 1080)] {
        tab.resize(width, height).await;
        let rows = "document.querySelectorAll('#instances .canvas .row').length === 2";
        tab.until(&format!("{width}: all fits"), &format!("{fits} && {rows}")).await;
        if width <= 700 {
            for view in ["services", "activity", "instances"] {
                tab.click(&format!(".views [data-view={view}]")).await;
                tab.until(&format!("{width}: {view} fit"), fits).await;
                let seen =
                    "[...document.querySelectorAll('main > *')].filter((one) => one.offsetWidth > 0).length === 1";
                tab.until("one view at a time", seen).await;
            }
        }
        tab.click("#instances .canvas .row").await;
        tab.until("details", "document.getElementById('details').offsetWidth > 0").await;
        tab.until(&format!("{width}: details fit"), fits).await;
        tab.click("#drain").await;
        let dialog = "(() => { const r = document.getElementById('confirm').getBoundingClientRect();
            return r.width > 0 && r.left >= 0 && r.right <= innerWidth; })()";
        tab.until(&format!("{width}: the question fits"), dialog).await;
        tab.press("Escape").await;
        tab.click("#details-close").await;
    }
    tab.went_well();
}

/// In the page: how much darker or lighter than its ground a text is, as WCAG counts.
const CONTRASTS: &str = "(() => {
    const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    const numbers = (color) => {
        canvas.fillStyle = color;
        canvas.fillRect(0, 0, 1, 1);
        return [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
    };
    const linear = (part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    const light = (color) => {
        const [r, g, b] = numbers(color).map(linear);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        for (let one = element; one; one = one.parentElement) {
            const color = getComputedStyle(one).backgroundColor;
            if (color !== 'rgba(0, 0, 0, 0)') return color;
        }
    };
    const low = [];
    for (const element of document.querySelectorAll('body *')) {
        const text = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== '');
        if (!text || element.offsetWidth < 2 || element.disabled || element.closest('noscript')) continue;
        const [a, b] = [light(getComputedStyle(element).color), light(ground(element))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < 4.5) low.push(`${element.outerHTML}: ${ratio.toFixed(2)}`);
    }
    return low;
})()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_day_and_by_night_every_text_can_be_read() {
    let (_centre, http) = centre().await;
    for (id, health) in [("a", "up"), ("b", "draining"), ("c", "down")] {
        let mut body = registration("book", id, "one");
        (body["instance"]["health"], body["ttl_ms"]) = (json!(health), json!(600_000));
        http.post("/v1/register", &body).await;
    }
    let Some(tab) = Tab::open("contrast", &format!("http://{}", http.authority())).await else { return };
    tab.until_rows(3).await;
    tab.until("events", "document.querySelectorAll('#events li[data-at]').length === 3").await;
    let mut grounds = Vec::new();
    for scheme in ["light", "dark"] {
        tab.prefer(scheme).await;
        // What has just changed is lit up for a moment.
        tab.until("calm", "document.getAnimations().every((one) => one instanceof CSSTransition)").await;
        assert_eq!(tab.js(CONTRASTS).await, json!([]), "{scheme}");
        grounds.push(tab.js("getComputedStyle(document.body).backgroundColor").await);
    }
    assert_ne!(grounds[0], grounds[1]);
    tab.went_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_empty_centre_says_how_to_register_and_that_line_works() {
    let (_centre, http) = centre().await;
    let Some(tab) = Tab::open("empty", &format!("http://{}", http.authority())).await else { return };
    tab.until_text("Nothing registered yet").await;
    let lines = tab.js("[...document.querySelectorAll('#nothing pre')].map((line) => line.innerText)").await;
    let (shell, rust) = (lines[0].as_str().unwrap(), lines[1].as_str().unwrap());
    assert!(rust.contains(&format!("sd_kit::connect(\"sd://{}\")", http.authority())), "{rust}");
    let url = format!("curl http://{}/v1/register ", http.authority());
    let body = shell.strip_prefix(&url).and_then(|rest| rest.split_once("-d '")).unwrap_or_else(|| panic!("{shell}")).1;
    let answer = http.post_text("/v1/register", body.trim_end_matches('\'').to_owned()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    tab.until_rows(1).await;
    tab.went_well();
}
