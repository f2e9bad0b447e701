//! A centre with tokens.

use sd_registry::Registry;
use serde_json::json;

use crate::common::{Folder, spawn};
use crate::tab::Tab;

const OPS: &str = "ops-token-0123456789";
const READER: &str = "reader-token-0123456789";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_asked_for_until_one_is_right_and_shows_what_it_may_read() {
    let folder = Folder::new("page-tokens");
    let file = folder.0.join("tokens.json");
    let ops = json!({"name": "ops", "token": OPS, "read": ["*"], "write": ["*"]});
    let reader = json!({"name": "reader", "token": READER, "read": ["book*"], "write": ["bookstore"]});
    std::fs::write(&file, json!({"tokens": [ops, reader]}).to_string()).unwrap();
    let (_centre, http) = spawn(Registry::builder().tokens(&file)).await;
    let http = http.with_token(OPS);
    for service in ["book", "bookstore", "secret"] {
        http.register(service, "a", "one").await;
    }
    let Some(tab) = Tab::open("tokens", &format!("http://{}", http.authority())).await else { return };
    let is_asked = "document.getElementById('token-dialog').open && document.activeElement.id === 'token'";
    tab.until("it is asked", is_asked).await;
    assert_eq!(tab.js("document.getElementById('token-error').hidden").await, true, "nothing was wrong yet");
    assert!(!tab.text("main").await.contains("secret"));
    tab.type_text("a-wrong-token-0123").await;
    tab.press("Enter").await;
    tab.until_text("The centre does not know this token.").await;
    tab.until("it is asked again", is_asked).await;
    tab.type_text(READER).await;
    tab.press("Enter").await;
    tab.until_rows(2).await;
    tab.until_text("Token: reader").await;
    tab.until("recent events", "document.querySelectorAll('#events li[data-at]').length === 2").await;
    assert!(!tab.js("document.documentElement.outerHTML").await.as_str().unwrap().contains("secret"));

    let acts_of = async |row: &str| {
        tab.js(&format!("document.getElementById('instances').focus(); {row:?}")).await;
        tab.press("Home").await;
        if row == "bookstore" {
            tab.press("ArrowDown").await;
        }
        tab.press("Enter").await;
        let shown = format!("document.getElementById('details-list').innerText.includes('Service\\n{row}\\n')");
        tab.until(row, &shown).await;
        tab.js("!document.getElementById('details-acts').hidden").await
    };
    assert_eq!(acts_of("book").await, false, "it may be read alone");
    assert!(tab.text("#details").await.contains("may not write book"));
    assert_eq!(acts_of("bookstore").await, true);

    let kept = "[localStorage.length, document.cookie, location.href.includes('token'), sessionStorage.length].join()";
    assert_eq!(tab.js(kept).await, "0,,false,1", "for this tab alone");
    tab.call("Page.reload", json!({})).await;
    tab.until_rows(2).await;

    // Another one, for more.
    tab.click("#token-button").await;
    tab.until("it is asked", is_asked).await;
    tab.type_text(OPS).await;
    tab.press("Enter").await;
    tab.until_rows(3).await;
    tab.until_text("Token: ops").await;

    // Not another one after all; and then none at all.
    tab.click("#token-button").await;
    tab.until("it is asked", is_asked).await;
    tab.press("Escape").await;
    tab.until("it is closed", "!document.getElementById('token-dialog').open").await;
    tab.until_rows(3).await;
    tab.click("#token-button").await;
    tab.until("it is asked", is_asked).await;
    tab.click("#token-forget").await;
    tab.until_text("With one, this page shows").await;
    assert_eq!(tab.js("sessionStorage.length").await, 0);
    tab.until("nothing is left", "!document.documentElement.outerHTML.includes('secret')").await;
    tab.went_well_but(&["401"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_revoked_is_asked_for_again() {
    let folder = Folder::new("page-revoked");
    let file = folder.0.join("tokens.json");
    let tokens = |token: &str| json!({"tokens": [{"name": "ops", "token": token, "read": ["*"], "write": ["*"]}]});
    std::fs::write(&file, tokens(OPS).to_string()).unwrap();
    let (_centre, http) = spawn(Registry::builder().tokens(&file)).await;
    http.with_token(OPS).register("book", "a", "one").await;
    let Some(tab) = Tab::open("revoked", &format!("http://{}", http.authority())).await else { return };
    tab.until("it is asked", "document.getElementById('token-dialog').open").await;
    tab.type_text(OPS).await;
    tab.press("Enter").await;
    tab.until_rows(1).await;
    std::fs::write(&file, tokens(READER).to_string()).unwrap();
    tab.until("it is asked again", "document.getElementById('token-dialog').open").await;
    tab.until_text("does not know this token any more").await;
    tab.type_text(READER).await;
    tab.press("Enter").await;
    tab.until("it is let in", "document.getElementById('touch').dataset.state === 'live'").await;
    tab.until_text("Token: ops").await;
    tab.went_well_but(&["401"]);
}
