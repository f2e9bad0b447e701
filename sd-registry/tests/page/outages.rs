//! What the page says when something is amiss.

use std::sync::Arc;
use std::time::Duration;

use sd_core::{Address, Connection, Instance, MemoryRegistry, Registrar, Registration};
use sd_registry::Registry;
use serde_json::json;

use crate::common::{Folder, centre, spawn};
use crate::tab::Tab;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_out_of_touch_says_so_keeps_what_it_knew_and_comes_back_by_itself() {
    let folder = Folder::new("page-restart");
    let (first, http) = spawn(Registry::builder().data(&folder.0)).await;
    let address = first.local_addr();
    let long =
        |port: u16| json!({"service": "book", "instance": {"address": format!("10.0.0.7:{port}")}, "ttl_ms": 600_000});
    http.post("/v1/register", &long(81)).await;
    let Some(tab) = Tab::open("outage", &format!("http://{}", http.authority())).await else { return };
    tab.until_rows(1).await;
    first.shutdown().await.unwrap();
    tab.until_text("Out of touch").await;
    tab.until_text("What is shown is as it was").await;
    assert!(tab.text("#instances .canvas .row").await.contains("10.0.0.7:81"), "what was known stays");
    let (_second, http) = spawn(Registry::builder().data(&folder.0).listen(address)).await;
    tab.until("it comes back", "document.getElementById('touch').dataset.state === 'live'").await;
    tab.until("the banner goes", "document.getElementById('banner-touch').hidden").await;
    http.post("/v1/register", &long(82)).await;
    tab.until_rows(2).await;
    tab.went_well_but(&["net::ERR_"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_centre_that_forgot_everything_is_shown_as_it_is_now() {
    let (first, http) = centre().await;
    let address = first.local_addr();
    for id in ["a", "b", "c"] {
        http.register("book", id, "one").await;
    }
    let Some(tab) = Tab::open("forgot", &format!("http://{}", http.authority())).await else { return };
    tab.until_rows(3).await;
    drop(http);
    first.shutdown().await.unwrap();
    let (_second, http) = spawn(Registry::builder().listen(address)).await;
    tab.until_text("Nothing registered yet").await;
    http.register("shelf", "d", "one").await;
    tab.until_rows(1).await;
    tab.until("old news went", "document.querySelectorAll('#events li[data-at]').length === 1").await;
    tab.went_well_but(&["net::ERR_"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn self_preservation_is_told() {
    let (_centre, http) = centre().await;
    for number in 0..12 {
        let instance = json!({"address": format!("10.0.0.{number}:80")});
        http.post("/v1/register", &json!({"service": "book", "instance": instance, "ttl_ms": 3_000})).await;
    }
    let Some(tab) = Tab::open("preservation", &format!("http://{}", http.authority())).await else { return };
    tab.until_text("Self-preservation.").await;
    // How many were gone before it was noticed that they are too many is a matter of milliseconds.
    tab.until("how many", "/\\d lapsed instances? kept, for \\d/.test(document.body.innerText)").await;
    assert_eq!(
        tab.js("document.getElementById('announced').textContent").await,
        "Self-preservation: nobody is evicted."
    );
    tab.until("rows say so", "document.querySelector('#instances .canvas .left').innerText === 'lapsed'").await;
    tab.went_well();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_front_shows_the_registry_behind_and_how_fresh_that_is() {
    let registry = MemoryRegistry::new();
    let connect = || Arc::new(Connection::builder(Arc::new(registry.clone())).build().unwrap());
    let own = connect();
    let instance = Instance::new("10.0.0.9:80".parse::<Address>().unwrap()).with_zone("eu-1");
    let _native = own.register(Registration::new("shop", instance)).await.unwrap();
    let (_front, http) = spawn(Registry::builder().store(connect()).heartbeat(Duration::from_millis(500))).await;
    http.register("book", "a", "one").await;
    let Some(tab) = Tab::open("front", &format!("http://{}", http.authority())).await else { return };
    tab.until_rows(2).await;
    tab.until_text("front of another registry").await;
    tab.until(
        "what is held here has a lease",
        "document.querySelectorAll('#instances .canvas .left')[0].innerText !== '–'",
    )
    .await;
    registry.set_down(true);
    tab.until_text("the registry behind can't be watched").await;
    tab.until("the lamp says so", "document.getElementById('touch-word').innerText === 'Stale'").await;
    tab.until_rows(2).await;
    registry.set_down(false);
    tab.until("it is fresh again", "document.getElementById('touch-word').innerText === 'Live'").await;
    tab.until("the banner goes", "document.getElementById('banner-stale').hidden").await;
    tab.went_well();
}
