//! A server that is older than 3.6: it knows neither persistent watches nor reads of many nodes.
//!
//! None was to be had, so a real one is made to look like it: what stands between answers the requests that came with
//! 3.6 as a 3.5 server does, with "unimplemented", and ends the connection.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failed expectation is a failed test")]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sd_core::Backend;
use sd_testkit::ConnectOptions;
use sd_testkit::samples::{random_service, registration};
use sd_testkit::waiting::{soon, until_catalog, until_ids};
use sd_testkit::zookeeper::ZooKeeperServer;
use support::connect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

const MULTI_READ: u32 = 22;
const SET_WATCHES_2: u32 = 105;
const ADD_WATCH: u32 = 106;
const UNIMPLEMENTED: i32 = -6;

/// Stands before a server, and counts the requests that it did not know.
struct OldServer {
    address: SocketAddr,
    unknown: Arc<AtomicUsize>,
    _serving: JoinSet<()>,
}

impl OldServer {
    async fn before(server: &ZooKeeperServer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, target) = (listener.local_addr().unwrap(), server.address());
        let unknown = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&unknown);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut carrying = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let unknown = Arc::clone(&counting);
                carrying.spawn(async move {
                    let server = TcpStream::connect(target).await.unwrap();
                    let ((from_client, to_client), (mut from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    let to_client = Mutex::new(to_client);
                    let back = async {
                        let mut buffer = vec![0; 64 * 1024];
                        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
                            if to_client.lock().await.write_all(&buffer[..read]).await.is_err() {
                                return;
                            }
                        }
                    };
                    tokio::select! {
                        _ = forth(from_client, to_server, &to_client, &unknown) => {}
                        () = back => {}
                    }
                });
            }
        });
        Self { address, unknown, _serving: serving }
    }
}

/// Passes requests on, but those that the server shall not know.
async fn forth(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    to_client: &Mutex<OwnedWriteHalf>,
    unknown: &AtomicUsize,
) -> std::io::Result<()> {
    let mut opened = false;
    loop {
        let length = client.read_u32().await?;
        if length == u32::from_be_bytes(*b"srvr") {
            // A word, and no request.
            server.write_u32(length).await?;
            continue;
        }
        let mut request = vec![0; length as usize];
        client.read_exact(&mut request).await?;
        let operation = request.get(4..8).map(|bytes| u32::from_be_bytes(bytes.try_into().unwrap()));
        if opened && matches!(operation, Some(MULTI_READ | SET_WATCHES_2 | ADD_WATCH)) {
            unknown.fetch_add(1, Ordering::SeqCst);
            let mut answer = 16_u32.to_be_bytes().to_vec();
            answer.extend(&request[..4]);
            answer.extend(0_i64.to_be_bytes());
            answer.extend(UNIMPLEMENTED.to_be_bytes());
            return to_client.lock().await.write_all(&answer).await;
        }
        opened = true;
        server.write_u32(length).await?;
        server.write_all(&request).await?;
    }
}

#[tokio::test]
async fn a_server_before_3_6_is_found_out_and_served_with_one_shot_watches() {
    let Some(server) = ZooKeeperServer::start("a_server_before_3_6").await else { return };
    let old = OldServer::before(&server).await;
    let url = format!("zookeeper://{}/test?session=4s", old.address);
    let registries: Vec<Arc<dyn Backend>> = (0..2).map(|_| connect(&url, &ConnectOptions::default())).collect();
    let service = random_service();
    let mut watcher = registries[0].subscribe(&service);
    let mut names = registries[0].subscribe_services();
    let first = soon("register", registries[1].register(registration(&service, "a", 1000))).await.unwrap();
    until_ids("the first", &mut watcher, &["a"]).await;
    let second = soon("register", registries[1].register(registration(&service, "b", 1001))).await.unwrap();
    until_ids("both", &mut watcher, &["a", "b"]).await;
    until_catalog("listed", &mut names, |s| s.freshness().is_live() && s.names().contains(&service)).await;
    soon("deregister", first.deregister()).await.unwrap();
    until_ids("one", &mut watcher, &["b"]).await;
    assert!(soon("services", registries[0].services()).await.unwrap().contains(&service));
    soon("deregister another", registries[0].deregister(&service, "b")).await.unwrap();
    drop(second);
    until_ids("none", &mut watcher, &[]).await;
    until_catalog("not listed", &mut names, |s| s.freshness().is_live() && s.names().is_empty()).await;
    // Found out once by each connection, or once by each of those that asked at the same time; never again.
    let unknown = old.unknown.load(Ordering::SeqCst);
    assert!((1..=4).contains(&unknown), "{unknown} requests that the server does not know");
}
