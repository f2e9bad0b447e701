//! Everything can be done with the keyboard alone.

use serde_json::json;

use crate::common::centre;
use crate::tab::Tab;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn draining_and_deregistering_are_confirmed_and_done_with_the_keyboard_alone() {
    let (_centre, http) = centre().await;
    let Some(tab) = Tab::open("keyboard", &format!("http://{}", http.authority())).await else { return };
    for port in [81, 82, 83] {
        let body = json!({"service": "book", "instance": {"address": format!("10.0.0.7:{port}")}, "ttl_ms": 600_000});
        http.post("/v1/register", &body).await;
    }
    tab.until_rows(3).await;
    let health = async |port: u16| {
        let list = http.get("/v1/services/book").await.json();
        let mut all = list["instances"].as_array().unwrap().iter();
        let found = all.find(|entry| entry["instance"]["id"] == format!("10.0.0.7:{port}"));
        found.map(|entry| entry["instance"]["health"].as_str().unwrap_or("up").to_owned())
    };
    let focus = "document.activeElement.id";
    tab.press("/").await;
    assert_eq!(tab.js(focus).await, "search");
    tab.type_text(":8").await;
    tab.press("ArrowDown").await;
    tab.until("rows", &format!("{focus} === 'instances'")).await;
    tab.press("ArrowDown").await;
    tab.press("Enter").await;
    tab.until("details of the second", "document.getElementById('details-title').innerText === '10.0.0.7:82'").await;

    tab.until_text("Drain…").await;

    // To the button, as far as Tab goes, and every stop on the way shows where it is.
    let walk_to = async |id: &str| {
        for _ in 0..20 {
            tab.press("Tab").await;
            // After the last one the browser's own controls would come.
            let ring = "(() => {
                const at = document.activeElement;
                const panel = at.closest('.panel') ?? at;
                return at === document.body || [at, panel].some((one) => getComputedStyle(one).outlineStyle !== 'none');
            })()";
            assert_eq!(tab.js(ring).await, true, "{}", tab.js("document.activeElement.outerHTML").await);
            if tab.js(focus).await == id {
                return;
            }
        }
        panic!("Tab never comes to {id}");
    };
    walk_to("drain").await;
    tab.press("Enter").await;
    tab.until("the question", "document.getElementById('confirm').open").await;
    assert_eq!(tab.js(focus).await, "confirm-no", "what Enter does by accident is nothing");
    tab.press("Enter").await;
    tab.until("it is closed", "!document.getElementById('confirm').open").await;
    assert_eq!(health(82).await.as_deref(), Some("up"), "not confirmed");

    walk_to("drain").await;
    tab.press("Enter").await;
    walk_to("confirm-yes").await;
    tab.press("Enter").await;
    tab.until("it drains", "document.querySelectorAll('#instances .row[data-health=draining]').length === 1").await;
    assert_eq!(health(82).await.as_deref(), Some("draining"));
    tab.until("it is closed", "!document.getElementById('confirm').open").await;

    walk_to("deregister").await;
    tab.press("Enter").await;
    tab.until("the question", "document.getElementById('confirm').open").await;
    tab.press("Escape").await;
    tab.until("it is closed", "!document.getElementById('confirm').open").await;
    assert_eq!(health(82).await.as_deref(), Some("draining"), "Escape is no");
    walk_to("deregister").await;
    tab.press("Enter").await;
    walk_to("confirm-yes").await;
    tab.press("Enter").await;
    tab.until_rows(2).await;
    assert_eq!(health(82).await, None);
    tab.until("it is closed", "!document.getElementById('confirm').open").await;
    tab.press("Escape").await;
    tab.until("back among the rows", &format!("{focus} === 'instances'")).await;
    tab.went_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_centre_refuses_is_told_where_it_was_asked() {
    let (_centre, http) = centre().await;
    let Some(tab) = Tab::open("refused", &format!("http://{}", http.authority())).await else { return };
    let body = json!({"service": "book", "instance": {"address": "10.0.0.7:81"}, "ttl_ms": 600_000});
    http.post("/v1/register", &body).await;
    tab.until_rows(1).await;
    tab.click("#instances .canvas .row").await;
    tab.until_text("Drain…").await;
    tab.click("#drain").await;
    // It goes while the question stands.
    http.post("/v1/deregister", &json!({"service": "book", "id": "10.0.0.7:81"})).await;
    tab.until_text("No longer registered.").await;
    tab.click("#confirm-yes").await;
    tab.until_text("book has no instance").await;
    tab.went_well_but(&["404"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_control_has_a_name_and_rows_say_what_they_are() {
    let (_centre, http) = centre().await;
    let Some(tab) = Tab::open("names", &format!("http://{}", http.authority())).await else { return };
    let body = json!({"service": "book", "instance": {"address": "10.0.0.7:81"}, "ttl_ms": 600_000});
    http.post("/v1/register", &body).await;
    tab.until_rows(1).await;
    tab.until("services", "document.querySelectorAll('#services .row').length === 2").await;
    tab.call("Accessibility.enable", json!({})).await;
    let tree = tab.call("Accessibility.getFullAXTree", json!({})).await;
    let nodes = tree["nodes"].as_array().unwrap();
    let of_role = |role: &str| {
        let found = nodes.iter().filter(|node| node["role"]["value"] == role && node["ignored"] == false);
        found.map(|node| node["name"]["value"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    for role in ["button", "searchbox", "listbox", "option", "grid", "gridcell", "complementary", "dialog"] {
        let names = of_role(role);
        // Cells are empty where an instance says nothing.
        assert!(role == "gridcell" || names.iter().all(|name| !name.is_empty()), "{role}: {names:?}");
    }
    assert_eq!(of_role("grid"), ["All services"]);
    assert_eq!(of_role("option"), ["All services, 1 of 1 up", "book, 1 of 1 up"]);
    assert!(of_role("row").len() == 2 && of_role("columnheader").len() >= 6, "{:?}", of_role("columnheader"));
    assert!(of_role("gridcell").contains(&"10.0.0.7:81".to_owned()), "{:?}", of_role("gridcell"));
}
