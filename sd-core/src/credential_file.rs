//! Certificates, keys, passwords and tokens that are given as files.

use std::path::Path;

use crate::error::{Error, ErrorKind};
use crate::secret::Secret;

/// What a file of credentials holds now, read off the runtime's threads: it may stand on a network mount.
///
/// # Errors
/// `Config`, naming the file, and worth trying again: when the connection was made it could be read, so it is probably
/// being exchanged.
pub async fn read_credential_file(file: &Path) -> Result<Vec<u8>, Error> {
    let path = file.to_owned();
    match tokio::task::spawn_blocking(move || std::fs::read(path)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(cause)) => Err(unreadable(file).with_source(cause)),
        Err(cause) => Err(unreadable(file).with_source(cause)),
    }
}

/// The password or token in a file, its last line end left out; as [`read_credential_file`].
///
/// # Errors
/// As there, also when it is no text.
pub async fn read_secret_file(file: &Path) -> Result<Secret, Error> {
    // The cause would show what the file holds.
    let text = String::from_utf8(read_credential_file(file).await?).map_err(|_| unreadable(file))?;
    Ok(Secret::new(text.strip_suffix('\n').map_or(&*text, |text| text.strip_suffix('\r').unwrap_or(text))))
}

fn unreadable(file: &Path) -> Error {
    Error::new(ErrorKind::Config, format!("{}: it can't be read", file.display())).with_retryable(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_read_as_it_is_now_and_named_when_it_can_not_be() {
        let file = std::env::temp_dir().join(format!("sd-core-credential-{}", std::process::id()));
        for (text, secret) in [("one\r\n", "one"), ("two", "two"), ("three\n\n", "three\n")] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read_credential_file(&file).await.unwrap(), text.as_bytes());
            assert_eq!(read_secret_file(&file).await.unwrap().expose(), secret);
        }
        std::fs::write(&file, b"hunter2\xff").unwrap();
        let error = read_secret_file(&file).await.unwrap_err();
        assert!(error.is_retryable() && !format!("{error:?}").contains("hunter2"), "{error:?}");
        std::fs::remove_file(&file).unwrap();
        let error = read_credential_file(&file).await.unwrap_err();
        assert!(error.is_retryable() && error.to_string().contains("sd-core-credential"), "{error}");
        assert!(std::error::Error::source(&error).is_some());
    }
}
