//! JSON's one escape that YAML does not have: a character above U+FFFF as two halves.

use std::borrow::Cow;

/// Writes every `\ud83d\ude00` of a JSON text as the character that it stands for. Lines stay as they are.
///
/// A half alone stays too, and is refused by who reads the text.
pub(super) fn joined(text: &str) -> Cow<'_, str> {
    let mut joined = String::new();
    let mut copied = 0;
    let mut at = 0;
    // A backslash stands only in strings, and the byte behind it is always taken with it, so `\\ud83d` is left alone.
    while let Some(found) = text[at..].find('\\') {
        let start = at + found;
        at = match whole_character(&text[start..]) {
            Some((character, length)) => {
                joined.push_str(&text[copied..start]);
                joined.push(character);
                copied = start + length;
                copied
            }
            None => text[start + 1..].chars().next().map_or(text.len(), |escaped| start + 1 + escaped.len_utf8()),
        };
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    joined.push_str(&text[copied..]);
    Cow::Owned(joined)
}

/// The character that two halves at the beginning make, and how many bytes they take.
fn whole_character(text: &str) -> Option<(char, usize)> {
    let halves = [escaped(text, 0)?, escaped(text, 6)?];
    let character = char::decode_utf16(halves).next()?.ok()?;
    (character.len_utf16() == 2).then_some((character, 12))
}

fn escaped(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_halves_become_one_character_and_all_else_stays() {
        for (text, wanted) in [
            (r#""\ud83d\ude00""#, r#""😀""#),
            (r#""a\ud83d\ude00\uD83D\uDE01b""#, r#""a😀😁b""#),
            (r#""\\ud83d\ude00""#, r#""\\ud83d\ude00""#),
            (r#""\\\ud83d\ude00""#, r#""\\😀""#),
            (r#""\u00e9\n\/""#, r#""\u00e9\n\/""#),
            (r#""\ud83d""#, r#""\ud83d""#),
            (r#""\ud83dx\ude00""#, r#""\ud83dx\ude00""#),
            (r#""\ud83d\u00e9""#, r#""\ud83d\u00e9""#),
            (r#""\u+123\ude00""#, r#""\u+123\ude00""#),
            (r"é\", r"é\"),
            (r"\é", r"\é"),
        ] {
            assert_eq!(joined(text), wanted, "{text}");
        }
    }
}
