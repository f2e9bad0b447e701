//! The whole system, as processes on free ports.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sd_testkit::process::Process;
use sd_testkit::waiting::eventually;

/// One part of the system, and what it has printed.
struct Part {
    process: Process,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Part {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sd-article-001"));
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).env_remove("RUST_LOG");
        let mut process = Process::start(command.env_remove("SD_ADVERTISE"));
        let printed = Arc::<Mutex<Vec<String>>>::default();
        let (out, lines) = (process.child().stdout.take().unwrap(), Arc::clone(&printed));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                println!("{line}");
                lines.lock().unwrap().push(line);
            }
        });
        Self { process, printed }
    }

    /// What follows `text` in a line that has been printed.
    async fn said(&self, text: &str) -> String {
        let find = || self.printed.lock().unwrap().iter().find_map(|line| Some(line.split_once(text)?.1.to_owned()));
        eventually(&format!("it says {text:?}"), async || find().is_some()).await;
        find().unwrap()
    }
}

/// A log file that goes with its test.
struct LogFile(PathBuf);

impl LogFile {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("sd-article-001-{name}-{}.log", std::process::id())))
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// The lines that a service has logged, without what stands before their text.
    fn lines_of(&self, service: &str) -> Vec<String> {
        let text = std::fs::read_to_string(&self.0).unwrap_or_default();
        let prefix = format!(" [{service}] - ");
        text.lines().filter_map(|line| Some(line.split_once(&prefix)?.1.to_owned())).collect()
    }
}

impl Drop for LogFile {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.0));
    }
}

fn mode(file: &Path) -> u32 {
    std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(file).unwrap().permissions()) & 0o777
}

/// The status of an answer.
fn ask(method: &str, authority: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().to_owned()
}

async fn centre() -> (Part, String) {
    let part = Part::start(&["centre", "--port", "0"]);
    let url = part.said("the centre listens at http://127.0.0.1:").await;
    (part, format!("localhost:{}", url.strip_suffix("/services").unwrap()))
}

#[tokio::test]
async fn one_command_runs_all_of_it_and_shows_the_log_file_filling() {
    let file = LogFile::new("all");
    let ports = ["--centre-port", "0", "--log-port", "0", "--grading-port", "0", "--portal-port", "0"];
    let mut all = Part::start(&[&ports[..], &["--pages", "3", "--file", file.path()]].concat());
    eventually("it ends", async || all.process.ended().is_some()).await;
    assert!(all.process.ended().unwrap().success());
    assert_eq!(file.lines_of("GradingService").iter().filter(|line| *line == "all students were asked for").count(), 3);
    assert_eq!(file.lines_of("Portald").iter().filter(|line| *line == "the page was shown with 3 students").count(), 3);
    assert_eq!(mode(&file.0), 0o600);
    let printed = all.printed.lock().unwrap().join("\n");
    assert!(printed.contains("[GradingService] - all students were asked for"), "{printed}");
    assert!(printed.contains("LogService: registered as LogService/localhost:"), "{printed}");
    for line in std::fs::read_to_string(&file.0).unwrap().lines() {
        assert!(line.starts_with("[go] - 2") && line.as_bytes()[7 + 10] == b' ', "{line}");
    }
}

#[tokio::test]
async fn a_log_service_that_is_killed_and_started_again_has_every_line() {
    let file = LogFile::new("killed");
    let (_centre, at) = centre().await;
    let start_log = || Part::start(&["log", "--centre", &at, "--port", "0", "--file", file.path()]);
    let mut log = start_log();
    log.said("registered as LogService/").await;
    let grading = Part::start(&["grading", "--centre", &at, "--port", "0"]);
    let address = grading.said("listening on ").await;
    let ask_for =
        |ids: std::ops::Range<u32>| ids.for_each(|id| drop(ask("GET", &address, &format!("/students/{id}"), "")));
    ask_for(0..5);
    eventually("five lines", async || file.lines_of("GradingService").len() == 6).await;
    log.process.kill();
    ask_for(5..300);
    let mut log = start_log();
    ask_for(300..310);
    let wanted: Vec<_> = (0..310).map(|id| format!("student {id} was asked for")).collect();
    let logged = || {
        let mut lines = file.lines_of("GradingService");
        lines.retain(|line| line != "started");
        // One whose answer was lost with the service may be there twice.
        lines.dedup();
        lines
    };
    eventually("all lines", async || logged().len() >= wanted.len()).await;
    assert_eq!(logged(), wanted);
    log.process.terminate();
    eventually("it ends", async || log.process.ended().is_some()).await;
}

#[tokio::test]
async fn the_log_service_answers_as_the_articles_does() {
    let file = LogFile::new("answers");
    let (_centre, at) = centre().await;
    let log = Part::start(&["log", "--centre", &at, "--port", "0", "--file", file.path()]);
    let address = log.said("listening on ").await;
    assert_eq!(ask("POST", &address, "/log", ""), "400");
    assert_eq!(ask("GET", &address, "/log", ""), "405");
    assert_eq!(ask("DELETE", &address, "/log", ""), "405");
    assert_eq!(ask("POST", &address, "/log", &"x".repeat(70_000)), "413");
    assert_eq!(ask("POST", &address, "/log", "[Test] - hello\n"), "200");
    assert_eq!(file.lines_of("Test"), ["hello"]);
    log.said("registered as LogService/localhost:").await;
    assert_eq!(
        ask("DELETE", &at, "/services", &format!("http://{}", address.replace("127.0.0.1", "localhost"))),
        "200"
    );
}

#[tokio::test]
async fn a_port_that_is_taken_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let mut log = Part::start(&["log", "--centre", "127.0.0.1:1", "--port", &port]);
    eventually("it ends", async || log.process.ended().is_some()).await;
    assert!(!log.process.ended().unwrap().success());
}
