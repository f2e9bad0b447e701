//! The log service: `POST /log` appends a line to a file.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::post;
use chrono::Local;

/// A message takes no more bytes than this; a longer one is answered 413.
pub const MAX_MESSAGE_BYTES: usize = 64 << 10;

/// A log file, opened anew for each message, so that it can be moved away while the service runs.
#[derive(Debug, Clone)]
pub struct LogFile {
    path: Arc<PathBuf>,
    /// One message after another; a single write each, so that other processes don't interleave either.
    turn: Arc<Mutex<()>>,
}

impl LogFile {
    /// At this path; it is made, for its owner alone, when the first message comes.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: Arc::new(path.into()), turn: Arc::default() }
    }

    /// Appends a message: each line of it as a line of the file, `[go] - 2006/01/02 15:04:05 text`. Blocks.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn append(&self, message: &str) -> std::io::Result<()> {
        let now = Local::now().format("%Y/%m/%d %H:%M:%S");
        let lines = message.lines().filter(|line| !line.is_empty());
        let text: String = lines.map(|line| format!("[go] - {now} {line}\n")).collect();
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        options.open(&*self.path)?.write_all(text.as_bytes())
    }
}

/// What the service answers: 200 when the message is in the file, 400 to an empty one, 405 to other methods.
pub fn router(file: LogFile) -> Router {
    Router::new().route("/log", post(write)).layer(DefaultBodyLimit::max(MAX_MESSAGE_BYTES)).with_state(file)
}

async fn write(State(file): State<LogFile>, message: Bytes) -> StatusCode {
    if message.is_empty() {
        return StatusCode::BAD_REQUEST;
    }
    let written = tokio::task::spawn_blocking(move || file.append(&String::from_utf8_lossy(&message))).await;
    match written {
        Ok(Ok(())) => StatusCode::OK,
        Ok(Err(error)) => {
            tracing::error!(%error, "the log file can't be written");
            StatusCode::INTERNAL_SERVER_ERROR
        }
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_articles_and_never_interleave_and_the_file_is_its_owners() {
        let path = std::env::temp_dir().join(format!("sd-article-001-{}.log", std::process::id()));
        let file = LogFile::new(&path);
        file.append("[GradingService] - one\n").unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let file = &file;
                scope.spawn(move || {
                    (0..50).for_each(|n| file.append(&format!("[w{writer}] - {n} {}", "x".repeat(500))).unwrap());
                });
            }
        });
        let text = std::fs::read_to_string(&path).unwrap();
        #[cfg(unix)]
        assert_eq!(
            std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions()) & 0o777,
            0o600
        );
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text.lines().count(), 401);
        for line in text.lines() {
            let (time, rest) = line.strip_prefix("[go] - ").unwrap().split_at("2006/01/02 15:04:05 ".len());
            assert!(chrono::NaiveDateTime::parse_from_str(time, "%Y/%m/%d %H:%M:%S ").is_ok(), "{line}");
            assert!(rest == "[GradingService] - one" || rest.ends_with(&"x".repeat(500)), "{line}");
        }
    }
}
