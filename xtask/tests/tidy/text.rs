//! The form of text files.

use crate::assert_none;
use crate::tree::{FILES, File};

const CHECKED: [&str; 3] = ["rs", "md", "toml"];

fn complaints_about(file: &File) -> Vec<String> {
    let lines = file.text.lines().enumerate().filter_map(|(index, line)| {
        let fault = if line.contains('\t') {
            "a tab"
        } else if line.ends_with(char::is_whitespace) {
            "whitespace at the line's end"
        } else {
            return None;
        };
        Some(format!("{}:{}: {fault}", file.name, index + 1))
    });
    lines.collect()
}

#[test]
fn files_have_neither_tabs_nor_trailing_whitespace() {
    let checked = FILES.iter().filter(|file| CHECKED.contains(&file.extension()));
    assert_none("whitespace", &checked.flat_map(complaints_about).collect::<Vec<_>>());
}

#[test]
fn planted_whitespace_is_complained_about() {
    let file = File { name: "a.md".to_owned(), text: "fine\nnot \n\tnor\n".to_owned() };
    assert_eq!(complaints_about(&file), ["a.md:2: whitespace at the line's end", "a.md:3: a tab"]);
}
