//! The machine's own apt source, with another suite's name: no mirror is named here, and a machine behind
//! a mirror or proxy of its own is served by that.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The distribution this machine runs, from os-release.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Distribution {
    pub(crate) id: String,
    pub(crate) suite: String,
}

impl Distribution {
    pub(crate) fn of_this_machine() -> Result<Self> {
        let path = Path::new("/etc/os-release");
        let text = fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
        Self::parse(&text).with_context(|| format!("{} names no ID and VERSION_CODENAME", path.display()))
    }

    fn parse(os_release: &str) -> Option<Self> {
        let value = |key: &str| {
            let mut lines = os_release.lines().filter_map(|line| line.split_once('='));
            lines.find(|(name, _)| *name == key).map(|(_, value)| value.trim_matches('"').to_owned())
        };
        Some(Self { id: value("ID")?, suite: value("VERSION_CODENAME")? })
    }
}

/// Source entries in apt's two notations; each belongs in a file of its own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// For a `.list` file.
    pub(crate) lines: String,
    /// For a `.sources` file.
    pub(crate) stanzas: String,
}

impl Sources {
    /// The machine's entries for `suite`, asking for `wanted` instead.
    pub(crate) fn of_this_machine(suite: &str, wanted: &str) -> Result<Self> {
        let mut sources = Self::default();
        sources.read_if_there(Path::new("/etc/apt/sources.list"), suite, wanted)?;
        let parts = Path::new("/etc/apt/sources.list.d");
        if parts.is_dir() {
            for entry in fs::read_dir(parts).with_context(|| format!("could not read {}", parts.display()))? {
                let entry = entry.with_context(|| format!("could not read {}", parts.display()))?;
                sources.read_if_there(&entry.path(), suite, wanted)?;
            }
        }
        if sources == Self::default() {
            bail!("no apt source of this machine offers `{suite}`");
        }
        Ok(sources)
    }

    fn read_if_there(&mut self, path: &Path, suite: &str, wanted: &str) -> Result<()> {
        let notation = path.extension().and_then(|extension| extension.to_str());
        if !path.is_file() || !matches!(notation, Some("list" | "sources")) {
            return Ok(());
        }
        let text = fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
        if notation == Some("list") {
            text.lines().filter_map(|line| line_for(line, suite, wanted)).for_each(|line| self.lines += &line);
        } else {
            stanzas_of(&text)
                .filter_map(|stanza| stanza_for(&stanza, suite, wanted))
                .for_each(|stanza| self.stanzas += &stanza);
        }
        Ok(())
    }
}

/// `deb [options] uri suite component…`
fn line_for(line: &str, suite: &str, wanted: &str) -> Option<String> {
    let rest = line.trim().strip_prefix("deb")?;
    let rest = rest.starts_with([' ', '\t', '[']).then(|| rest.trim_start())?;
    let (options, rest) = match rest.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(options, rest)| (format!("[{options}] "), rest))?,
        None => (String::new(), rest),
    };
    let mut words = rest.split_whitespace();
    let uri = words.next()?;
    let offered = words.next()?;
    let components: Vec<_> = words.collect();
    let fits = offered == suite && !components.is_empty();
    fits.then(|| format!("deb {options}{uri} {wanted} {}\n", components.join(" ")))
}

/// Blocks of lines, without comments (which may stand amid a stanza).
fn stanzas_of(text: &str) -> impl Iterator<Item = String> {
    let without_comments: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).map(str::trim_end).collect();
    let stanzas: Vec<String> = without_comments.split(|line| line.is_empty()).map(|lines| lines.join("\n")).collect();
    stanzas.into_iter().filter(|stanza| !stanza.is_empty())
}

fn stanza_for(stanza: &str, suite: &str, wanted: &str) -> Option<String> {
    let field = |name: &str| {
        let mut fields = stanza.lines().filter_map(|line| line.split_once(':'));
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let disabled = field("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no"));
    let has =
        |name: &str, word: &str| field(name).is_some_and(|value| value.split_whitespace().any(|found| found == word));
    if disabled || !has("Types", "deb") || !has("Suites", suite) {
        return None;
    }
    let lines = stanza.lines().map(|line| match line.split_once(':') {
        Some((key, _)) if key.eq_ignore_ascii_case("Suites") => format!("Suites: {wanted}\n"),
        Some((key, _)) if key.eq_ignore_ascii_case("Types") => "Types: deb\n".to_owned(),
        _ => format!("{line}\n"),
    });
    Some(lines.chain(["\n".to_owned()]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanzas_for(text: &str) -> String {
        stanzas_of(text).filter_map(|stanza| stanza_for(&stanza, "bookworm", "trixie")).collect()
    }

    #[test]
    fn the_distribution_is_read_from_os_release() {
        let text =
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_CODENAME=bookworm\nID=\"debian\"\nID_LIKE=x\n";
        let expected = Distribution { id: "debian".to_owned(), suite: "bookworm".to_owned() };
        assert_eq!(Distribution::parse(text), Some(expected));
        assert_eq!(Distribution::parse("ID=arch\n"), None);
    }

    #[test]
    fn a_line_keeps_all_but_its_suite() {
        let line = |line| line_for(line, "bookworm", "trixie");
        assert_eq!(line("deb http://mirror/debian bookworm main").unwrap(), "deb http://mirror/debian trixie main\n");
        assert_eq!(
            line(" deb [arch=amd64 signed-by=/k.gpg]  http://mirror/debian  bookworm main contrib").unwrap(),
            "deb [arch=amd64 signed-by=/k.gpg] http://mirror/debian trixie main contrib\n"
        );
        for other in [
            "# deb http://mirror/debian bookworm main",
            "deb-src http://mirror/debian bookworm main",
            "deb http://mirror/debian bookworm-updates main",
            "deb http://mirror/debian bookworm/",
            "deb http://mirror",
            "",
        ] {
            assert_eq!(line(other), None, "{other}");
        }
    }

    #[test]
    fn a_stanza_keeps_all_but_its_suites() {
        let text = "Types: deb deb-src\n# once: another\nURIs: http://mirror/debian\nSuites: bookworm bookworm-updates\nComponents: main\nSigned-By:\n -----BEGIN\n .\n key: x\n";
        let expected = "Types: deb\nURIs: http://mirror/debian\nSuites: trixie\nComponents: main\nSigned-By:\n -----BEGIN\n .\n key: x\n\n";
        assert_eq!(stanzas_for(text), expected);
    }

    #[test]
    fn stanzas_of_other_suites_sources_or_disabled_ones_are_left_out() {
        let text = "Types: deb\nURIs: http://m\nSuites: bookworm-security\n\nTypes: deb-src\nURIs: http://m\nSuites: bookworm\n\n\nEnabled: no\nTypes: deb\nURIs: http://m\nSuites: bookworm\n";
        assert_eq!(stanzas_for(text), "");
    }
}
