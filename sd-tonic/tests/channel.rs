//! A channel to several servers: all kinds of calls, connections that fail and come back, streams that count.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says so")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use common::{EchoClient, TestServer, builder, connected, in_flight, instances, left_out, spread};
use sd_core::{FixedInstancer, Instance, LeftOut};
use sd_testkit::proxy::TcpProxy;
use sd_testkit::waiting::{eventually, soon};
use sd_tonic::{Channel, Connector, Targets};
use tokio_stream::StreamExt;
use tonic::{Code, Request, Status};

#[tokio::test]
async fn calls_go_to_all_in_turn_and_all_kinds_of_them_work() {
    let servers = [(); 3].map(|()| TestServer::start());
    let list = servers.each_ref().map(TestServer::name).join(",");
    let channel = Targets::new().channel(&format!("static:///{list}")).unwrap().connect().unwrap();
    connected(&channel, 3).await;
    let answered = spread(&channel, 30).await;
    assert!(answered.len() == 3 && answered.values().all(|count| *count == 10), "{answered:?}");

    let mut client = EchoClient::new(channel.clone());
    let texts: Vec<_> = client.down("3").await.unwrap().into_inner().collect().await;
    assert_eq!(texts.into_iter().collect::<Result<Vec<_>, _>>().unwrap().len(), 3);
    let up = client.up(tokio_stream::iter(["a", "b", "c"].map(str::to_owned))).await.unwrap().into_inner();
    assert!(up.ends_with(": a b c"), "{up}");
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let mut both = client.both(tokio_stream::wrappers::ReceiverStream::new(receive)).await.unwrap().into_inner();
    for text in ["one", "two"] {
        send.send(text.to_owned()).await.unwrap();
        assert!(both.next().await.unwrap().unwrap().ends_with(text));
    }
    drop(send);
    assert!(both.next().await.is_none());
    let large = "x".repeat(3 << 20);
    client.unary(large).await.unwrap();
    assert_eq!(client.unary("sleep x".repeat(0)).await.unwrap().into_inner().len(), servers[0].name().len());
    eventually("nothing is in flight", async || in_flight(&channel) == 0).await;
}

#[tokio::test]
async fn a_programs_first_call_waits_for_its_connection() {
    let server = TestServer::start();
    let channel = builder(&instances([&server])).connect().unwrap();
    assert_eq!(spread(&channel, 1).await.len(), 1);
}

#[tokio::test]
async fn a_stream_counts_until_it_ends_is_dropped_or_fails() {
    let server = TestServer::start();
    let channel = builder(&instances([&server])).connect().unwrap();
    let mut client = EchoClient::new(channel.clone());
    let mut streams = Vec::new();
    for count in 1..4 {
        let mut stream = client.down("open").await.unwrap().into_inner();
        stream.next().await.unwrap().unwrap();
        streams.push(stream);
        assert_eq!(in_flight(&channel), count);
    }
    streams.pop();
    assert_eq!(in_flight(&channel), 2);
    eventually("the server is told", async || server.script.open_streams.load(Ordering::SeqCst) == 2).await;
    let mut broken = client.down("broken").await.unwrap().into_inner();
    assert_eq!(in_flight(&channel), 3);
    assert!(broken.next().await.unwrap().is_ok());
    assert_eq!(broken.next().await.unwrap().unwrap_err().code(), Code::DataLoss);
    assert_eq!(in_flight(&channel), 2);
    let failures = channel.endpoints().load().members().get(0).unwrap().load().failures_in_a_row();
    assert_eq!(failures, 1);
    let ended: Vec<_> = client.down("2").await.unwrap().into_inner().collect().await;
    assert_eq!((ended.len(), in_flight(&channel)), (2, 2));
    let call = tokio::spawn(async move { client.unary("sleep 60000".to_owned()).await });
    eventually("the call is under way", async || in_flight(&channel) == 3).await;
    call.abort();
    eventually("it was given up", async || in_flight(&channel) == 2).await;
}

#[tokio::test]
async fn tonic_2839_a_dead_instance_is_skipped_and_comes_back_by_itself() {
    let servers = [TestServer::start(), TestServer::start()];
    let channel = builder(&instances(&servers)).connect().unwrap();
    connected(&channel, 2).await;
    let [first, second] = servers;
    let (address, script) = (first.address, Arc::clone(&first.script));
    first.kill();
    connected(&channel, 1).await;
    let why = left_out(&channel);
    assert!(matches!(why[&address.to_string()], LeftOut::Unconnected(_) | LeftOut::Connecting), "{why:?}");
    assert_eq!(spread(&channel, 20).await.keys().collect::<Vec<_>>(), [&second.name()]);
    let _first = TestServer::start_at(address, script);
    connected(&channel, 2).await;
    assert_eq!(spread(&channel, 20).await.len(), 2);
}

#[tokio::test]
async fn a_server_that_hangs_is_left_after_keep_alive_and_comes_back() {
    let servers = [TestServer::start(), TestServer::start()];
    let connector = Connector::new().keep_alive(Duration::from_millis(100), Duration::from_millis(100));
    let connect_timeout = Duration::from_millis(200);
    let channel = builder(&instances(&servers)).connector(connector).connect_timeout(connect_timeout);
    let channel = channel.connect().unwrap();
    connected(&channel, 2).await;
    let hanging = servers[0].hang();
    let calls: Vec<_> = (0..2)
        .map(|_| {
            let mut client = EchoClient::new(channel.clone());
            tokio::spawn(async move { client.unary("who".to_owned()).await })
        })
        .collect();
    let mut failed = Vec::new();
    for call in calls {
        failed.extend(soon("the call", call).await.unwrap().err());
    }
    let [status] = &failed[..] else { panic!("{failed:?}") };
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains(&servers[0].name()), "{status:?}");
    connected(&channel, 1).await;
    // Its kernel takes connections; only its greeting would count.
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(spread(&channel, 10).await.len(), 1);
    drop(hanging);
    connected(&channel, 2).await;
}

#[tokio::test]
async fn who_can_not_be_reached_is_named_with_the_reason_as_unavailable() {
    let dead = TestServer::start();
    let (name, instancer) = (dead.name(), instances([&dead]));
    dead.kill();
    let channel = builder(&instancer).connect().unwrap();
    let status = EchoClient::new(channel).unary("who".to_owned()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    for part in [&name, "1 known", "refused"] {
        assert!(status.message().contains(part), "{status:?}");
    }

    let empty = builder(&FixedInstancer::new([])).connect().unwrap();
    let status = EchoClient::new(empty).unary("who".to_owned()).await.unwrap_err();
    assert!(status.code() == Code::Unavailable && status.message().contains("0 known"), "{status:?}");
}

#[tokio::test]
async fn one_that_speaks_no_http_2_is_named_and_others_serve() {
    let server = TestServer::start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = listener.local_addr().unwrap();
    tokio::spawn(async move {
        use tokio::io::AsyncWriteExt;
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let instancer = FixedInstancer::new([Instance::new(server.address), Instance::new(other)]);
    let channel = builder(&instancer).connect().unwrap();
    eventually("the other is left out", async || {
        matches!(left_out(&channel).get(&other.to_string()), Some(LeftOut::Unconnected(_)))
    })
    .await;
    assert_eq!(spread(&channel, 10).await.keys().collect::<Vec<_>>(), [&server.name()]);
}

#[tokio::test]
async fn waiting_for_somebody_and_failing_fast_are_as_asked() {
    let dead = TestServer::start();
    let (address, instancer) = (dead.address, instances([&dead]));
    dead.kill();
    let patient = builder(&instancer).wait_for_ready(true).connect().unwrap();
    let mut client = EchoClient::new(patient);
    let mut bounded = Request::new("who".to_owned());
    bounded.set_timeout(Duration::from_millis(300));
    let status = client.unary(bounded).await.unwrap_err();
    assert!(status.code() == Code::DeadlineExceeded && status.message().contains("refused"), "{status:?}");
    let waiting = tokio::spawn(async move { client.unary("who".to_owned()).await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!waiting.is_finished());
    let _alive = TestServer::start_at(address, Arc::default());
    soon("the call that waits", waiting).await.unwrap().unwrap();

    let unknown = sd_core::Publisher::new(sd_core::StalenessPolicy::default(), sd_core::defaults::TTL);
    let fast = Channel::builder(unknown.subscribe()).fail_fast(true).connect().unwrap();
    let status = EchoClient::new(fast).unary("who".to_owned()).await.unwrap_err();
    assert!(status.code() == Code::Unavailable && status.message().contains("not answered yet"), "{status:?}");
    let brief = Channel::builder(unknown.subscribe()).wait_timeout(Duration::from_millis(50)).connect().unwrap();
    let status = EchoClient::new(brief).unary("who".to_owned()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn an_instance_that_leaves_finishes_its_streams_and_its_connection_closes() {
    let server = TestServer::start();
    let proxy = TcpProxy::start(server.address);
    let instancer = FixedInstancer::new([Instance::new(proxy.address())]);
    let channel = builder(&instancer).connect().unwrap();
    let mut client = EchoClient::new(channel.clone());
    let (send, receive) = tokio::sync::mpsc::channel(1);
    let mut both = client.both(tokio_stream::wrappers::ReceiverStream::new(receive)).await.unwrap().into_inner();
    instancer.publisher().replace([]);
    connected(&channel, 0).await;
    assert_eq!(client.unary("who".to_owned()).await.unwrap_err().code(), Code::Unavailable);
    send.send("still".to_owned()).await.unwrap();
    assert!(both.next().await.unwrap().unwrap().ends_with("still"));
    assert_eq!(proxy.open(), 1);
    drop(send);
    assert!(both.next().await.is_none());
    drop(both);
    eventually("the connection is closed", async || proxy.open() == 0).await;
}

#[tokio::test]
async fn one_connection_per_instance_serves_all_calls_and_clones() {
    let server = TestServer::start();
    let proxy = TcpProxy::start(server.address);
    let channel = builder(&FixedInstancer::new([Instance::new(proxy.address())])).connect().unwrap();
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let mut client = EchoClient::new(channel.clone());
            tokio::spawn(async move { client.unary("sleep 10".to_owned()).await })
        })
        .collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test]
async fn several_requests_to_one_instance_in_the_closure_form() {
    let servers = [TestServer::start(), TestServer::start()];
    let channel = builder(&instances(&servers)).connect().unwrap();
    connected(&channel, 2).await;
    servers[0].script.fail(1, Code::Unavailable, None);
    servers[1].script.fail(1, Code::Unavailable, None);
    let retry = sd_lb::Retry::attempts(3).only_if(|status: &Status| status.code() == Code::Unavailable);
    let retrying = channel.retrying(retry).unwrap();
    let both = retrying.run("who", |channel, text| async move {
        let mut client = EchoClient::new(channel);
        let first = client.unary(text.to_owned()).await?.into_inner();
        Ok::<_, Status>((first, client.unary(text.to_owned()).await?.into_inner()))
    });
    let (first, second) = tokio::spawn(both).await.unwrap().unwrap();
    assert_eq!(first, second);
}

#[tokio::test]
async fn metadata_and_the_channel_name_the_authority() {
    let server = TestServer::start();
    let instance = Instance::new(server.address);
    let call = async |instance: Instance, connector: Connector| {
        let channel = builder(&FixedInstancer::new([instance])).connector(connector).connect().unwrap();
        EchoClient::new(channel).unary("who".to_owned()).await.unwrap();
    };
    let connector = Connector::new().user_agent("books/1").unwrap();
    call(instance.clone(), connector.clone()).await;
    let agent = server.script.seen("user-agent").remove(0).unwrap();
    assert!(agent.starts_with("books/1 sd-tonic/"), "{agent}");
    call(instance.clone(), connector.authority("all.example").unwrap()).await;
}

#[tokio::test]
async fn a_channel_that_makes_no_sense_is_refused() {
    let refused = |builder: sd_tonic::ChannelBuilder| builder.connect().unwrap_err().to_string();
    let any = FixedInstancer::new([]);
    assert!(refused(builder(&any).timeout(Duration::ZERO)).contains("timeout of 0"));
    assert!(refused(builder(&any).panic_threshold(2.0)).contains("0 to 1"));
    assert!(refused(builder(&any).wait_for_ready(true).fail_fast(true)).contains("one of them"));
    assert!(Connector::new().authority("a b").is_err() && Connector::new().user_agent("a\nb").is_err());
    let outside = std::thread::spawn(move || refused(builder(&any))).join().unwrap();
    assert!(outside.contains("runtime"), "{outside}");
}
