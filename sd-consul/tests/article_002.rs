//! The example of article 002, run against a real Consul.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "../examples/article_002.rs"]
#[allow(unreachable_pub, missing_docs, reason = "an example's own")]
mod article_002;
mod support;

use std::time::Duration;

use article_002::Reg;
use sd_testkit::waiting::{eventually, soon};
use support::with_quick_consul;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

#[test]
fn register_discover_and_deregister_as_the_article_does() {
    with_quick_consul("register_discover_and_deregister_as_the_article_does", async |env| {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = sd_core::Address::from(listener.local_addr().unwrap());
        let agent = env.proxy().address().to_string();
        let reg = Reg::make(&agent, "/health", Duration::from_secs(1), Duration::from_secs(60));
        let handle = soon("register", reg.register("book", "v1", "book-1", address)).await.unwrap();
        let known = async |tag: &str, passing_only: bool| {
            let found = soon("discover", reg.discover("book", tag, passing_only)).await.unwrap();
            found.iter().map(|instance| instance.id().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(known("v1", false).await, ["book-1"]);
        assert_eq!(known("v2", false).await, [""; 0]);
        assert_eq!(known("v1", true).await, [""; 0], "nobody has answered the check yet");
        let serving = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                drop(stream.read(&mut [0; 4096]).await);
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await);
            }
        });
        eventually("passing", async || known("v1", true).await == ["book-1"]).await;
        assert!(reg.deregister(handle).await);
        assert_eq!(known("v1", false).await, [""; 0]);
        serving.abort();
    });
}
