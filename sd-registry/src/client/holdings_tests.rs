//! What a connection holds, whatever the order of answers.

use super::*;
use sd_core::{Address, Instance};
use std::time::Duration;

fn record(id: &str, owner: &str) -> Record {
    let instance = Instance::new("127.0.0.1:1".parse::<Address>().unwrap()).with_id(id);
    Record::new("book".parse().unwrap(), Arc::new(instance), Owner::from_text(owner))
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

fn held(holdings: &Holdings, record: &Record, revision: u64) {
    holdings.intend(record);
    holdings.written(record, revision, soon());
}

fn standing(holdings: &Holdings, record: &Record) -> Standing {
    holdings.standing(record).unwrap().borrow().clone()
}

#[test]
fn the_newest_writer_of_this_connection_wins_whatever_the_order_of_answers() {
    let (holdings, a, b) = (Holdings::default(), record("i", "a"), record("i", "b"));
    holdings.intend(&a);
    holdings.intend(&b);
    holdings.written(&b, 7, soon());
    holdings.written(&a, 5, soon());
    assert!(matches!(standing(&holdings, &a), Standing::Superseded));
    assert!(matches!(standing(&holdings, &b), Standing::Held));
    assert!(!holdings.leave(&a) && holdings.leave(&b));
    assert!(holdings.standing(&a).is_none());
}

#[test]
fn a_verdict_on_what_was_written_again_does_not_count() {
    let (holdings, a) = (Holdings::default(), record("i", "a"));
    held(&holdings, &a, 5);
    let before = holdings.to_renew().remove(0);
    holdings.intend(&a);
    assert!(holdings.to_renew().is_empty(), "what is being written is not renewed");
    holdings.judge(&before, Standing::Superseded);
    holdings.written(&a, 6, soon());
    holdings.judge(&before, Standing::Superseded);
    assert!(matches!(standing(&holdings, &a), Standing::Held));
    holdings.judge(&holdings.to_renew()[0], Standing::Superseded);
    assert!(matches!(standing(&holdings, &a), Standing::Superseded));
}

#[test]
fn what_is_taken_back_is_not_renewed_and_forgotten_when_it_is_gone() {
    let (holdings, a) = (Holdings::default(), record("i", "a"));
    assert!(!holdings.leave(&a), "it was never written");
    held(&holdings, &a, 5);
    assert!(holdings.leave(&a));
    assert!(holdings.to_renew().is_empty());
    let leaving = holdings.to_remove().remove(0);
    holdings.left(&leaving.service, &leaving.id, &leaving.owner);
    assert!(holdings.is_empty() && holdings.to_remove().is_empty());
}

#[test]
fn what_is_written_again_while_it_leaves_stays() {
    let (holdings, a) = (Holdings::default(), record("i", "a"));
    held(&holdings, &a, 5);
    holdings.leave(&a);
    let leaving = holdings.to_remove().remove(0);
    holdings.intend(&a);
    holdings.left(&leaving.service, &leaving.id, &leaving.owner);
    assert!(!holdings.is_empty() && holdings.to_remove().is_empty());
}

#[test]
fn removals_that_fail_do_not_pile_up() {
    let holdings = Holdings::default();
    for n in 0..MOST_LEAVING + 5 {
        let record = record(&n.to_string(), "a");
        held(&holdings, &record, 1);
        assert!(holdings.leave(&record));
    }
    assert_eq!(holdings.to_remove().len(), MOST_LEAVING);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_renewed_for_its_ttl_is_given_up() {
    let (holdings, a, b) = (Holdings::default(), record("i", "a"), record("j", "b"));
    held(&holdings, &a, 5);
    held(&holdings, &b, 6);
    tokio::time::advance(Duration::from_secs(9)).await;
    let second = holdings.to_renew().into_iter().find(|held| &*held.id == "j").unwrap();
    holdings.renewed(&second, soon());
    tokio::time::advance(Duration::from_secs(1)).await;
    holdings.lapse(&Error::unavailable("x"));
    assert!(matches!(standing(&holdings, &a), Standing::Gone(_)));
    assert!(matches!(standing(&holdings, &b), Standing::Held));
    assert_eq!(holdings.to_renew().len(), 1);
}

#[test]
fn a_watch_raises_doubt_about_what_is_newer_and_anothers_alone() {
    let (holdings, a) = (Holdings::default(), record("i", "a"));
    held(&holdings, &a, 5);
    let (service, other) = (a.service.clone(), Owner::from_text("b"));
    for (id, owner, revision) in [("i", Some(&a.owner), 9), ("i", Some(&other), 4), ("j", None, 9), ("i", None, 5)] {
        holdings.seen(&service, id, owner, revision);
        assert!(holdings.to_verify().is_empty(), "{id} {owner:?} {revision}");
    }
    for owner in [Some(&other), None] {
        holdings.seen(&service, "i", owner, 6);
        assert_eq!(holdings.to_verify().len(), 1);
        assert!(holdings.to_verify().is_empty(), "it was looked at");
    }
}
