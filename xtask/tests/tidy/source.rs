//! Rules for Rust source: documented modules, nothing unfinished, no ignored test, `unsafe` explained.

use crate::assert_none;
use crate::tree::{FILES, File};

/// Written in halves, as this file is looked through too.
const UNFINISHED: [&str; 2] = [concat!("todo", "!("), concat!("unimplemented", "!(")];
const IGNORED: &str = concat!("#[", "ignore");
const UNSAFE: &str = concat!("un", "safe");
const LINES_TO_SAFETY: usize = 3;

fn undocumented(file: &File) -> Vec<String> {
    let first = file.text.lines().find(|line| !line.trim().is_empty());
    let documented = first.is_some_and(|line| line.starts_with("//!"));
    if documented {
        Vec::new()
    } else {
        vec![format!("{}: does not begin with `//!`, which says what it is for", file.name)]
    }
}

fn unfinished(file: &File) -> Vec<String> {
    offences(file, |line| UNFINISHED.iter().any(|mark| line.contains(mark)), "unfinished")
}

fn ignored(file: &File) -> Vec<String> {
    offences(file, |line| line.contains(IGNORED), "a test that never runs proves nothing")
}

fn offences(file: &File, is_offence: impl Fn(&str) -> bool, fault: &str) -> Vec<String> {
    let lines = file.text.lines().enumerate().filter(|(_, line)| is_offence(code_of(line)));
    lines.map(|(index, _)| format!("{}:{}: {fault}", file.name, index + 1)).collect()
}

fn unexplained_unsafe(file: &File) -> Vec<String> {
    let lines: Vec<_> = file.text.lines().collect();
    let unexplained = (0..lines.len()).filter(|&index| {
        let nearby = &lines[index.saturating_sub(LINES_TO_SAFETY)..=index];
        uses_unsafe(code_of(lines[index])) && !nearby.iter().any(|line| line.contains("SAFETY:"))
    });
    unexplained
        .map(|index| {
            format!(
                "{}:{}: `{UNSAFE}` without `// SAFETY:` in the {LINES_TO_SAFETY} lines before",
                file.name,
                index + 1
            )
        })
        .collect()
}

/// The keyword, not a lint's name (`unsafe_code`), a word in a comment or in a string. A declared function is
/// left to its callers to prove, and clippy asks for its `# Safety`.
fn uses_unsafe(code: &str) -> bool {
    let outside_strings: String = code.split('"').step_by(2).collect::<Vec<_>>().join(" ");
    let outside_strings = outside_strings.replace(concat!("un", "safe fn "), "");
    outside_strings.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|word| word == UNSAFE)
}

/// The line up to a comment; a `//` within a string is no comment.
fn code_of(line: &str) -> &str {
    let comment = line.match_indices("//").find(|(at, _)| line[..*at].matches('"').count().is_multiple_of(2));
    comment.map_or(line, |(at, _)| &line[..at])
}

fn sources() -> impl Iterator<Item = &'static File> {
    FILES.iter().filter(|file| file.is_source())
}

#[test]
fn every_source_file_says_what_it_is_for() {
    assert_none("module documentation", &sources().flat_map(undocumented).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_unfinished() {
    assert_none("unfinished code", &sources().flat_map(unfinished).collect::<Vec<_>>());
}

#[test]
fn no_test_is_ignored() {
    let rust = FILES.iter().filter(|file| file.extension() == "rs");
    assert_none("ignored tests", &rust.flat_map(ignored).collect::<Vec<_>>());
}

#[test]
fn every_unsafe_is_explained() {
    assert_none("soundness", &sources().flat_map(unexplained_unsafe).collect::<Vec<_>>());
}

#[test]
fn planted_offenders_are_complained_about() {
    let file = |text: String| File { name: "a/src/a.rs".to_owned(), text };
    assert_eq!(undocumented(&file("\n// no doc\n".to_owned())).len(), 1);
    assert_eq!(undocumented(&file("\n//! A doc.\n".to_owned())).len(), 0);
    let marks = format!("fn f() {{ {}) }}\n// {})\n{}]\n", UNFINISHED[0], UNFINISHED[0], IGNORED);
    assert_eq!(unfinished(&file(marks.clone())), ["a/src/a.rs:1: unfinished"]);
    assert_eq!(ignored(&file(marks)).len(), 1);
    let lines = [
        format!("let a = {UNSAFE} {{ f() }};"),
        "// SAFETY: f has no preconditions.".to_owned(),
        format!("let a = {UNSAFE} {{ f() }};"),
        format!("#![deny({UNSAFE}_code)] // no {UNSAFE}"),
        format!("let a = \"{UNSAFE}\";"),
        format!("{UNSAFE} fn alloc() {{}}"),
    ];
    assert_eq!(unexplained_unsafe(&file(lines.join("\n"))).len(), 1);
}
