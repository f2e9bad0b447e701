//! `sdkit serve` as a program: what it says, what it refuses, how it ends.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

use std::path::Path;
use std::process::{Command, Output, Stdio};

use sd_testkit::registry::{CentreOptions, CentreServer};
use sd_testkit::samples::{random_service, random_word, registration};
use sd_testkit::waiting::{eventually, soon, until, until_ids};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

fn sdkit() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_sdkit"))
}

/// Runs it to its end, which must come by itself.
fn ended(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(sdkit());
    command.args(arguments).env_remove("SD_STORE").stdin(Stdio::null());
    let Output { status, stdout, stderr } = command.output().unwrap();
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_where_it_is_and_keeps_what_it_acknowledged_when_it_is_told_to_stop() {
    let server = CentreServer::start_binary(sdkit(), CentreOptions::new().with_data()).await;
    let address = server.address();
    let told = format!("registry: sd://{address}\npage:     http://{address}/\npush:     http://{address}/services\n");
    // It answers a moment before it says so.
    eventually("it says where it is", async || server.log().contains(&told)).await;
    let registry = sd_kit::connect(&format!("sd://{address}")).unwrap();
    let service = random_service();
    let _kept = soon("register", registry.register(registration(&service, "a", 1))).await.unwrap();
    let mut view = registry.subscribe(&service);
    until_ids("it", &mut view, &["a"]).await;
    // Also with a watch open, which would never end by itself.
    let status = server.terminate().await;
    assert_eq!(status.code(), Some(0), "{}", server.log());
    until("told of the end", &mut view, |snapshot| snapshot.freshness().is_stale()).await;
    server.restart().await;
    assert_eq!(server.gateway().ids(&service).await, ["a"]);
    until_ids("it again", &mut view, &["a"]).await;
}

/// A request that is never sent whole does not hold the end up for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_under_way_and_never_ends_is_cut_off() {
    let server = CentreServer::start_binary(sdkit(), CentreOptions::new()).await;
    let mut stuck = TcpStream::connect(server.address()).await.unwrap();
    let head =
        "POST /v1/register HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    stuck.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(server.terminate().await.code(), Some(0), "{}", server.log());
}

#[test]
fn what_can_not_be_is_refused_with_what_is_allowed() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let missing = std::env::temp_dir().join(random_word());
    let missing = missing.to_str().unwrap();
    let free = ["--listen", "127.0.0.1:0"];
    for (arguments, code, said) in [
        (vec!["--listen", "localhost"], 2, "--listen"),
        (vec!["--listen", &taken], 1, "can't listen on"),
        (vec!["--data", "d", "--store", "memory://"], 2, "cannot be used with"),
        (vec!["--store", "ectd://127.0.0.1:2379"], 2, "unknown registry scheme"),
        (vec!["--store", "sd://127.0.0.1?tll=5s"], 2, "unknown option \"tll\""),
        (vec!["--key", "k"], 2, "--cert"),
        (vec!["--client-ca", "k"], 2, "--cert"),
        (vec!["--cert", missing, "--key", missing], 2, missing),
        (vec!["--tokens", missing], 2, missing),
        (vec!["--heartbeat", "20s"], 2, "100 ms to 10 s"),
        (vec!["--heartbeat", "20"], 2, "500ms, 10s"),
        (vec!["--restart-grace", "20s"], 2, "--data"),
        (vec!["--preservation-share", "1.5"], 2, "0 to 1"),
        (vec!["--value-bytes", "0"], 2, "1 to 1000000"),
        (vec!["--also-listen", "localhost"], 2, "--also-listen"),
        (vec!["--also-listen", &taken], 1, "can't listen on"),
        (vec!["--push-allow", "10.0.0.0/33"], 2, "address/bits"),
        (vec!["--push-allow", "10.0.0.1,example"], 2, "\"example\""),
        (vec!["--push-heartbeat", "1ms"], 2, "100 ms to 60 s"),
        (vec!["--push-heartbeat", "3"], 2, "500ms, 10s"),
        (vec!["--push-members", "many"], 2, "--push-members"),
        (vec!["--push-answer-others"], 2, "--tokens"),
        (vec!["--no-push", "--push-members", "7"], 2, "cannot be used with"),
        (vec!["--lisen", "127.0.0.1:0"], 2, "--listen"),
    ] {
        let listen = if arguments.contains(&"--listen") { &[][..] } else { &free[..] };
        let (exit, text) = ended(&[&["serve"], listen, &arguments[..]].concat());
        assert!(exit == Some(code) && text.contains(said), "{arguments:?}: {exit:?}: {text}");
    }
}

#[test]
fn the_stores_password_is_shown_nowhere() {
    for arguments in
        [&["serve", "--store", "etcd://u:hunter2@h:0"][..], &["serve", "--store", "sd://h?token=hunter2&x=y"]]
    {
        let (exit, text) = ended(arguments);
        assert!(exit == Some(2) && !text.contains("hunter2"), "{text}");
    }
    let mut help = Command::new(sdkit());
    let help = help.args(["serve", "--help"]).env("SD_STORE", "etcd://u:hunter2@h").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("SD_STORE") && !text.contains("hunter2"), "{text}");
}
