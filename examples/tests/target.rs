//! A generated client behind a target URI, against servers that register themselves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

use std::process::Command;
use std::time::Duration;

use sd_core::{Address, Backend};
use sd_examples::book::book_service_client::BookServiceClient;
use sd_examples::book::{BookInfoParams, BookListParams, Books};
use sd_testkit::waiting::{soon, until};
use sd_tonic::{RegisteredServer, ServeError, ServiceConfig, Targets};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tonic::Code;

/// Article 003's, byte for byte.
const CONFIG: &str = r#"{"LoadBalancingPolicy": "round_robin"}"#;

fn serve(registry: &Arc<dyn Backend>) -> (oneshot::Sender<()>, JoinHandle<Result<(), ServeError>>) {
    let (stop, stopped) = oneshot::channel();
    let server = RegisteredServer::new(registry.clone())
        .register_as("book")
        .drain(Duration::from_millis(100))
        .add_service(Books::new().into_service());
    (stop, tokio::spawn(async move { server.run(async { drop(stopped.await) }).await }))
}

/// Two servers, one of which leaves; the registry is at `url`, and `target` says so in gRPC's way.
async fn a_generated_client_follows(url: &str, target: &str) {
    let registry = sd_kit::connect(url).unwrap();
    let (first, second) = (serve(&registry), serve(&registry));
    let mut found = registry.subscribe(&"book".parse().unwrap());
    until("both are found", &mut found, |snapshot| snapshot.len() == 2).await;

    let config = ServiceConfig::from_json(CONFIG).unwrap();
    let targets = Targets::new().drivers(sd_kit::drivers());
    let channel = targets.channel(target).unwrap().service_config(config).connect().unwrap();
    let mut books = BookServiceClient::new(channel.clone());
    let ask = |book_id| BookInfoParams { book_id };
    assert_eq!(books.get_book_info(ask(1)).await.unwrap().into_inner().book_name, "21天精通php");
    assert_eq!(books.get_book_info(ask(9)).await.unwrap_err().code(), Code::NotFound);
    let list = books.get_book_list(BookListParams { page: 1, limit: 10 }).await.unwrap();
    assert_eq!(list.into_inner().book_list.len(), 2);

    let calls = tokio::spawn(async move {
        for _ in 0..200 {
            books.get_book_info(ask(2)).await?;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok::<_, tonic::Status>(())
    });
    first.0.send(()).unwrap();
    soon("the first server's end", first.1).await.unwrap().unwrap();
    soon("the calls", calls).await.unwrap().unwrap();
    until("one is left", &mut found, |snapshot| snapshot.len() == 1).await;
    second.0.send(()).unwrap();
    soon("the second server's end", second.1).await.unwrap().unwrap();
    let status = BookServiceClient::new(channel).get_book_info(ask(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn in_memory() {
    a_generated_client_follows("memory://target", "memory://target/book").await;
}

#[cfg(feature = "etcd")]
#[tokio::test]
async fn over_etcd_under_a_prefix() {
    let Some(server) = sd_testkit::etcd::EtcdServer::start("over_etcd_under_a_prefix").await else { return };
    let endpoint = server.endpoint();
    a_generated_client_follows(&format!("etcd://{endpoint}/svc"), &format!("etcd://{endpoint}/book?prefix=/svc")).await;
}

#[tokio::test]
async fn the_program_calls_what_is_listed_and_says_what_is_wrong() {
    let registry = sd_kit::connect("memory://program").unwrap();
    let (stop, ended) = serve(&registry);
    let mut found = registry.subscribe(&"book".parse().unwrap());
    let snapshot = until("it is found", &mut found, |snapshot| snapshot.len() == 1).await;
    let address: Address = snapshot.iter().next().unwrap().address().clone();
    let run = |target: String, config: &'static str| async move {
        let program = env!("CARGO_BIN_EXE_book-target");
        let output = tokio::task::spawn_blocking(move || {
            Command::new(program).args([&target, "--calls=2", "--config", config]).output().unwrap()
        });
        let output = soon("the program", output).await.unwrap();
        let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap()).concat();
        (output.status.code(), text)
    };
    let (code, text) = run(format!("static:///{address}"), CONFIG).await;
    assert_eq!((code, text.matches("21天精通php").count()), (Some(0), 2), "{text}");
    for (target, config, what) in [
        ("ectd:///book", CONFIG, "known are static"),
        ("memory://", CONFIG, "names no service"),
        ("static:///h:1", r#"{"loadBalancingPolicies": "x"}"#, "unknown field `loadBalancingPolicies`"),
    ] {
        let (code, text) = run(target.to_owned(), config).await;
        assert!(code == Some(2) && text.contains(what), "{code:?} {text}");
    }
    stop.send(()).unwrap();
    soon("the server's end", ended).await.unwrap().unwrap();
}
