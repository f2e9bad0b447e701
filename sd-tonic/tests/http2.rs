//! What HTTP/2 says of a call that failed decides whether it is tried again: servers that answer frame by frame.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that fails says so")]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{EchoClient, TestServer, builder, connected};
use sd_core::{FixedInstancer, Instance};
use sd_testkit::waiting::{eventually, soon};
use sd_tonic::{Channel, Connector};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tonic::Code;

const PREFACE: usize = 24;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// What a server does with each request.
#[derive(Clone, Copy)]
enum Answer {
    Reset(u32),
    /// The last stream that it says to have looked at, and why it goes.
    GoAway(u32, u32),
    Close,
}

struct RawServer {
    address: SocketAddr,
    requests: Arc<AtomicUsize>,
}

impl RawServer {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, requests) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counted = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Whatever goes wrong is the client's, and is seen there.
                tokio::spawn(serve(stream, answer, Arc::clone(&counted)));
            }
        });
        Self { address, requests }
    }

    fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u32]) -> Vec<u8> {
    let length = u32::try_from(payload.len() * 4).unwrap().to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream.to_be_bytes());
    frame.extend(payload.iter().flat_map(|word| word.to_be_bytes()));
    frame
}

async fn serve(mut stream: TcpStream, answer: Answer, requests: Arc<AtomicUsize>) -> std::io::Result<()> {
    stream.read_exact(&mut [0; PREFACE]).await?;
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await?;
        if head[3] != HEADERS {
            continue;
        }
        requests.fetch_add(1, Ordering::SeqCst);
        let id = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        match answer {
            Answer::Reset(code) => stream.write_all(&frame(RST_STREAM, 0, id, &[code])).await?,
            Answer::GoAway(last, code) => stream.write_all(&frame(GOAWAY, 0, 0, &[last, code])).await?,
            Answer::Close => {}
        }
        if !matches!(answer, Answer::Reset(_)) {
            stream.shutdown().await?;
            // Read to its end, so that no reset overtakes what was written.
            stream.read_to_end(&mut payload).await?;
            return Ok(());
        }
    }
}

async fn channel(addresses: &[SocketAddr]) -> Channel {
    let instancer = FixedInstancer::new(addresses.iter().map(|address| Instance::new(*address)));
    let channel = builder(&instancer).connect().unwrap();
    connected(&channel, addresses.len()).await;
    channel
}

/// Calls until the raw server has got a request; whether all calls succeeded.
async fn calls_until_asked(channel: &Channel, raw: &RawServer) -> Result<(), Code> {
    while raw.requests() == 0 {
        let mut client = EchoClient::new(channel.clone());
        soon("a call", client.unary("who".to_owned())).await.map_err(|status| status.code())?;
    }
    Ok(())
}

#[tokio::test]
async fn what_a_goaway_disowns_goes_elsewhere_whatever_the_method() {
    let good = TestServer::start();
    let going = RawServer::start(Answer::GoAway(0, NO_ERROR)).await;
    let channel = channel(&[good.address, going.address]).await;
    calls_until_asked(&channel, &going).await.unwrap();
}

#[tokio::test]
async fn what_a_goaway_does_not_disown_may_have_been_done_and_fails() {
    let good = TestServer::start();
    let going = RawServer::start(Answer::GoAway(1, NO_ERROR)).await;
    let channel = channel(&[good.address, going.address]).await;
    assert_eq!(calls_until_asked(&channel, &going).await, Err(Code::Unavailable));
    assert_eq!(going.requests(), 1);
}

#[tokio::test]
async fn a_refused_stream_goes_elsewhere_once() {
    let good = TestServer::start();
    let refusing = RawServer::start(Answer::Reset(REFUSED_STREAM)).await;
    let mixed = channel(&[good.address, refusing.address]).await;
    calls_until_asked(&mixed, &refusing).await.unwrap();

    let other = RawServer::start(Answer::Reset(REFUSED_STREAM)).await;
    let third = RawServer::start(Answer::Reset(REFUSED_STREAM)).await;
    let all_refuse = channel(&[other.address, third.address]).await;
    let status = EchoClient::new(all_refuse).unary("who".to_owned()).await.unwrap_err();
    assert_eq!((status.code(), other.requests() + third.requests()), (Code::Unavailable, 2));
}

#[tokio::test]
async fn a_broken_stream_is_the_status_that_grpc_makes_of_it_and_stays_one_attempt() {
    for (answer, code) in [
        (Answer::Reset(INTERNAL_ERROR), Code::Internal),
        (Answer::Reset(NO_ERROR), Code::Internal),
        (Answer::Reset(CANCEL), Code::Cancelled),
        (Answer::Reset(ENHANCE_YOUR_CALM), Code::ResourceExhausted),
        (Answer::Close, Code::Unavailable),
    ] {
        let raw = RawServer::start(answer).await;
        let channel = channel(&[raw.address]).await;
        let status = soon("a call", EchoClient::new(channel).unary("who".to_owned())).await.unwrap_err();
        assert_eq!((status.code(), raw.requests()), (code, 1), "{status:?}");
        assert!(status.message().contains(&raw.address.to_string()), "{status:?}");
    }
}

#[tokio::test]
async fn a_server_that_complains_of_pings_is_asked_half_as_often() {
    let raw = RawServer::start(Answer::GoAway(1, ENHANCE_YOUR_CALM)).await;
    let connector = Connector::new();
    assert!(format!("{connector:?}").contains("interval: 20s"));
    let instancer = FixedInstancer::new([Instance::new(raw.address)]);
    let channel = builder(&instancer).connector(connector.clone()).connect().unwrap();
    assert_eq!(EchoClient::new(channel).unary("who".to_owned()).await.unwrap_err().code(), Code::Unavailable);
    eventually("it is asked less often", async || format!("{connector:?}").contains("interval: 40s")).await;
}
