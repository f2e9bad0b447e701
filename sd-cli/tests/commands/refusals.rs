//! Bad input and registries that do not answer: one clear line, and the exit code for it.

use std::process::Stdio;

use sd_registry::Registry;
use sd_testkit::ports;
use sd_testkit::samples::random_word;
use sd_testkit::waiting::soon;

use crate::running::{run, sdkit};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_refused_with_what_is_allowed() {
    for (registry, arguments, said) in [
        ("ectd://h", &["ls"][..], "unknown registry scheme \"ectd://\""),
        ("statc://h:1", &["ls"], "did you mean \"static\"?"),
        ("sd://h?tll=5s", &["get", "book"], "unknown option \"tll\""),
        ("etcd", &["ping"], "scheme://host:port"),
        ("", &["ls"], "registry"),
        ("memory://", &["get", "book/a"], "A-Z a-z 0-9"),
        ("memory://", &["drain", "book", "a/b"], "without '/'"),
        ("memory://", &["lss"], "'ls'"),
        ("memory://", &["ls", "--ouput", "json"], "'--output'"),
        ("memory://", &["ls", "--output", "jso"], "'json'"),
        ("memory://", &["ls", "--timeout", "5"], "500ms, 10s"),
        ("memory://", &["resolve", "book", "-n", "0"], "1..=10000000"),
        ("memory://", &["resolve", "book", "--balancer", "round"], "round-robin"),
    ] {
        let ended = run(registry, arguments).await;
        assert!(ended.code == Some(2) && ended.err.contains(said), "{registry} {arguments:?}: {ended:?}");
        assert!(ended.out.is_empty(), "{ended:?}");
    }
    let mut without = sdkit("", &["ls"]);
    let output = soon("it ends", without.env_remove("SD_REGISTRY").stdin(Stdio::null()).output()).await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && text.contains("--registry <URL>"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_not_there_is_its_own_exit_code() {
    let nowhere = format!("sd://127.0.0.1:{}", ports::free());
    for arguments in [
        &["ls"][..],
        &["get", "book"],
        &["ping"],
        &["drain", "book", "a"],
        &["deregister", "book", "a"],
        &["resolve", "book"],
    ] {
        let ended = run(&nowhere, arguments).await;
        assert!(ended.code == Some(4) && ended.out.is_empty(), "{arguments:?}: {ended:?}");
    }
    let ended = run(&nowhere, &["ping"]).await;
    assert!(ended.err.starts_with(&format!("error: {nowhere} can't be reached: ")), "{ended:?}");
    assert!(ended.err.contains("refused") && ended.err.lines().count() == 1, "{ended:?}");
}

/// It takes the connection, and never says a word.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_mute_is_given_up() {
    let mute = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("sd://{}", mute.local_addr().unwrap());
    for arguments in [&["ls", "--timeout", "100ms"][..], &["get", "book", "--timeout", "100ms"]] {
        let ended = run(&url, arguments).await;
        assert!(ended.code == Some(4) && ended.err.contains("within 100ms"), "{arguments:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_credentials_are_told_and_shown_nowhere() {
    let file = std::env::temp_dir().join(format!("sdkit-{}.json", random_word()));
    let tokens = r#"{"tokens": [{"name": "ops", "token": "0123456789abcdef", "read": ["*"], "write": ["*"]}]}"#;
    std::fs::write(&file, tokens).unwrap();
    let centre = Registry::builder().tokens(&file).spawn().await.unwrap();
    let url = |token: &str| format!("{}?token={token}", centre.url());
    let known = run(&url("0123456789abcdef"), &["ping"]).await;
    assert!(known.code == Some(0) && !known.out.contains("0123456789"), "{known:?}");
    for arguments in [&["ping"][..], &["ls"], &["get", "book"]] {
        let ended = run(&url("hunter2-hunter2-hunter2"), arguments).await;
        assert!(ended.code == Some(5) && !ended.err.contains("hunter2"), "{arguments:?}: {ended:?}");
    }
    let ended = run(&url("hunter2-hunter2-hunter2"), &["ping"]).await;
    assert!(ended.err.contains("refuses these credentials"), "{ended:?}");
    let help = run("etcd://u:hunter2@h", &["ls", "--help"]).await;
    assert!(help.out.contains("SD_REGISTRY") && !help.out.contains("hunter2"), "{help:?}");
    std::fs::remove_file(&file).unwrap();
}
