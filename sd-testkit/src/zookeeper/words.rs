//! ZooKeeper's four-letter words, which tell what the server itself knows.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What the server answers to a word, or `None` when nothing answers within two seconds.
pub(super) async fn ask(address: SocketAddr, word: &str) -> Option<String> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(word.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        Some(answer)
    };
    tokio::time::timeout(Duration::from_secs(2), asked).await.ok()?
}

/// Which sessions watch which paths, as `wchp` tells it: a line per path, and below it one per session.
pub(super) fn watched_paths(answer: &str) -> Vec<(String, usize)> {
    let mut paths: Vec<(String, usize)> = Vec::new();
    for line in answer.lines() {
        if line.starts_with('/') {
            paths.push((line.to_owned(), 0));
        } else if line.trim().starts_with("0x")
            && let Some((_, sessions)) = paths.last_mut()
        {
            *sessions += 1;
        }
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_counted_per_path() {
        let answer = "/a/b\n\t0x100017a1b2c0000\n\t0x100017a1b2c0001\n/a\n\t0x100017a1b2c0000\n";
        assert_eq!(watched_paths(answer), [("/a/b".to_owned(), 2), ("/a".to_owned(), 1)]);
    }
}
