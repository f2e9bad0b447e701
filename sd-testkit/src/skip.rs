//! Skipping a test whose server is missing, so that it can't be overlooked.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

/// Where a server's binary is, as the environment variable `variable` names it; `None` after having said that `test` is
/// skipped.
///
/// A skip prints a line that begins with `SKIPPED`, and appends it to the file that `SD_TEST_SKIP_LOG` names, since a
/// runner shows nothing of what passing tests print.
///
/// # Panics
/// With `SD_TEST_REQUIRE=1` where it would skip.
#[must_use]
pub fn server(variable: &str, test: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(variable).filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let line = format!("SKIPPED {test}: {variable} is not set; `cargo xtask test` brings along what it names");
    assert!(std::env::var_os("SD_TEST_REQUIRE").is_none_or(|value| value != "1"), "{line}");
    println!("{line}");
    if let Some(log) = std::env::var_os("SD_TEST_SKIP_LOG") {
        let mut file = OpenOptions::new().create(true).append(true).open(log).expect("the skip log can be opened");
        writeln!(file, "{line}").expect("the skip log can be written");
    }
    None
}
