//! Which compose there is.

use std::process::Command;

use anyhow::{Result, bail};

use crate::process;

const KNOWN: [&[&str]; 2] = [&["docker", "compose"], &["docker-compose"]];

/// `docker compose`, or the `docker-compose` that came before it.
pub(super) fn find() -> Result<Vec<String>> {
    let works = |words: &&&[&str]| process::works(Command::new(words[0]).args(&words[1..]).arg("version"));
    match KNOWN.iter().find(works) {
        Some(words) => Ok(words.iter().map(|word| (*word).to_owned()).collect()),
        None => bail!("there is neither `docker compose` nor `docker-compose`"),
    }
}
