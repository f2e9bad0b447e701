//! The test binary as a centre: started once more, as a process that can be killed.

use std::path::PathBuf;
use std::process::Command;

use super::options::CentreOptions;

const VARIABLE: &str = "SD_TESTKIT_CENTRE";

/// The test that the further process runs. In an ordinary run it does nothing.
///
/// Takes an async function that starts a centre as the [`CentreOptions`](crate::registry::CentreOptions) say, and
/// returns what stops it when it is dropped.
#[macro_export]
macro_rules! centre_process {
    ($start:expr) => {
        #[test]
        fn sd_testkit_centre_process() {
            $crate::registry::serve_if_asked($start);
        }
    };
}

/// Whether this process is the further one.
#[must_use]
pub fn is_asked() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// What the further process does; returns at once in an ordinary run.
///
/// # Panics
/// When the centre can't be started: whoever started the process finds that it has ended, and says so.
pub fn serve_if_asked<C>(start: impl AsyncFnOnce(CentreOptions) -> C) {
    let Ok(asked) = std::env::var(VARIABLE) else { return };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let _centre = start(CentreOptions::read(&asked)).await;
        // Its parent's end closes its input, and must end it too.
        let _ = tokio::task::spawn_blocking(|| std::io::stdin().lines().for_each(drop)).await;
    });
}

/// A program that serves as a centre.
#[derive(Debug, Clone)]
pub(super) enum Program {
    /// The test binary itself.
    ThisTest,
    /// One that understands `serve`.
    Binary(PathBuf),
}

impl Program {
    pub(super) fn command(&self, options: &CentreOptions) -> Command {
        match self {
            Self::ThisTest => {
                let mut command = Command::new(std::env::current_exe().expect("a test knows its binary"));
                // It may stand in a module, so its whole name is not known.
                command.args(["sd_testkit_centre_process", "--nocapture", "--test-threads=1"]);
                let words = options.arguments();
                let words: Vec<_> = words.iter().map(|word| word.to_str().expect("tests write UTF-8")).collect();
                command.env(VARIABLE, words.join("\n"));
                command
            }
            Self::Binary(path) => {
                let mut command = Command::new(path);
                command.arg("serve").args(options.arguments());
                command
            }
        }
    }
}
