//! The command line: `sd-bench [FILTER...] [--json] [--explain] [--list] [--quick] [--check]`.

use anyhow::bail;

/// What `--help` prints.
pub const HELP: &str = "\
usage: sd-bench [FILTER...] [--json] [--explain] [--list] [--quick] [--check]

  FILTER     measure only the cases whose `name/n` contains one of these (default: all)
  --json     one JSON document instead of tab-separated rows
  --explain  say what is inside and outside each case's timed region, and measure nothing
  --list     name the cases, and measure nothing
  --quick    see that everything runs; the numbers are not worth quoting
  --check    exit with 1 if a limit is exceeded
";

/// What was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Args {
    /// Parts of names; none means all.
    pub filters: Vec<String>,
    /// JSON instead of rows.
    pub json: bool,
    /// Explain only.
    pub explain: bool,
    /// List only.
    pub list: bool,
    /// Measure little.
    pub quick: bool,
    /// Fail if a limit is exceeded.
    pub check: bool,
    /// Help only.
    pub help: bool,
}

impl Args {
    /// Reads the arguments after the program's name.
    pub fn parse(args: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let mut parsed = Self::default();
        for arg in args {
            match arg.as_str() {
                "--json" => parsed.json = true,
                "--explain" => parsed.explain = true,
                "--list" => parsed.list = true,
                "--quick" => parsed.quick = true,
                "--check" => parsed.check = true,
                "--help" | "-h" => parsed.help = true,
                flag if flag.starts_with('-') => bail!("unknown option {flag}\n\n{HELP}"),
                _ => parsed.filters.push(arg),
            }
        }
        Ok(parsed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> anyhow::Result<Args> {
        Args::parse(args.iter().map(|arg| (*arg).to_owned()))
    }

    #[test]
    fn filters_and_options_stand_in_any_order() {
        let args = parse(&["pick", "--json", "choose/round_robin"]).unwrap();
        assert_eq!(args.filters, ["pick", "choose/round_robin"]);
        assert!(args.json && !args.quick);
    }

    #[test]
    fn an_unknown_option_is_an_error_that_names_the_known_ones() {
        let error = parse(&["--jsn"]).unwrap_err().to_string();
        assert!(error.contains("--jsn") && error.contains("--json"));
    }
}
