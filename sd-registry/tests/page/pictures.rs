//! The pictures of the README, taken anew where `SD_PAGE_PICTURES` names a folder.

use serde_json::{Value, json};

use crate::common::{Http, centre};
use crate::program::Program;
use crate::tab::Tab;

async fn register(http: &Http, service: &str, instance: Value, ttl_s: usize) {
    let body = json!({"service": service, "instance": instance, "ttl_ms": ttl_s * 1_000});
    let answer = http.post("/v1/register", &body).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

/// A small fleet, with a bit of everything.
async fn fill(http: &Http) {
    for number in 0..9 {
        let health = if number == 7 { "down" } else { "up" };
        let instance = json!({"address": format!("10.0.2.{}:8443", 10 + number), "weight": 1 + number % 3, "health": health,
            "zone": format!("eu-{}", 1 + number % 3), "tags": ["tls"], "metadata": {"commit": "91be07"}});
        register(http, "checkout", instance, 30 + 5 * number).await;
    }
    for number in 0..4 {
        let instance = json!({"address": format!("10.0.3.{}:9200", 10 + number), "zone": "eu-1", "metadata": {"shard": number.to_string()},
            "tags": [if number < 2 { "primary" } else { "replica" }]});
        register(http, "search", instance, 60 + number).await;
    }
    let users =
        json!({"address": "[fd00::12]:50051", "zone": "eu-1", "metadata": {"commit": "aa01", "team": "accounts"}});
    register(http, "users", users, 20).await;
    for number in 0..6 {
        let weight = [1, 2, 2, 4, 1, 1][number];
        let tags = if number == 0 { json!(["canary", "v3"]) } else { json!(["v2"]) };
        let instance = json!({"address": format!("10.0.1.{}:50052", 10 + number), "weight": weight, "tags": tags,
            "zone": format!("eu-{}", 1 + number % 2), "metadata": {"commit": format!("4f3a{number:02x}")},
            "ports": {"metrics": 9100}});
        register(http, "book", instance, [15, 60, 30, 600, 10, 20][number]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_readmes_pictures_can_be_taken() {
    let (_centre, http) = centre().await;
    fill(&http).await;
    let (log, grading, portal) = (Program::start().await, Program::start().await, Program::start().await);
    log.registered(&http, "LogService", &[]).await;
    grading.registered(&http, "GradingService", &["LogService"]).await;
    portal.registered(&http, "Portald", &["LogService", "GradingService"]).await;
    let Some(tab) = Tab::open("pictures", &format!("http://{}", http.authority())).await else { return };
    tab.until_rows(23).await;
    tab.until("requirements", "document.querySelectorAll('#requires li').length === 2").await;
    // What happens in a fleet, so that the list of events tells something.
    for (act, id) in [("drain", "10.0.1.13:50052"), ("deregister", "10.0.2.18:8443"), ("drain", "10.0.3.13:9200")] {
        let service = match id.rsplit_once(':').unwrap().1 {
            "50052" => "book",
            "8443" => "checkout",
            _ => "search",
        };
        let answer = http.post(&format!("/v1/{act}"), &json!({"service": service, "id": id})).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }
    tab.until_rows(22).await;
    tab.until("events", "document.querySelector('#events').innerText.includes('deregistered')").await;
    let take = async |name: &str| {
        tab.until("leases", "[...document.querySelectorAll('.left')].every((left) => left.innerText !== '–')").await;
        tab.until("calm", "document.getAnimations().every((one) => one instanceof CSSTransition)").await;
        let picture = tab.picture().await;
        assert!(picture.starts_with(b"\x89PNG"));
        println!("{name}: {} bytes", picture.len());
        if let Some(folder) = std::env::var_os("SD_PAGE_PICTURES") {
            std::fs::write(std::path::Path::new(&folder).join(format!("{name}.png")), &picture).unwrap();
        }
    };
    tab.resize(390, 760).await;
    take("phone").await;
    tab.resize(1420, 720).await;
    take("light").await;
    tab.prefer("dark").await;
    tab.click("#instances .canvas .row").await;
    tab.until("details", "!document.getElementById('details').hidden").await;
    take("dark").await;
    tab.went_well();
}
