//! The command line: which task, with which options.

use anyhow::{Result, bail};

use crate::schemathesis;

pub(crate) const HELP: &str = "\
Usage: cargo xtask <TASK> [OPTIONS]

Tasks:
  test [--only FILTER] [--compose]
                            every test of the workspace, against real servers, none skipped;
                            with --only: the tests whose name contains FILTER, and nothing else;
                            with --compose: the suites of the registries, against compose.yaml's containers
  ci                        all that .ci/run asks for: format, lints, docs, licences, then `test`
  bench [FILTER] [--json]   the measurements of sd-bench, in release mode; arguments are passed on
  servers                   find or fetch the servers and what builds need, print how tests and builds are told:
                            eval \"$(cargo xtask servers)\"
  etcd                      as `servers`, with etcd alone
  images                    the images of compose.yaml: the book's, built from this tree, and stand-ins for the
                            official ones that can't be pulled; prints what compose is to be told:
                            eval \"$(cargo xtask images)\"
  compose                   what compose.yaml promises, with Docker: the book on each registry, the cluster
  schemathesis [SECONDS]    the registry centre's HTTP API under schemathesis (from PyPI, by python3) for 30 s, or so long
  help                      this text

Environment:
  SD_ETCD, SD_CONSUL  the binary to use, instead of a search (PATH, target/tools, the distribution's
                      packages, Docker)
  SD_ZOOKEEPER        a folder with ZooKeeper's jars, likewise
  SD_JAVA             the `java` that runs it, likewise
  SD_ETCD_IMAGE, SD_CONSUL_IMAGE, SD_ZOOKEEPER_IMAGE
                      the images of compose.yaml, and to take servers from where Docker is the only source
  SD_BOOK_IMAGE       what the image of the book programs is called
  PROTOC              the protoc to build with, instead of the one that comes with xtask
  OPENSSL_DIR         the OpenSSL to build with, instead of pkg-config's or the distribution's package

Set for the tests:
  SD_TEST_ETCD, SD_TEST_CONSUL
                    path of the binary
  SD_TEST_ZOOKEEPER the folder of jars
  SD_TEST_JAVA      path of `java`, where it is not the one on PATH
  SD_TEST_REQUIRE   1: a test whose server is missing fails; without it, it prints SKIPPED and passes
  SD_TEST_SKIP_LOG  a file; a test that skips appends its SKIPPED line, as passing tests are not shown";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Help,
    Test(TestOptions),
    Ci,
    Bench(Vec<String>),
    Servers,
    Etcd,
    Images,
    Compose,
    /// For so many seconds.
    Schemathesis(u32),
}

/// Which tests are to run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct TestOptions {
    /// Only tests whose name contains this.
    pub(crate) only: Option<String>,
    /// The suites alone, against the containers of compose.yaml.
    pub(crate) compose: bool,
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
        "test" | "ci" | "servers" | "etcd" | "images" | "compose" | "schemathesis" if asks_for_help => Ok(Task::Help),
        "test" => Ok(Task::Test(parse_test(&rest)?)),
        "ci" => without_arguments(&task, &rest, Task::Ci),
        "servers" => without_arguments(&task, &rest, Task::Servers),
        "compose" => without_arguments(&task, &rest, Task::Compose),
        "images" => without_arguments(&task, &rest, Task::Images),
        "etcd" => without_arguments(&task, &rest, Task::Etcd),
        "schemathesis" => Ok(Task::Schemathesis(parse_seconds(&rest)?)),
        "bench" => Ok(Task::Bench(rest)),
        unknown => {
            bail!(
                "unknown task `{unknown}`; there are test, ci, bench, servers, etcd, images, compose, schemathesis and help"
            )
        }
    }
}

fn without_arguments(name: &str, rest: &[String], task: Task) -> Result<Task> {
    match rest.first() {
        None => Ok(task),
        Some(surplus) => bail!("`{name}` takes no arguments, but got `{surplus}`"),
    }
}

fn parse_seconds(arguments: &[String]) -> Result<u32> {
    match arguments {
        [] => Ok(schemathesis::USUAL),
        [one] => match one.parse() {
            Ok(seconds @ 1..=86_400) => Ok(seconds),
            _ => bail!("`schemathesis` takes a number of seconds, 1 to 86400, not `{one}`"),
        },
        [_, surplus, ..] => bail!("`schemathesis` takes a number of seconds alone, but got `{surplus}`"),
    }
}

fn parse_test(arguments: &[String]) -> Result<TestOptions> {
    let mut options = TestOptions::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--compose" {
            options.compose = true;
            continue;
        }
        let filter = match argument.split_once('=') {
            Some(("--only", filter)) => filter,
            _ if argument == "--only" => match arguments.next() {
                Some(filter) => filter,
                None => bail!("`--only` needs a FILTER: part of a test's name"),
            },
            _ => bail!("`test` does not know `{argument}`; it takes `--only FILTER` and `--compose`"),
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
        assert_eq!(parsed("servers").unwrap(), Task::Servers);
        assert_eq!(parsed("compose").unwrap(), Task::Compose);
        assert_eq!(parsed("images").unwrap(), Task::Images);
        assert_eq!(parsed("etcd").unwrap(), Task::Etcd);
        assert_eq!(parsed("test").unwrap(), Task::Test(TestOptions::default()));
        for line in ["help", "--help", "-h", "test --help", "ci -h"] {
            assert_eq!(parsed(line).unwrap(), Task::Help, "{line}");
        }
    }

    #[test]
    fn a_filter_is_taken_in_both_spellings() {
        let expected = Task::Test(TestOptions { only: Some("watch".to_owned()), compose: false });
        assert_eq!(parsed("test --only watch").unwrap(), expected);
        assert_eq!(parsed("test --only=watch").unwrap(), expected);
    }

    #[test]
    fn the_suites_can_be_run_against_containers() {
        assert_eq!(parsed("test --compose").unwrap(), Task::Test(TestOptions { only: None, compose: true }));
        let expected = Task::Test(TestOptions { only: Some("watch".to_owned()), compose: true });
        assert_eq!(parsed("test --compose --only watch").unwrap(), expected);
    }

    #[test]
    fn bench_arguments_are_passed_on() {
        let expected = Task::Bench(vec!["pick".to_owned(), "--json".to_owned()]);
        assert_eq!(parsed("bench pick --json").unwrap(), expected);
    }

    #[test]
    fn seconds_are_a_number() {
        assert_eq!(parsed("schemathesis").unwrap(), Task::Schemathesis(30));
        assert_eq!(parsed("schemathesis 600").unwrap(), Task::Schemathesis(600));
        assert!(refusal("schemathesis soon").contains("1 to 86400, not `soon`"));
        assert!(refusal("schemathesis 0").contains("1 to 86400"));
        assert!(refusal("schemathesis 5 6").contains("got `6`"));
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
