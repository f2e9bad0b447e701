//! What is held, due, given up and taken back.

use super::*;

fn owner(text: &str) -> Owner {
    Owner::from_text(text)
}

fn write(holdings: &Holdings, id: &str, owner: &Owner) {
    let weights = crate::definition::Weights { passing: 1, warning: 1 };
    let check = crate::definition::Check {
        id: id.to_owned(),
        probe: crate::definition::Probe::Ttl(Duration::from_secs(10)),
        initial: crate::definition::Status::Passing,
        deregister_after: Duration::from_secs(60),
    };
    let definition = Definition {
        id: id.to_owned(),
        service: "s".to_owned(),
        tags: Vec::new(),
        meta: std::collections::BTreeMap::new(),
        address: "h".to_owned(),
        port: 1,
        weights,
        check,
    };
    holdings.written(id, owner, Instant::now(), &definition, 0);
    assert!(holdings.was_written(id, owner, &definition, 0) && !holdings.was_written(id, owner, &definition, 1));
}

fn held(holdings: &Holdings) -> Vec<String> {
    holdings.held().iter().map(|held| format!("{} {}", held.id, held.owner.as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_not_confirmed_for_a_ttl_is_given_up() {
    let (holdings, ttl) = (Holdings::default(), Duration::from_secs(10));
    assert!(!holdings.intend("a", &owner("1")));
    assert_eq!(held(&holdings), Vec::<String>::new());
    write(&holdings, "a", &owner("1"));
    assert_eq!(held(&holdings), ["a 1"]);
    tokio::time::advance(ttl / 2).await;
    let confirmed = holdings.held().remove(0);
    holdings.confirm(&confirmed, Instant::now());
    tokio::time::advance(ttl / 2).await;
    holdings.expire(ttl, || Error::unavailable("x"));
    assert_eq!(held(&holdings), ["a 1"]);
    tokio::time::advance(ttl / 2).await;
    holdings.expire(ttl, || Error::unavailable("x"));
    assert!(matches!(*holdings.standing("a", &owner("1")).unwrap().borrow(), Standing::Gone(_)));
    assert!(holdings.intend("a", &owner("1")));
    write(&holdings, "a", &owner("1"));
    assert_eq!(held(&holdings), ["a 1"]);
}

#[tokio::test(start_paused = true)]
async fn the_oldest_are_due_first_and_what_was_not_answered_stays_due() {
    let (holdings, second) = (Holdings::default(), Duration::from_secs(1));
    for id in ["a", "b", "c"] {
        holdings.intend(id, &owner("1"));
        write(&holdings, id, &owner("1"));
        tokio::time::advance(second).await;
    }
    let ids = |due: &[Held]| due.iter().map(|held| held.id.to_string()).collect::<Vec<_>>();
    let (due, next) = holdings.due(2 * second, 9);
    assert_eq!((ids(&due), next), (vec!["a".into(), "b".into()], Some(Instant::now() + second)));
    assert_eq!(ids(&holdings.due(2 * second, 1).0), ["a"]);
    holdings.trouble(&due[0], Error::unavailable("x"), false);
    assert_eq!(ids(&holdings.due(2 * second, 1).0), ["a"]);
    holdings.trouble(&due[0], Error::unavailable("x"), true);
    assert_eq!(ids(&holdings.due(2 * second, 9).0), ["b"]);
    holdings.doubt_all(2 * second);
    assert_eq!(ids(&holdings.due(2 * second, 9).0), ["b", "c", "a"]);
}

#[tokio::test]
async fn a_verdict_on_what_was_written_again_does_not_count() {
    let holdings = Holdings::default();
    holdings.intend("a", &owner("1"));
    write(&holdings, "a", &owner("1"));
    let before = holdings.held().remove(0);
    write(&holdings, "a", &owner("1"));
    holdings.judge(&before, Standing::Superseded);
    assert_eq!(held(&holdings), ["a 1"]);
    holdings.judge(&holdings.held()[0], Standing::Superseded);
    assert_eq!(held(&holdings), Vec::<String>::new());
    assert!(!holdings.leave("a", &owner("1")) && !holdings.leave("a", &owner("1")));
}

#[tokio::test]
async fn what_may_still_land_is_looked_for_twice() {
    let holdings = Holdings::default();
    holdings.intend("a", &owner("1"));
    assert!(holdings.leave("a", &owner("1")));
    holdings.left("a", &owner("1"));
    assert_eq!(holdings.leaving().len(), 1);
    holdings.left("a", &owner("1"));
    assert_eq!(holdings.leaving().len(), 0);
    holdings.intend("b", &owner("1"));
    write(&holdings, "b", &owner("1"));
    assert!(holdings.leave("b", &owner("1")));
    holdings.left("b", &owner("1"));
    assert!(holdings.leaving().is_empty());
}
