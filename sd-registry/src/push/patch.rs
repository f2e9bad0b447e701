//! What is pushed: who came and who went, in the bytes that article 001's centre sends.

use serde::{Deserialize, Serialize};

/// One provider of a service.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Provider {
    #[serde(rename = "Name")]
    pub(crate) name: String,
    #[serde(rename = "URL")]
    pub(crate) url: String,
}

/// Providers that came, and providers that went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Patch {
    pub(crate) added: Vec<Provider>,
    pub(crate) removed: Vec<Provider>,
    /// The present set that a registration begins with.
    pub(crate) is_first: bool,
}

#[derive(Serialize)]
struct Wire<'a> {
    #[serde(rename = "Added")]
    added: Option<&'a [Provider]>,
    #[serde(rename = "Removed")]
    removed: Option<&'a [Provider]>,
}

impl Patch {
    /// As Go's encoder writes it: the first one holds `null` in place of an empty list, the later ones `[]`.
    pub(crate) fn to_json(&self) -> String {
        let list = |entries| if self.is_first { not_empty(entries) } else { Some(entries) };
        let wire = Wire { added: list(&self.added), removed: list(&self.removed) };
        // Two lists of texts have no way to fail.
        let text = serde_json::to_string(&wire).unwrap_or_default();
        escape(&text)
    }
}

fn not_empty(entries: &[Provider]) -> Option<&[Provider]> {
    (!entries.is_empty()).then_some(entries)
}

/// Go's encoder writes these so that JSON can stand inside HTML; they occur in nothing but texts.
fn escape(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\u{2028}' => out.push_str("\\u2028"),
            '\u{2029}' => out.push_str("\\u2029"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(url: &str) -> Provider {
        Provider { name: "LogService".to_owned(), url: url.to_owned() }
    }

    #[test]
    fn patches_are_the_bytes_that_go_writes() {
        let first = Patch { is_first: true, ..Patch::default() };
        assert_eq!(first.to_json(), r#"{"Added":null,"Removed":null}"#);
        let first = Patch { added: vec![log("http://localhost:4000")], ..first };
        let expected = r#"{"Added":[{"Name":"LogService","URL":"http://localhost:4000"}],"Removed":null}"#;
        assert_eq!(first.to_json(), expected);
        let later = Patch { removed: vec![log("http://h:1/?a=1&b=2")], ..Patch::default() };
        let expected = r#"{"Added":[],"Removed":[{"Name":"LogService","URL":"http://h:1/?a=1\u0026b=2"}]}"#;
        assert_eq!(later.to_json(), expected);
    }
}
