//! The command line: which task, with which options.

use anyhow::{Result, bail};

pub(crate) const HELP: &str = "\
Usage: cargo xtask <TASK> [OPTIONS]

Tasks:
  test [--only FILTER]      every test of the workspace, against real servers, none skipped;
                            with --only: the tests whose name contains FILTER, and nothing else
  ci                        all that .ci/run asks for: format, lints, docs, licences, then `test`
  bench [FILTER] [--json]   the measurements of sd-bench, in release mode; arguments are passed on
  etcd                      find or fetch etcd, print how the tests are told about it:
                            eval \"$(cargo xtask etcd)\"
  help                      this text

Environment:
  SD_ETCD         the etcd binary to use, instead of a search (PATH, target/tools, the distribution's
                  packages, Docker)
  SD_ETCD_IMAGE   the image to take etcd from where Docker is the only source
  PROTOC          the protoc to build with, instead of the one that comes with xtask

Set for the tests:
  SD_TEST_ETCD      path of the etcd binary
  SD_TEST_REQUIRE   1: a test whose server is missing fails; without it, it prints SKIPPED and passes
  SD_TEST_SKIP_LOG  a file; a test that skips appends its SKIPPED line, as passing tests are not shown";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Test(TestOptions),
    Ci,
    Bench(Vec<String>),
    Etcd,
}

/// Which tests are to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TestOptions {
    /// Only tests whose name contains this.
    pub(crate) only: Option<String>,
}

/// Reads the arguments after the program's name.
pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Task> {
    let mut arguments = arguments.into_iter();
    let Some(task) = arguments.next() else {
        bail!("no task given");
    };
    let rest: Vec<String> = arguments.collect();
    let asks_for_help = rest.iter().any(|argument| argument == "--help" || argument == "-h");
    match task.as_str() {
        "help" | "--help" | "-h" => Ok(Task::Help),
        "test" | "ci" | "etcd" if asks_for_help => Ok(Task::Help),
        "test" => Ok(Task::Test(parse_test(&rest)?)),
        "ci" => without_arguments(&task, &rest, Task::Ci),
        "etcd" => without_arguments(&task, &rest, Task::Etcd),
        "bench" => Ok(Task::Bench(rest)),
        unknown => bail!("unknown task `{unknown}`; there are test, ci, bench, etcd and help"),
    }
}

fn without_arguments(name: &str, rest: &[String], task: Task) -> Result<Task> {
    match rest.first() {
        None => Ok(task),
        Some(surplus) => bail!("`{name}` takes no arguments, but got `{surplus}`"),
    }
}

fn parse_test(arguments: &[String]) -> Result<TestOptions> {
    let mut options = TestOptions::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let filter = match argument.split_once('=') {
            Some(("--only", filter)) => filter,
            _ if argument == "--only" => match arguments.next() {
                Some(filter) => filter,
                None => bail!("`--only` needs a FILTER: part of a test's name"),
            },
            _ => bail!("`test` does not know `{argument}`; it takes `--only FILTER`"),
        };
        if filter.is_empty() || filter.starts_with('-') {
            bail!("`--only` needs a FILTER: part of a test's name, not `{filter}`");
        }
        if options.only.replace(filter.to_owned()).is_some() {
            bail!("`--only` was given twice");
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Task> {
        parse(line.split_whitespace().map(str::to_owned))
    }

    fn refusal(line: &str) -> String {
        parsed(line).expect_err(line).to_string()
    }

    #[test]
    fn tasks_are_told_apart() {
        assert_eq!(parsed("ci").unwrap(), Task::Ci);
        assert_eq!(parsed("etcd").unwrap(), Task::Etcd);
        assert_eq!(parsed("test").unwrap(), Task::Test(TestOptions::default()));
        for line in ["help", "--help", "-h", "test --help", "ci -h"] {
            assert_eq!(parsed(line).unwrap(), Task::Help, "{line}");
        }
    }

    #[test]
    fn a_filter_is_taken_in_both_spellings() {
        let expected = Task::Test(TestOptions { only: Some("watch".to_owned()) });
        assert_eq!(parsed("test --only watch").unwrap(), expected);
        assert_eq!(parsed("test --only=watch").unwrap(), expected);
    }

    #[test]
    fn bench_arguments_are_passed_on() {
        let expected = Task::Bench(vec!["pick".to_owned(), "--json".to_owned()]);
        assert_eq!(parsed("bench pick --json").unwrap(), expected);
    }

    #[test]
    fn bad_usage_says_what_would_be_right() {
        assert!(refusal("").contains("no task"));
        assert!(refusal("tset").contains("`tset`; there are test"));
        assert!(refusal("ci now").contains("takes no arguments"));
        assert!(refusal("test watch").contains("--only FILTER"));
        assert!(refusal("test --only").contains("needs a FILTER"));
        assert!(refusal("test --only --json").contains("not `--json`"));
        assert!(refusal("test --only a --only b").contains("twice"));
    }
}
