//! The protoc that etcd's client is built with.

use std::ffi::OsString;

use anyhow::{Context, Result};

/// Names it to build scripts.
pub(crate) const VARIABLE: &str = "PROTOC";

/// The caller's own, else the one that comes with xtask.
pub(crate) fn find() -> Result<OsString> {
    if let Some(chosen) = std::env::var_os(VARIABLE) {
        return Ok(chosen);
    }
    let bundled = protoc_bin_vendored::protoc_bin_path()
        .context("no protoc comes with xtask for this platform: install protoc, and set PROTOC to its path")?;
    Ok(bundled.into_os_string())
}
