//! Did you mean…? The known name that is nearest to a mistaken one.

/// The name among `known` that `given` is likely to mean: at most a third of its letters differ.
pub(crate) fn nearest<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = given.to_lowercase();
    let allowed = (wanted.chars().count() / 3).max(1);
    let distances = known.map(|name| (strsim::damerau_levenshtein(&wanted, &name.to_lowercase()), name));
    distances.filter(|(distance, _)| *distance <= allowed).min().map(|(_, name)| name)
}

/// `; did you mean "book"?`, or nothing.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl Iterator<Item = &'a str>) -> String {
    nearest(given, known).map(|name| format!("; did you mean {name:?}?")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let known = || ["book", "library", "book-store"].into_iter();
        for (given, meant) in [
            ("boook", Some("book")),
            ("boko", Some("book")),
            ("Book", Some("book")),
            ("libary", Some("library")),
            ("bookstore", Some("book-store")),
            ("order", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(given, known()), meant, "{given}");
        }
        assert_eq!(did_you_mean("boook", known()), "; did you mean \"book\"?");
        assert_eq!(did_you_mean("order", known()), "");
    }
}
