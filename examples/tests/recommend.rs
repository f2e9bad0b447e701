//! One library that knows only traits, two programs that wire it to different registries.

mod common;

use std::process::Command;

use common::Program;

const IN_MEMORY: &str = env!("CARGO_BIN_EXE_recommend-in-memory");
const RECOMMEND: &str = env!("CARGO_BIN_EXE_recommend");

async fn printed(program: &str, arguments: &str) -> String {
    let ended = Program::start(program, arguments).ended().await;
    assert_eq!(ended.status.code(), Some(0), "{}", ended.output);
    ended.output
}

#[tokio::test]
async fn it_works_with_one_registry_in_memory() {
    let page = "2 places have books:\n  localhost:50053 at localhost:50053\n  localhost:50052 at localhost:50052";
    assert_eq!(printed(IN_MEMORY, "").await, format!("registered recommendations/localhost:8000\n{page}"));
}

#[tokio::test]
async fn it_works_with_a_file_to_look_in_and_another_registry_to_register_with() {
    let path = std::env::temp_dir().join(format!("sd-examples-{}.yaml", sd_testkit::samples::random_word()));
    std::fs::write(&path, "book:\n- h1:1\n- {address: 'h2:1', id: two, zone: eu-1}\n").unwrap();
    let output = printed(RECOMMEND, &format!("--discover file://{} --address h:80", path.display())).await;
    std::fs::remove_file(&path).unwrap();
    assert_eq!(output, "registered recommendations/h:80\n2 places have books:\n  two at h2:1\n  h1:1 at h1:1");
}

#[tokio::test]
async fn it_works_with_addresses_in_a_url() {
    let output = printed(RECOMMEND, "--discover static://127.0.0.1:50052").await;
    assert!(output.ends_with("1 places have books:\n  127.0.0.1:50052 at 127.0.0.1:50052"), "{output}");
}

#[tokio::test]
async fn where_nothing_can_be_registered_it_says_so() {
    let mut command = Command::new(RECOMMEND);
    command.args(["--discover", "static://h:1", "--register", "static://h:1"]);
    let ended = Program::spawn(&mut command).ended().await;
    assert_eq!(ended.status.code(), Some(1), "{}", ended.output);
    assert!(ended.output.contains("static: register: unsupported"), "{}", ended.output);
}

#[cfg(feature = "etcd")]
#[tokio::test]
async fn it_works_with_a_static_url_to_look_in_and_etcd_to_register_with() {
    use sd_testkit::etcd::EtcdServer;
    let Some(etcd) = EtcdServer::start("it_works_with_a_static_url").await else { return };
    let register = format!("--discover static://h:1 --register etcd://{}", etcd.endpoint());
    let output = printed(RECOMMEND, &register).await;
    assert!(output.starts_with("registered recommendations/localhost:8000"), "{output}");
    assert!(etcd.gateway().list("/services/recommendations/").await.is_empty(), "it was taken back");
}
