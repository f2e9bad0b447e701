//! A YAML document as a tree whose every node knows its line, so that an error can say where.
//!
//! Built from the parser's events rather than through serde: that keeps the lines, shows a key that stands twice, and
//! bounds depth before anything is built. JSON is read the same way, being YAML in one line or many.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

/// What can be nested into each other at all: services, instances, an instance, its metadata, and one to spare.
const DEPTH: usize = 8;

/// What is wrong with a document, and where.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    line: Option<usize>,
    why: String,
}

impl Fault {
    pub(super) fn at(line: usize, why: impl Into<String>) -> Self {
        Self { line: Some(line), why: why.into() }
    }

    pub(super) fn of_the_whole(why: impl Into<String>) -> Self {
        Self { line: None, why: why.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.why),
            None => f.write_str(&self.why),
        }
    }
}

/// A part of a document. What an alias stands for is shared, not copied, so a file can't grow by naming itself.
#[derive(Debug, PartialEq)]
pub(super) struct Node {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) content: Content,
}

#[derive(Debug, PartialEq)]
pub(super) enum Content {
    /// Nothing was written, or `null`.
    Nothing,
    /// As it was written: a number or a word keeps its form, so that a version `1.10` does not become `1.1`.
    Text(String),
    List(Vec<Arc<Node>>),
    /// In the order written.
    Map(Vec<Pair>),
}

#[derive(Debug, PartialEq)]
pub(super) struct Pair {
    pub(super) key: String,
    /// Where the key stands.
    pub(super) line: usize,
    pub(super) value: Arc<Node>,
}

/// Reads the one document in `text`.
pub(super) fn read(text: &str) -> Result<Arc<Node>, Fault> {
    let mut builder = Builder::default();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| Fault::at(error.marker().line(), error.info()))?;
        builder.take(event, span)?;
    }
    builder.root.ok_or_else(|| Fault::of_the_whole("it is empty; write {} if there are no services"))
}

/// Puts nodes together; what is begun and not ended is on its stack.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Arc<Node>>,
    root: Option<Arc<Node>>,
}

struct Open {
    line: usize,
    anchor: usize,
    content: Partial,
}

enum Partial {
    List(Vec<Arc<Node>>),
    /// The pairs, and a key that has no value yet.
    Map(Vec<Pair>, HashMap<String, usize>, Option<(String, usize)>),
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Span) -> Result<(), Fault> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                check_tag(line, tag.as_deref())?;
                let is_plain = style == ScalarStyle::Plain;
                let content = match &*text {
                    "" | "~" | "null" | "Null" | "NULL" if is_plain => Content::Nothing,
                    _ => Content::Text(text.into_owned()),
                };
                self.add(anchor, Node { line, content })
            }
            Event::SequenceStart(anchor, tag) => {
                check_tag(line, tag.as_deref())?;
                self.open(Open { line, anchor, content: Partial::List(Vec::new()) })
            }
            Event::MappingStart(anchor, tag) => {
                check_tag(line, tag.as_deref())?;
                self.open(Open { line, anchor, content: Partial::Map(Vec::new(), HashMap::new(), None) })
            }
            Event::SequenceEnd | Event::MappingEnd => match self.open.pop() {
                Some(Open { line, anchor, content }) => {
                    let content = match content {
                        Partial::List(list) => Content::List(list),
                        Partial::Map(pairs, ..) => Content::Map(pairs),
                    };
                    self.add(anchor, Node { line, content })
                }
                None => Err(Fault::at(line, "something ends that was not begun")),
            },
            Event::Alias(anchor) => match self.anchors.get(&anchor) {
                Some(node) => self.place(Arc::clone(node), line),
                None => Err(Fault::at(line, "an alias stands inside what it names")),
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                Err(Fault::at(line, "a second document begins; one is allowed"))
            }
            _ => Ok(()),
        }
    }

    fn open(&mut self, open: Open) -> Result<(), Fault> {
        if self.open.len() >= DEPTH {
            return Err(Fault::at(open.line, format!("more than {DEPTH} levels are nested into each other")));
        }
        self.open.push(open);
        Ok(())
    }

    fn add(&mut self, anchor: usize, node: Node) -> Result<(), Fault> {
        let (line, node) = (node.line, Arc::new(node));
        // The parser counts anchors from 1.
        if anchor != 0 {
            self.anchors.insert(anchor, Arc::clone(&node));
        }
        self.place(node, line)
    }

    /// Puts a node, which is written at `line`, where the document has come to.
    fn place(&mut self, node: Arc<Node>, line: usize) -> Result<(), Fault> {
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Partial::List(list)) => list.push(node),
            Some(Partial::Map(pairs, lines, waiting)) => match waiting.take() {
                Some((key, line)) => pairs.push(Pair { key, line, value: node }),
                None => {
                    let Content::Text(key) = &node.content else {
                        return Err(Fault::at(line, "a key that is not a text"));
                    };
                    if let Some(before) = lines.insert(key.clone(), line) {
                        return Err(Fault::at(line, format!("{key:?} stands there twice, first in line {before}")));
                    }
                    *waiting = Some((key.clone(), line));
                }
            },
        }
        Ok(())
    }
}

/// The tags of YAML itself (`!!str`) say nothing that we do not know; others (`!include`) ask for what we don't do.
fn check_tag(line: usize, tag: Option<&Tag>) -> Result<(), Fault> {
    match tag {
        Some(tag) if !tag.is_yaml_core_schema() => Err(Fault::at(line, format!("the tag {tag} is not understood"))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fault(text: &str) -> String {
        read(text).unwrap_err().to_string()
    }

    #[test]
    fn yaml_and_json_make_the_same_tree() {
        let flat = |node: &Node| format!("{:?}", node.content).replace(|c: char| c.is_ascii_digit(), "");
        let yaml = read("book:\n- h:x\n- address: h:y\n  zone:\n").unwrap();
        let json = read("{\"book\":\n\t[\"h:x\",\n\t{\"address\": \"h:y\",\n\"zone\": null}]}").unwrap();
        assert_eq!(flat(&yaml), flat(&json));
    }

    #[test]
    fn a_number_keeps_the_form_that_it_was_written_in() {
        let document = read("version: 1.10").unwrap();
        let Content::Map(pairs) = &document.content else { panic!("{document:?}") };
        assert_eq!(pairs[0].value.content, Content::Text("1.10".to_owned()));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_line() {
        for (text, wanted) in [
            ("", "it is empty"),
            ("# nothing\n", "it is empty"),
            ("a: 1\na: 2\n", "line 2: \"a\" stands there twice, first in line 1"),
            ("a: 1\n---\nb: 2\n", "line 2: a second document"),
            ("a:\n\t- b\n", "line 2: tabs"),
            ("a: [1\n", "line 2: "),
            ("a: !include b\n", "line 1: the tag !include"),
            ("a: &x [*x]\n", "line 1: an alias stands inside"),
            ("a: *x\n", "line 1: "),
            ("[a]: b\n", "line 1: a key that is not a text"),
            ("a:\n  [[[[[[[[[[[]]]]]]]]]]]\n", "line 2: more than 8 levels"),
        ] {
            assert!(fault(text).contains(wanted), "{text:?}: {}", fault(text));
        }
    }

    #[test]
    fn a_million_brackets_are_an_error_and_no_overflow() {
        assert!(read(&"[".repeat(1_000_000)).is_err());
        assert!(read(&"- ".repeat(100_000)).is_err());
    }

    #[test]
    fn an_alias_is_what_it_names() {
        let document = read("a: &x [1, 2]\nb: *x\n").unwrap();
        let Content::Map(pairs) = &document.content else { panic!("{document:?}") };
        assert!(Arc::ptr_eq(&pairs[0].value, &pairs[1].value));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[ a-c:\\-\\[\\]{},\"'&*!#|>%@\\n\\t~]{0,80}") {
            let _ = read(&text);
        }
    }
}
