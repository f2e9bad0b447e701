//! One tab of a browser: what a person does there, and what is seen.

use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::common::PATIENCE;

/// How often it is looked whether something shows.
const LOOK: Duration = Duration::from_millis(20);

/// A tab that shows the centre's page.
pub(crate) struct Tab {
    browser: Browser,
    session: String,
    origin: String,
}

impl Tab {
    /// Opens the page; `None` after having said that `test` is skipped.
    pub(crate) async fn open(test: &str, url: &str) -> Option<Self> {
        let browser = Browser::start(test)?;
        let target = browser.call(None, "Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session =
            browser.call(None, "Target.attachToTarget", attach).await["sessionId"].as_str().unwrap().to_owned();
        let tab = Self { browser, session, origin: url.to_owned() };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            tab.call(&format!("{domain}.enable"), json!({})).await;
        }
        tab.resize(1280, 800).await;
        tab.go("/").await;
        Some(tab)
    }

    pub(crate) async fn call(&self, method: &str, parameters: Value) -> Value {
        self.browser.call(Some(&self.session), method, parameters).await
    }

    /// Shows a path of the centre.
    pub(crate) async fn go(&self, path: &str) {
        let shown = self.call("Page.navigate", json!({"url": format!("{}{path}", self.origin)})).await;
        assert!(shown.get("errorText").is_none(), "{shown}");
        self.until("the document is whole", "document.readyState === 'complete'").await;
    }

    pub(crate) async fn resize(&self, width: u32, height: u32) {
        let metrics = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.call("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    pub(crate) async fn prefer(&self, scheme: &str) {
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", features).await;
    }

    /// What a script comes to; a promise is waited for.
    pub(crate) async fn js(&self, script: &str) -> Value {
        self.try_js(script).await.unwrap_or_else(|error| panic!("{script}: {error}"))
    }

    async fn try_js(&self, script: &str) -> Result<Value, Value> {
        let evaluate = json!({"expression": script, "awaitPromise": true, "returnByValue": true});
        let answer = self.call("Runtime.evaluate", evaluate).await;
        match answer.get("exceptionDetails") {
            Some(thrown) => Err(thrown.clone()),
            None => Ok(answer["result"]["value"].clone()),
        }
    }

    /// Waits until a script comes to `true`.
    pub(crate) async fn until(&self, what: &str, script: &str) {
        let seen = async {
            while self.try_js(script).await != Ok(json!(true)) {
                tokio::time::sleep(LOOK).await;
            }
        };
        if tokio::time::timeout(PATIENCE, seen).await.is_err() {
            let page = self.js("document.body.innerText").await;
            panic!("{what}: {script} is not true in\n{}\n{:?}", page.as_str().unwrap(), self.complaints());
        }
    }

    /// Waits until the text of the page, as it is seen, holds this.
    pub(crate) async fn until_text(&self, text: &str) {
        self.until(text, &format!("document.body.innerText.includes({})", json!(text))).await;
    }

    /// Waits until as many rows of instances are there to be read.
    pub(crate) async fn until_rows(&self, rows: usize) {
        let script = format!("document.getElementById('instances').getAttribute('aria-rowcount') === '{}'", rows + 1);
        self.until(&format!("{rows} rows"), &script).await;
    }

    /// Rows are painted with the frame after they are known.
    async fn until_there(&self, selector: &str) {
        let script = format!("(document.querySelector({})?.offsetWidth ?? 0) > 0", json!(selector));
        self.until(selector, &script).await;
    }

    /// The text of the first element that a selector finds.
    pub(crate) async fn text(&self, selector: &str) -> String {
        self.until_there(selector).await;
        let script = format!("document.querySelector({}).innerText", json!(selector));
        self.js(&script).await.as_str().unwrap().to_owned()
    }

    /// Presses and releases a key.
    pub(crate) async fn press(&self, key: &str) {
        let (code, text) = match key {
            "Enter" => (13, "\r"),
            "Tab" => (9, ""),
            "Escape" => (27, ""),
            "End" => (35, ""),
            "Home" => (36, ""),
            "ArrowUp" => (38, ""),
            "ArrowDown" => (40, ""),
            key => (0, key),
        };
        let mut down = json!({"type": "keyDown", "key": key, "windowsVirtualKeyCode": code});
        if !text.is_empty() {
            down["text"] = json!(text);
        }
        self.call("Input.dispatchKeyEvent", down).await;
        let up = json!({"type": "keyUp", "key": key, "windowsVirtualKeyCode": code});
        self.call("Input.dispatchKeyEvent", up).await;
    }

    pub(crate) async fn type_text(&self, text: &str) {
        self.call("Input.insertText", json!({"text": text})).await;
    }

    /// A click where the first element that a selector finds is seen.
    pub(crate) async fn click(&self, selector: &str) {
        self.until_there(selector).await;
        let script = format!(
            "(() => {{ const found = document.querySelector({});
               found.scrollIntoView({{ block: 'nearest' }});
               const r = found.getBoundingClientRect();
               return [r.x + r.width / 2, r.y + r.height / 2]; }})()",
            json!(selector)
        );
        let place = self.js(&script).await;
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.call("Input.dispatchMouseEvent", event).await;
        }
    }

    /// A picture of what is seen, as PNG.
    pub(crate) async fn picture(&self) -> Vec<u8> {
        let taken = self.call("Page.captureScreenshot", json!({"format": "png"})).await;
        base64::engine::general_purpose::STANDARD.decode(taken["data"].as_str().unwrap()).unwrap()
    }

    /// Errors and warnings of scripts, of the network and of the policy.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let told = self.browser.told.lock().unwrap();
        let complaints = told.iter().filter(|event| {
            let kind = event["params"]["type"].as_str().unwrap_or_default();
            match event["method"].as_str().unwrap_or_default() {
                "Runtime.exceptionThrown" | "Log.entryAdded" => true,
                "Runtime.consoleAPICalled" => matches!(kind, "error" | "warning" | "assert"),
                _ => false,
            }
        });
        complaints.map(|event| event["params"].to_string()).collect()
    }

    /// Nothing went wrong in the page, but what is `expected`, and nobody else was asked for anything.
    pub(crate) fn went_well_but(&self, expected: &[&str]) {
        let is_expected = |complaint: &String| expected.iter().any(|text| complaint.contains(text));
        let complaints: Vec<_> = self.complaints().into_iter().filter(|text| !is_expected(text)).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
        let told = self.browser.told.lock().unwrap();
        let asked = told.iter().filter(|event| event["method"] == "Network.requestWillBeSent");
        let urls: Vec<_> = asked.map(|event| event["params"]["request"]["url"].as_str().unwrap()).collect();
        assert!(urls.len() > 5, "{urls:?}");
        let foreign: Vec<_> = urls.iter().filter(|url| !url.starts_with(&self.origin)).collect();
        assert!(foreign.is_empty(), "{foreign:?}");
    }

    /// See [`went_well_but`](Self::went_well_but).
    pub(crate) fn went_well(&self) {
        self.went_well_but(&[]);
    }
}
