//! Who is no centre, or one that has gone silent: an error says so, and nothing is believed.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sd_core::{Admin as _, ErrorKind, Instancer as _, Probe as _, Registrar as _};
use sd_registry::RegistryConfig;
use sd_testkit::run;
use sd_testkit::samples::registration;
use sd_testkit::waiting::{soon, until};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Speaks HTTP/2, and answers every request as `answer` does.
async fn speaking<B>(answer: impl Fn(&str) -> Response<B> + Clone + Send + Sync + 'static) -> SocketAddr
where
    B: Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let response = answer(request.uri().path());
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

fn connect(address: SocketAddr) -> sd_core::Connection {
    RegistryConfig::new([address.to_string()]).connect().unwrap()
}

#[test]
fn who_answers_and_is_no_centre_is_told_apart_from_one_that_is_not_there() {
    run(async {
        for (status, body) in [(200, "<html>"), (404, "<html>"), (404, "{}"), (302, ""), (204, ""), (500, "oops")] {
            let stranger = speaking(move |_| Response::builder().status(status).body(Full::from(body)).unwrap()).await;
            let registry = connect(stranger);
            let error = soon("probe", registry.probe()).await.unwrap_err();
            let expected = if status == 500 { ErrorKind::Unavailable } else { ErrorKind::Protocol };
            assert_eq!(error.kind(), expected, "{status}: {error}");
            assert!(error.to_string().contains(&stranger.to_string()), "{error}");
            // That a path is not there is not to say that an instance is not.
            let error = soon("drain", registry.drain(&"book".parse().unwrap(), "a")).await.unwrap_err();
            assert_eq!(error.kind(), expected, "{status}: {error}");
        }
    });
}

#[test]
fn who_speaks_something_else_is_unavailable() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stranger = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
            }
        });
        let error = soon("probe", connect(stranger).probe()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
        let mut view = connect(stranger).subscribe(&"book".parse().unwrap());
        until("an error", &mut view, |snapshot| snapshot.freshness().error().is_some()).await;
    });
}

/// An entry that went by itself is one that was taken back, whatever words a centre has for that.
#[test]
fn what_is_gone_already_was_taken_back() {
    run(async {
        let centre = speaking(|path| {
            let (status, body) = match path {
                "/v1/register" => (201, r#"{"service":"book","id":"a","owner":"o","revision":1,"ttl_ms":10000}"#),
                "/v1/deregister" => (404, r#"{"type":"urn:sd:problem:not-found","status":404,"detail":"no a"}"#),
                _ => (200, "{}"),
            };
            Response::builder().status(status).body(Full::from(body)).unwrap()
        })
        .await;
        let registry = connect(centre);
        let handle = soon("register", registry.register(registration(&"book".parse().unwrap(), "a", 1))).await.unwrap();
        soon("deregister", handle.deregister()).await.unwrap();
        // Of another's, it is the answer.
        let error = soon("deregister", registry.deregister(&"book".parse().unwrap(), "a")).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    });
}

/// One whose connection stands and answers pings, and which says no word any more: its watches are not well.
#[test]
fn a_watch_without_a_word_is_given_up() {
    run(async {
        let first = "event: snapshot\nid: 0000000000000001-5\ndata: {\"epoch\":\"0000000000000001\",\"revision\":5,\
                     \"instances\":[{\"service\":\"book\",\"revision\":5,\"ttl_ms\":1000,\
                     \"instance\":{\"v\":1,\"id\":\"a\",\"address\":\"127.0.0.1:1\"}}],\"more\":false}\n\n";
        let mute = speaking(move |path| {
            let frames = SilentAfter(Some(Bytes::from_static(first.as_bytes())));
            if path.starts_with("/v1/watch/") {
                return Response::builder().header("content-type", "text/event-stream").body(frames.boxed()).unwrap();
            }
            Response::new(Full::from("{}").boxed())
        })
        .await;
        let bound = Duration::from_secs(12);
        let registry = RegistryConfig::new([mute.to_string()]).silence(bound).connect().unwrap();
        let mut view = registry.subscribe(&"book".parse().unwrap());
        until("known", &mut view, |snapshot| snapshot.get("a").is_some()).await;
        let known = Instant::now();
        let stale = until("stale", &mut view, |snapshot| snapshot.freshness().is_stale()).await;
        assert!(known.elapsed() + Duration::from_secs(1) >= bound, "after {:?}", known.elapsed());
        assert!(stale.get("a").is_some());
        assert!(stale.freshness().error().unwrap().to_string().contains("said nothing for 12s"), "{stale:?}");
    });
}

/// A body that says one thing, and then nothing for ever.
struct SilentAfter(Option<Bytes>);

impl Body for SilentAfter {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.0.take() {
            Some(bytes) => std::task::Poll::Ready(Some(Ok(Frame::data(bytes)))),
            None => std::task::Poll::Pending,
        }
    }
}
