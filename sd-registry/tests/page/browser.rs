//! A Chromium, driven over its DevTools protocol by a pipe: messages end with a zero byte. No port is open that another
//! program of this host could use, and no WebSocket client is needed.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::common::{Folder, PATIENCE};

/// Chromium reads from the third descriptor and writes to the fourth; a child has the first two as pipes.
const BY_PIPE: &str = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

type Waiting = Arc<Mutex<HashMap<u64, oneshot::Sender<Value>>>>;

/// A running browser; it ends when this is dropped.
pub(crate) struct Browser {
    _child: Child,
    reading: JoinHandle<()>,
    input: tokio::sync::Mutex<ChildStdin>,
    next: AtomicU64,
    waiting: Waiting,
    /// Everything it told without being asked.
    pub(crate) told: Arc<Mutex<Vec<Value>>>,
    _profile: Folder,
}

impl Browser {
    /// `None` after having said that `test` is skipped.
    pub(crate) fn start(test: &str) -> Option<Self> {
        let program: PathBuf = sd_testkit::skip::server("SD_TEST_CHROMIUM", test)?;
        let profile = Folder::new("browser");
        let mut command = Command::new("sh");
        command.arg("-c").arg(BY_PIPE).arg(program);
        // Its sandbox asks for what containers do not give; it shows nothing but our page.
        command.args(["--headless", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu", "--hide-scrollbars"]);
        command.arg(format!("--user-data-dir={}", profile.0.display())).arg("about:blank");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("a shell can be started");
        let input = child.stdin.take().expect("it is piped");
        let output = child.stdout.take().expect("it is piped");
        let (waiting, told) = (Waiting::default(), Arc::default());
        let reading = tokio::spawn(read(output, Arc::clone(&waiting), Arc::clone(&told)));
        let input = tokio::sync::Mutex::new(input);
        Some(Self { _child: child, reading, input, next: AtomicU64::new(1), waiting, told, _profile: profile })
    }

    /// Has it do something, and waits for the answer.
    pub(crate) async fn call(&self, session: Option<&str>, method: &str, parameters: Value) -> Value {
        let id = self.next.fetch_add(1, Relaxed);
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let (sender, answer) = oneshot::channel();
        self.waiting.lock().unwrap().insert(id, sender);
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.input.lock().await.write_all(&bytes).await.expect("the browser lives");
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let answer = answer.unwrap_or_else(|_| panic!("{method}: no answer")).expect("the browser lives");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

/// Hands answers to those who wait for them, and keeps the rest.
async fn read(output: ChildStdout, waiting: Waiting, told: Arc<Mutex<Vec<Value>>>) {
    let mut output = BufReader::new(output);
    let mut bytes = Vec::new();
    while output.read_until(0, &mut bytes).await.is_ok_and(|read| read > 0) {
        bytes.pop();
        let message: Value = serde_json::from_slice(&bytes).expect("the protocol is JSON");
        bytes.clear();
        match message["id"].as_u64() {
            Some(id) => drop(waiting.lock().unwrap().remove(&id).map(|sender| sender.send(message))),
            None => told.lock().unwrap().push(message),
        }
    }
    // Whoever still waits is told that nothing comes any more.
    waiting.lock().unwrap().clear();
}
