//! The token that is shown to Consul, from a setting or from a file that may be exchanged.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::HeaderValue;
use sd_core::{Error, Secret, read_secret_file};
use tokio::time::Instant;

/// How old what was read of a file may be before it is read again: a token is then taken up before the old one ends.
const FRESH: Duration = Duration::from_secs(30);

/// Where the token comes from.
#[derive(Debug)]
pub(crate) enum Token {
    None,
    Given(HeaderValue),
    File { path: PathBuf, read: Mutex<Option<Read>> },
}

/// What a file held.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    token: HeaderValue,
    at: Instant,
    /// Grows with every other token.
    generation: u64,
}

impl Token {
    /// # Errors
    /// `Config` for a token that no HTTP header can carry: with a line end, a blank or letters beyond ASCII.
    pub(crate) fn given(token: &Secret) -> Result<Self, Error> {
        Ok(Self::Given(header(token.expose(), "the token")?))
    }

    pub(crate) fn in_file(path: PathBuf) -> Self {
        Self::File { path, read: Mutex::new(None) }
    }

    /// The header to send now.
    ///
    /// # Errors
    /// `Config`, retryable: the file can't be read, or holds no token.
    pub(crate) async fn current(&self) -> Result<Option<HeaderValue>, Error> {
        match self {
            Self::None => Ok(None),
            Self::Given(token) => Ok(Some(token.clone())),
            Self::File { path, read } => {
                let known = read.lock().unwrap_or_else(PoisonError::into_inner).clone();
                match known {
                    Some(Read { token, at, .. }) if at.elapsed() < FRESH => Ok(Some(token)),
                    _ => self.read_again(path).await.map(Some),
                }
            }
        }
    }

    /// After `refused` was refused: another token, if the file holds one by now.
    pub(crate) async fn instead_of(&self, refused: &HeaderValue) -> Option<HeaderValue> {
        let Self::File { path, .. } = self else { return None };
        self.read_again(path).await.ok().filter(|token| token != refused)
    }

    /// How many tokens there were before the present one. An agent keeps the token that a service was registered with,
    /// and speaks for it with that one: what was registered with an earlier one must be registered anew.
    pub(crate) fn generation(&self) -> u64 {
        let Self::File { read, .. } = self else { return 0 };
        read.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map_or(0, |read| read.generation)
    }

    async fn read_again(&self, path: &Path) -> Result<HeaderValue, Error> {
        let text = read_secret_file(path).await?;
        // It could be read when the connection was made, so it is probably being exchanged.
        let token = header(text.expose(), &path.display().to_string()).map_err(|error| error.with_retryable(true))?;
        if let Self::File { read, .. } = self {
            let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
            let generation = match &*read {
                Some(known) => known.generation + u64::from(known.token != token),
                None => 0,
            };
            *read = Some(Read { token: token.clone(), at: Instant::now(), generation });
        }
        Ok(token)
    }
}

fn header(token: &str, whose: &str) -> Result<HeaderValue, Error> {
    let fits = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
    let value = HeaderValue::from_str(token).ok().filter(|_| fits);
    let Some(mut value) = value else {
        // The token itself is a secret: what is wrong with it must be said without showing it.
        let message =
            format!("{whose}: allowed are visible ASCII characters, at least one, without blanks and line ends");
        return Err(Error::config(message));
    };
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consulrs_panics_at_a_token_with_a_newline_ours_is_an_error_without_the_token() {
        for token in ["hunter2\n", "hunter2\r\nX-Evil: 1", "hun ter2", "hunter2ж", ""] {
            let error = Token::given(&Secret::new(token)).unwrap_err();
            assert!(error.to_string().contains("visible ASCII"), "{error}");
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
        let token = Token::given(&Secret::new("hunter2")).unwrap();
        assert!(!format!("{token:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn a_file_is_read_again_when_what_it_held_is_refused() {
        let file = std::env::temp_dir().join(format!("sd-consul-token-{}", std::process::id()));
        std::fs::write(&file, "one\r\n").unwrap();
        let token = Token::in_file(file.clone());
        let one = token.current().await.unwrap().unwrap();
        assert_eq!(one, "one");
        assert_eq!(token.instead_of(&one).await, None);
        std::fs::write(&file, "two").unwrap();
        assert_eq!(token.current().await.unwrap().unwrap(), "one");
        assert_eq!(token.instead_of(&one).await.unwrap(), "two");
        assert_eq!(token.current().await.unwrap().unwrap(), "two");
        assert_eq!(token.generation(), 1);
        std::fs::write(&file, "\n").unwrap();
        assert_eq!(token.instead_of(&one).await, None);
        std::fs::remove_file(&file).unwrap();
        let error = Token::in_file(file).current().await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("can't be read"), "{error}");
    }
}
