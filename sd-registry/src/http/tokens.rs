//! Tokens and their rights: a file that is read again when it changes.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use sd_core::{BoxError, Error, ServiceName};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq;

/// Shorter ones could be guessed.
const MIN_TOKEN_BYTES: usize = 16;

/// SHA-256 of a token: nothing that is kept in memory can be shown as one.
pub(crate) type TokenDigest = [u8; 32];

/// What a token may do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rights {
    /// For the log.
    pub(crate) name: String,
    read: Vec<Pattern>,
    write: Vec<Pattern>,
    /// See [`Rights::outlook`].
    outlook: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Pattern {
    All,
    Prefix(String),
    Exactly(String),
}

impl Pattern {
    fn parse(text: &str) -> Result<Self, Error> {
        let (name, is_prefix) = text.strip_suffix('*').map_or((text, false), |prefix| (prefix, true));
        if name.is_empty() && is_prefix {
            return Ok(Self::All);
        }
        let _: ServiceName = name.parse().map_err(|error: Error| {
            Error::config(format!("right {text:?}: write a service's name, a prefix and *, or * for all"))
                .with_source(error)
        })?;
        Ok(if is_prefix { Self::Prefix(name.to_owned()) } else { Self::Exactly(name.to_owned()) })
    }

    fn matches(&self, service: &str) -> bool {
        match self {
            Self::All => true,
            Self::Prefix(prefix) => service.starts_with(prefix.as_str()),
            Self::Exactly(name) => service == name,
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
            Self::Exactly(name) => f.write_str(name),
        }
    }
}

impl Rights {
    pub(crate) fn may_read(&self, service: &ServiceName) -> bool {
        self.read.iter().any(|pattern| pattern.matches(service.as_str()))
    }

    pub(crate) fn may_write(&self, service: &ServiceName) -> bool {
        self.write.iter().any(|pattern| pattern.matches(service.as_str()))
    }

    /// What it may read, as the file says it.
    pub(crate) fn reads(&self) -> Vec<String> {
        self.read.iter().map(ToString::to_string).collect()
    }

    /// What it may write, as the file says it.
    pub(crate) fn writes(&self) -> Vec<String> {
        self.write.iter().map(ToString::to_string).collect()
    }

    /// Stands for what it may read: zero for everything. Two that may read different things have different ones, so
    /// that a watch of many services is not resumed with other eyes.
    pub(crate) fn outlook(&self) -> u64 {
        self.outlook
    }

    /// Whether it may read everything, so that nothing need be looked at one by one.
    pub(crate) fn may_read_all(&self) -> bool {
        self.read.contains(&Pattern::All)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokensFile {
    tokens: Vec<TokenLine>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenLine {
    name: String,
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    sha256: Option<String>,
    #[serde(default)]
    read: Vec<String>,
    #[serde(default)]
    write: Vec<String>,
}

#[derive(Default)]
struct Table(Vec<(TokenDigest, Arc<Rights>)>);

/// What tells whether the file is another than the one that was read.
#[derive(Debug, Clone, PartialEq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Self { modified: metadata.modified().ok(), bytes: metadata.len(), inode }
    }
}

/// The tokens that are known now.
pub(crate) struct Tokens {
    file: PathBuf,
    table: RwLock<Arc<Table>>,
    stamp: RwLock<Option<Stamp>>,
}

impl Tokens {
    /// Reads the file. Blocks.
    ///
    /// # Errors
    /// `Config`: it can't be read, or what stands in it is wrong.
    pub(crate) fn read(file: &Path) -> Result<Self, Error> {
        let (table, stamp) = load(file)?;
        warn_if_open_to_others(file);
        Ok(Self { file: file.to_owned(), table: RwLock::new(Arc::new(table)), stamp: RwLock::new(Some(stamp)) })
    }

    /// Reads it again if it has changed; a file that is wrong changes nothing. Blocks.
    pub(crate) fn refresh(&self) {
        let stamp = std::fs::metadata(&self.file).map(|metadata| Stamp::of(&metadata)).ok();
        if stamp == *self.stamp.read().unwrap_or_else(PoisonError::into_inner) {
            return;
        }
        // Also when it is wrong: it is read, and complained of, once per change.
        let mut read = stamp;
        match load(&self.file) {
            Ok((table, stamp)) => {
                tracing::info!(tokens = table.0.len(), "the tokens were read again");
                read = Some(stamp);
                *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                tracing::error!(%error, cause, "the tokens can't be read again: those known stay");
            }
        }
        *self.stamp.write().unwrap_or_else(PoisonError::into_inner) = read;
    }

    /// The rights of a token. Takes as long whichever it is, and whether it is known.
    pub(crate) fn rights(&self, token: &TokenDigest) -> Option<Arc<Rights>> {
        let table = Arc::clone(&self.table.read().unwrap_or_else(PoisonError::into_inner));
        let mut found = None;
        for (known, rights) in &table.0 {
            if bool::from(known.ct_eq(token)) {
                found = Some(rights);
            }
        }
        found.cloned()
    }
}

fn outlook(read: &[Pattern], texts: &[String]) -> u64 {
    if read.contains(&Pattern::All) {
        return 0;
    }
    let mut texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    texts.sort_unstable();
    let [a, b, c, d, e, f, g, h, ..] = digest(&texts.join("\n"));
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) | 1
}

/// What is kept and compared of a token.
pub(crate) fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

fn load(file: &Path) -> Result<(Table, Stamp), Error> {
    let place = file.display();
    let failed = |error: BoxError| Error::config(format!("{place}: the tokens can't be read")).with_source(error);
    let metadata = std::fs::metadata(file).map_err(|error| failed(error.into()))?;
    let text = std::fs::read_to_string(file).map_err(|error| failed(error.into()))?;
    // serde_json's errors name the place, and a wrong field's name, but no value that could be a token.
    let parsed: TokensFile = serde_json::from_str(&text).map_err(|error| failed(describe(&error).into()))?;
    let mut table = Table::default();
    for line in parsed.tokens {
        let name = line.name.clone();
        let wrong = |why: String| Error::config(format!("{place}: token {name:?}: {why}"));
        let digest = match (&line.token, &line.sha256) {
            (Some(token), None) => {
                if token.len() < MIN_TOKEN_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(wrong(format!("allowed are {MIN_TOKEN_BYTES} printable ASCII letters or more")));
                }
                digest(token)
            }
            (None, Some(hex)) => from_hex(hex).ok_or_else(|| wrong("sha256 is not 64 hex digits".to_owned()))?,
            _ => return Err(wrong("write either token or sha256".to_owned())),
        };
        if table.0.iter().any(|(known, _)| *known == digest) {
            return Err(wrong("the same token stands there twice".to_owned()));
        }
        let patterns = |texts: &[String]| texts.iter().map(|text| Pattern::parse(text)).collect::<Result<Vec<_>, _>>();
        let read = patterns(&line.read).map_err(|error| wrong(error.to_string()))?;
        let write = patterns(&line.write).map_err(|error| wrong(error.to_string()))?;
        let outlook = outlook(&read, &line.read);
        table.0.push((digest, Arc::new(Rights { name: line.name, read, write, outlook })));
    }
    Ok((table, Stamp::of(&metadata)))
}

/// What is wrong, without the value: "invalid type: string "…"" would show it.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("unknown field") || text.starts_with("missing field") || !error.is_data() {
        return text;
    }
    format!("a value of the wrong type at line {} column {}", error.line(), error.column())
}

fn from_hex(text: &str) -> Option<TokenDigest> {
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * index..2 * index + 2)?, 16).ok()?;
    }
    Some(bytes)
}

fn warn_if_open_to_others(file: &Path) {
    #[cfg(unix)]
    if let Ok(metadata) = std::fs::metadata(file) {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
        if mode & 0o077 != 0 {
            let mode = format!("{:o}", mode & 0o777);
            tracing::warn!(file = %file.display(), mode, "others on this host can read the tokens; make it 600");
        }
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known = self.table.read().unwrap_or_else(PoisonError::into_inner).0.len();
        f.debug_struct("Tokens").field("file", &self.file).field("known", &known).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
