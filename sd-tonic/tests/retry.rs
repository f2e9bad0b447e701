//! What is tried again and what is not: by status and method, transparently, within the call's time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says so")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::echo::Script;
use common::{EchoClient, TestServer, builder, connected, instances};
use sd_testkit::waiting::{eventually, soon};
use sd_tonic::{Channel, MethodConfig, RetryRule, ServiceConfig};
use tokio::time::Instant;
use tokio_stream::StreamExt;
use tonic::{Code, Request};

const ECHO: &str = "test.Echo";

fn brief(attempts: u32) -> RetryRule {
    RetryRule::attempts(attempts).pauses(Duration::from_millis(1), Duration::from_millis(5), 2.0)
}

fn ruled(rule: RetryRule) -> ServiceConfig {
    ServiceConfig::new().method(ECHO, "Unary", MethodConfig::new().retry(rule))
}

async fn channel<'a>(servers: impl IntoIterator<Item = &'a TestServer>, config: ServiceConfig) -> Channel {
    let instancer = instances(servers);
    let channel = builder(&instancer).service_config(config).connect().unwrap();
    connected(&channel, instancer.snapshot().len()).await;
    channel
}

async fn call(channel: &Channel) -> Result<String, Code> {
    let answer = EchoClient::new(channel.clone()).unary("who".to_owned()).await;
    answer.map(tonic::Response::into_inner).map_err(|status| status.code())
}

#[tokio::test]
async fn a_method_with_a_rule_is_tried_elsewhere_and_one_without_is_not() {
    let script = Arc::<Script>::default();
    let servers = [TestServer::sharing(&script), TestServer::sharing(&script)];
    let channel = channel(&servers, ruled(brief(3))).await;
    script.fail(2, Code::Unavailable, None);
    call(&channel).await.unwrap();
    assert_eq!(script.calls(), 3);
    assert_eq!(script.seen("grpc-previous-rpc-attempts"), [None, Some("1".to_owned()), Some("2".to_owned())]);

    script.fail(1, Code::Unavailable, None);
    let status = EchoClient::new(channel.clone()).other("who".to_owned()).await.unwrap_err();
    assert_eq!((status.code(), status.message(), script.calls()), (Code::Unavailable, "as the script says", 4));
}

#[tokio::test]
async fn attempts_end_and_the_last_answer_is_the_callers() {
    let server = TestServer::start();
    let channel = channel([&server], ruled(brief(3))).await;
    server.script.fail(3, Code::Unavailable, None);
    assert_eq!(call(&channel).await, Err(Code::Unavailable));
    assert_eq!(server.calls(), 3);
}

#[tokio::test]
async fn statuses_that_the_rule_does_not_name_stand() {
    let server = TestServer::start();
    let channel = channel([&server], ruled(brief(3).codes([Code::Aborted]))).await;
    server.script.fail(1, Code::Unavailable, None);
    assert_eq!((call(&channel).await, server.calls()), (Err(Code::Unavailable), 1));
    server.script.fail(1, Code::Aborted, None);
    assert_eq!((call(&channel).await.is_ok(), server.calls()), (true, 3));
}

#[tokio::test]
async fn a_second_attempt_goes_to_another_instance() {
    let servers = [TestServer::start(), TestServer::start()];
    let channel = channel(&servers, ruled(brief(2))).await;
    servers[0].script.fail(100, Code::Unavailable, None);
    for _ in 0..10 {
        assert_eq!(call(&channel).await, Ok(servers[1].name()));
    }
}

#[tokio::test]
async fn pushback_says_when_and_whether() {
    let server = TestServer::start();
    let channel = channel([&server], ruled(brief(3))).await;
    server.script.fail(1, Code::Unavailable, Some("200"));
    let began = Instant::now();
    call(&channel).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(200));
    for no in ["-1", "soon"] {
        server.script.fail(1, Code::Unavailable, Some(no));
        let before = server.calls();
        assert_eq!((call(&channel).await, server.calls() - before), (Err(Code::Unavailable), 1), "{no}");
    }
}

#[tokio::test]
async fn retries_stop_when_they_are_throttled() {
    let server = TestServer::start();
    let channel = channel([&server], ruled(brief(5)).throttle(4.0, 1.0).unwrap()).await;
    server.script.fail(4, Code::Unavailable, None);
    // Of four tokens one is taken: above half; the second leaves two, which is not.
    assert_eq!((call(&channel).await, server.calls()), (Err(Code::Unavailable), 2));
    assert_eq!((call(&channel).await, server.calls()), (Err(Code::Unavailable), 3));
    assert_eq!((call(&channel).await, server.calls()), (Err(Code::Unavailable), 4));
    for _ in 0..4 {
        call(&channel).await.unwrap();
    }
    server.script.fail(1, Code::Unavailable, None);
    call(&channel).await.unwrap();
}

#[tokio::test]
async fn a_call_whose_connection_breaks_is_tried_again_only_as_its_rule_says() {
    let servers = [TestServer::start(), TestServer::start()];
    let channel = channel(&servers, ruled(brief(3))).await;
    let [first, second] = servers;
    let in_flight = |method: &'static str| {
        let calls = (0..4).map(|_| {
            let mut client = EchoClient::new(channel.clone());
            tokio::spawn(async move {
                let text = "sleep 400".to_owned();
                if method == "Unary" { client.unary(text).await } else { client.other(text).await }
            })
        });
        calls.collect::<Vec<_>>()
    };
    let (ruled, unruled) = (in_flight("Unary"), in_flight("Other"));
    eventually("all are under way", async || first.calls() + second.calls() == 8).await;
    let (name, lost) = (first.name(), first.calls());
    first.kill();
    for call in ruled {
        assert_eq!(soon("a call", call).await.unwrap().unwrap().into_inner(), second.name());
    }
    let mut failed = 0;
    for call in unruled {
        if let Err(status) = soon("a call", call).await.unwrap() {
            assert!(status.code() == Code::Unavailable && status.message().contains(&name), "{status:?}");
            failed += 1;
        }
    }
    // Round robin: half of each kind.
    assert_eq!((lost, failed), (4, 2));
}

#[tokio::test]
async fn no_call_is_lost_and_none_done_twice_while_servers_are_replaced() {
    let script = Arc::<Script>::default();
    let mut servers = vec![TestServer::sharing(&script), TestServer::sharing(&script)];
    let instancer = instances(&servers);
    let channel = builder(&instancer).connect().unwrap();
    connected(&channel, 2).await;
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (mut client, stopped) = (EchoClient::new(channel.clone()), stopped.clone());
            tokio::spawn(async move {
                let mut answered = 0usize;
                while !*stopped.borrow() {
                    // No rule holds for this method: only what surely was not processed is tried again.
                    client.other("sleep 1".to_owned()).await.map_err(|status| format!("{status:?}"))?;
                    answered += 1;
                }
                Ok::<_, String>(answered)
            })
        })
        .collect();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let (address, server) = (servers[0].address, servers.remove(0));
        // In the registry it stays: nobody is told but by GOAWAY and refused connections.
        soon("stopping", server.stop()).await;
        connected(&channel, 1).await;
        servers.push(TestServer::start_at(address, Arc::clone(&script)));
        connected(&channel, 2).await;
    }
    stop.send_replace(true);
    let mut answered = 0;
    for caller in callers {
        answered += soon("a caller", caller).await.unwrap().unwrap();
    }
    assert!(answered > 100, "{answered}");
    assert_eq!(script.calls(), answered);
}

#[tokio::test]
async fn a_stream_of_ours_goes_on_through_a_goaway_and_new_calls_go_elsewhere() {
    let servers = [TestServer::start(), TestServer::start()];
    let channel = channel(&servers[..1], ServiceConfig::new()).await;
    let mut client = EchoClient::new(channel.clone());
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let mut both = client.both(tokio_stream::wrappers::ReceiverStream::new(receive)).await.unwrap().into_inner();
    servers[0].begin_to_stop();
    eventually("no new calls are taken", async || call(&channel).await.is_err()).await;
    send.send("still".to_owned()).await.unwrap();
    assert!(both.next().await.unwrap().unwrap().ends_with("still"));
    drop(send);
    assert!(both.next().await.is_none());
}

#[tokio::test]
async fn the_calls_time_covers_all_attempts_and_each_server_is_told_what_is_left() {
    let server = TestServer::start();
    let config = ruled(brief(5).pauses(Duration::from_millis(150), Duration::from_millis(150), 1.0));
    let channel = channel([&server], config).await;
    server.script.fail(5, Code::Unavailable, None);
    let mut request = Request::new("who".to_owned());
    request.set_timeout(Duration::from_millis(400));
    let began = Instant::now();
    let status = EchoClient::new(channel.clone()).unary(request).await.unwrap_err();
    // The pause that would outlast the call is not begun.
    assert!(status.code() == Code::Unavailable && began.elapsed() < Duration::from_millis(400), "{status:?}");
    let told: Vec<u64> = server
        .script
        .seen("grpc-timeout")
        .into_iter()
        .map(|told| told.unwrap().strip_suffix('u').unwrap_or("0").parse().unwrap())
        .collect();
    assert!(told.len() >= 2 && told[1..].windows(2).all(|pair| pair[0] > pair[1]) && told[1] <= 300_000, "{told:?}");
}

#[tokio::test]
async fn deadlines_come_from_the_request_the_method_and_the_channel_the_shortest_first() {
    let server = TestServer::start();
    let config = ServiceConfig::new().method(ECHO, "Unary", MethodConfig::new().timeout(Duration::from_millis(150)));
    let channel =
        builder(&instances([&server])).service_config(config).timeout(Duration::from_millis(60)).connect().unwrap();
    connected(&channel, 1).await;
    let mut client = EchoClient::new(channel);
    let slow = || "sleep 60000".to_owned();
    let status = client.unary(slow()).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains(&server.name()) && status.message().contains("150ms"), "{status:?}");
    assert!(client.other(slow()).await.unwrap_err().message().contains("60ms"));
    let mut request = Request::new(slow());
    request.set_timeout(Duration::from_millis(30));
    assert!(client.unary(request).await.unwrap_err().message().contains("30ms"));
    let told: Vec<_> = server.script.seen("grpc-timeout").into_iter().flatten().collect();
    assert_eq!(told, ["150000u", "60000000n", "30000000n"]);
}

#[tokio::test]
async fn a_stream_ends_at_its_deadline() {
    let server = TestServer::start();
    let config = ServiceConfig::new().all(MethodConfig::new().timeout(Duration::from_millis(100)));
    let channel = channel([&server], config).await;
    let mut stream = EchoClient::new(channel.clone()).down("open").await.unwrap().into_inner();
    assert!(stream.next().await.unwrap().is_ok());
    let status = soon("its end", stream.next()).await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(common::in_flight(&channel), 0);
    drop(stream);
    eventually("the server is told", async || server.script.open_streams.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_tried_elsewhere() {
    let servers = [TestServer::start(), TestServer::start()];
    let channel = channel(&servers, ruled(brief(2).per_attempt(Duration::from_millis(200)))).await;
    let hanging = servers[0].hang();
    for _ in 0..3 {
        assert_eq!(call(&channel).await, Ok(servers[1].name()));
    }
    drop(hanging);
    let alone = common::instances(&servers[..1]);
    let config = ruled(brief(2).per_attempt(Duration::from_millis(50)));
    let channel = builder(&alone).service_config(config).connect().unwrap();
    let status = EchoClient::new(channel).unary("sleep 60000".to_owned()).await.unwrap_err();
    assert!(status.code() == Code::DeadlineExceeded && status.message().contains("50ms"), "{status:?}");
}

#[tokio::test]
async fn server_streams_are_tried_again_until_they_begin_and_never_after() {
    let servers = [TestServer::start(), TestServer::start()];
    let config = ServiceConfig::new().all(MethodConfig::new().retry(brief(3)));
    let channel = channel(&servers, config).await;
    let [first, second] = servers;
    let mut streams = Vec::new();
    for _ in 0..2 {
        let mut stream = EchoClient::new(channel.clone()).down("open").await.unwrap().into_inner();
        let name = stream.next().await.unwrap().unwrap();
        streams.push((name, stream));
    }
    let dead = first.name();
    first.kill();
    for (name, mut stream) in streams {
        if name == dead {
            let status = soon("its end", stream.next()).await.unwrap().unwrap_err();
            assert!(status.code() == Code::Unavailable && status.message().contains(&dead), "{status:?}");
        }
    }
    drop(second);
}
