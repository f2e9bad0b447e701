//! What is printed, and how: a table for people, JSON or YAML for programs.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write as _};

use clap::ValueEnum;
use saphyr::{Mapping, Scalar, Yaml, YamlEmitter};
use serde_json::Value;

use crate::table::Table;

/// How it is printed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For programs and people
    Yaml,
}

impl Format {
    /// Prints `value` to stdout, as a table where that is wanted.
    ///
    /// # Errors
    /// When stdout takes nothing.
    pub(crate) fn print(self, value: &Value, table: impl FnOnce() -> Table) -> io::Result<()> {
        let text = match self {
            Self::Table => table().render(colours(), None),
            Self::Json => format!("{value:#}\n"),
            Self::Yaml => yaml(value)?,
        };
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }
}

/// Whether stdout takes colours: a terminal that can, of somebody who wants them (<https://no-color.org>).
pub(crate) fn colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    io::stdout().is_terminal() && !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}

fn yaml(value: &Value) -> io::Result<String> {
    let mut text = String::new();
    YamlEmitter::new(&mut text).dump(&to_yaml(value)).map_err(|error| io::Error::other(format!("YAML: {error:?}")))?;
    // One document needs no mark of where it begins.
    Ok(text.strip_prefix("---\n").unwrap_or(&text).to_owned() + "\n")
}

fn to_yaml(value: &Value) -> Yaml<'_> {
    let text = |text| Yaml::Value(Scalar::String(Cow::Borrowed(text)));
    match value {
        Value::Null => Yaml::Value(Scalar::Null),
        Value::Bool(value) => Yaml::Value(Scalar::Boolean(*value)),
        Value::Number(number) => Yaml::Value(match number.as_i64() {
            Some(whole) => Scalar::Integer(whole),
            None => Scalar::FloatingPoint(number.as_f64().unwrap_or_default().into()),
        }),
        Value::String(value) => text(value),
        Value::Array(values) => Yaml::Sequence(values.iter().map(to_yaml).collect()),
        Value::Object(entries) => {
            Yaml::Mapping(entries.iter().map(|(key, value)| (text(key), to_yaml(value))).collect::<Mapping<'_>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use saphyr::LoadableYamlNode as _;
    use serde_json::json;

    #[test]
    fn yaml_says_what_json_says_also_of_words_that_look_like_numbers() {
        let value = json!([{
            "id": "10.0.0.7:8080", "weight": 2, "zone": null, "share": 0.5, "up": true,
            "metadata": {"a": "1", "b": "true", "c": "null", "d": "- x", "e": "", "f": "a: b", "g": "#", "h": "é\n\u{7}"},
            "tags": [], "ports": {}
        }]);
        let text = yaml(&value).unwrap();
        let read = Yaml::load_from_str(&text).unwrap();
        assert_eq!(read, [to_yaml(&value)], "{text}");
        assert!(text.contains("weight: 2\n") && text.ends_with('\n'), "{text}");
    }
}
