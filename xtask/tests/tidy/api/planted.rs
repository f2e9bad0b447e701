//! Offenders that the scan of public signatures must see, and look-alikes that it must not.

use super::*;

fn lines_complained_about(source: &str) -> Vec<usize> {
    let parsed = syn::parse_file(source).unwrap();
    let complaints =
        Module::complaints("f", &parsed.items, &|root| is_foreign(root, &BTreeSet::from(["tracing".to_owned()])));
    let line =
        |complaint: &String| complaint.split(':').nth(1).unwrap().parse().unwrap_or_else(|_| panic!("{complaint}"));
    let lines: BTreeSet<usize> = complaints.iter().map(line).collect();
    lines.into_iter().collect()
}

#[test]
fn every_place_of_a_public_signature_is_looked_at() {
    let source = "\
pub fn takes(_: tokio::time::Instant) {}
pub fn gives() -> Result<(), url::ParseError> {}
pub fn bound<R>(_: R) where R: rand::Rng {}
pub struct Open { pub cell: Vec<imbl::Vector<u8>> }
pub struct Tuple(pub arc_swap::Guard<u8>);
pub enum Choice { One(serde_json::Value) }
pub trait Shown: rand::RngCore { }
pub trait Method { fn method(&self) -> impl Future<Output = tokio::sync::OwnedPermit>; }
pub trait Default { type Of: tokio::io::AsyncRead; }
pub type Alias = hashbrown::HashMap<u8, u8>;
pub static CELL: tokio::sync::OnceCell<u8> = new();
impl From<url::ParseError> for Open {}
impl Open { pub fn inherent(&self) -> &tokio::sync::watch::Receiver<u8> {} }
impl Iterator for Open { type Item = tokio::task::JoinHandle<()>; }
impl<T: rand::Rng> Method for Vec<T> {}
pub use tokio::sync::watch;
pub use tokio::time::*;
pub mod inner { pub fn f(_: tracing::Span) {} }
pin_project! { pub struct Waiting { pub sleep: tokio::time::Sleep } }
";
    // The glob is complained about twice: as an export, and because it hides names; the latter has no line.
    let source = source.replace("pub use tokio::time::*;\n", "\n");
    let expected: Vec<usize> = (1..=19).filter(|line| *line != 17).collect();
    assert_eq!(lines_complained_about(&source), expected);
}

#[test]
fn names_are_followed_through_imports_and_aliases() {
    let source = "\
use tokio::{self as runtime, sync::{self, watch as seen}};
use sync::mpsc::{Receiver, Sender as Out};
type Cell = arc_swap::ArcSwap<u8>;
pub fn a(_: seen::Receiver<u8>) {}
pub fn b(_: Receiver<u8>) {}
pub fn c(_: Out<u8>) {}
pub fn d(_: Cell) {}
pub fn e(_: runtime::time::Instant) {}
pub fn f(_: Box<dyn Fn(sync::Notify)>) {}
";
    assert_eq!(lines_complained_about(source), [4, 5, 6, 7, 8, 9]);
}

#[test]
fn what_users_do_not_see_or_may_see_is_left_alone() {
    let source = "\
use std::time::Instant;
use tokio::sync::watch;
mod url;
pub use url::Parsed;
pub struct Closed { cell: watch::Receiver<u8>, pub(crate) map: imbl::Vector<u8> }
pub fn body(_: Instant) { let _ = tokio::time::sleep(); }
pub(crate) fn ours(_: tokio::time::Instant) {}
struct Hidden;
impl Hidden { pub fn f(_: tokio::time::Instant) {} }
impl rand::RngCore for Hidden {}
impl Closed { fn f(_: tokio::time::Instant) {} }
pub trait Service: tower_service::Service<u8> + futures_core::Stream {}
#[cfg(test)]
mod tests { use tokio::sync::*; pub fn f(_: tokio::time::Instant) {} }
#[cfg(test)]
pub fn for_tests(_: tokio::time::Instant) {}
#[tracing::instrument]
pub fn attributes() {}
";
    assert_eq!(lines_complained_about(source), [0; 0]);
}

#[test]
fn an_import_that_hides_names_is_complained_about() {
    let parsed = syn::parse_file("use tokio::sync::*;").unwrap();
    let complaints = Module::complaints("f", &parsed.items, &|root| root == "tokio");
    assert!(complaints[0].contains("hides from this check"), "{complaints:?}");
}
