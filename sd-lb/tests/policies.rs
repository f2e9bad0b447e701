//! Round robin and random: evenness, before and after the set changes.
#![allow(clippy::unwrap_used, reason = "tests; clippy sees tests only inside test functions")]

mod common;

use std::collections::HashMap;
use std::sync::Arc;

use common::{following, instance, noops, publisher, put, remove, until};
use proptest::prelude::*;
use sd_core::{Balancer, Endpointer, InstanceKey, Members, PickContext, PickRequest, Picker};
use sd_lb::{Random, RoundRobin};
use std::cell::Cell;

fn members(count: u16) -> Members {
    (1..=count).map(instance).collect()
}

fn tally(picker: &dyn Picker, count: usize, picks: usize, start: (u64, u64)) -> Vec<usize> {
    let (turn, random) = (Cell::new(start.0), Cell::new(start.1));
    let mut hits = vec![0; count];
    for _ in 0..picks {
        hits[picker.pick(&PickContext::new(PickRequest::new(), &turn, &random)).unwrap()] += 1;
    }
    hits
}

fn keys(members: &Members, which: impl IntoIterator<Item = usize>) -> Vec<InstanceKey> {
    which.into_iter().map(|index| members.get(index).unwrap().key()).collect()
}

proptest! {
    #[test]
    fn round_robin_gives_each_its_turns(count in 1u16..700, rounds in 1usize..5, start in 0..u64::from(u32::MAX / 2)) {
        for balancer in [RoundRobin::new(), RoundRobin::strict()] {
            let picker = balancer.picker(&members(count), None);
            let hits = tally(&*picker, usize::from(count), usize::from(count) * rounds, (start, 0));
            prop_assert!(hits.iter().all(|hits| *hits == rounds), "{hits:?}");
        }
    }

    #[test]
    fn round_robin_is_within_one_turn_when_its_counter_wraps(count in 1u16..700, before in 0u64..2000) {
        let picker = RoundRobin::new().picker(&members(count), None);
        let start = (1u64 << 32) - before;
        let hits = tally(&*picker, usize::from(count), usize::from(count) * 8, (start, 0));
        prop_assert!(hits.iter().all(|hits| (7..=9).contains(hits)), "{hits:?}");
    }

    #[test]
    fn k_counters_differ_by_at_most_k(count in 1u16..50, picks in prop::collection::vec((any::<u32>(), 0usize..200), 1..8)) {
        let picker = RoundRobin::new().picker(&members(count), None);
        let mut hits = vec![0; usize::from(count)];
        for (start, picks) in &picks {
            let start = u64::from(*start / 2);
            for (sum, more) in hits.iter_mut().zip(tally(&*picker, usize::from(count), *picks, (start, 0))) {
                *sum += more;
            }
        }
        let (most, least) = (hits.iter().max().unwrap(), hits.iter().min().unwrap());
        prop_assert!(most - least <= picks.len(), "{hits:?}");
    }

    #[test]
    fn tried_are_avoided_while_others_are_left(count in 1u16..40, tried in prop::collection::vec(0usize..40, 0..50), seed: u64) {
        let members = members(count);
        let tried: Vec<_> = tried.into_iter().filter(|index| *index < usize::from(count)).collect();
        let tried_keys = keys(&members, tried.iter().copied());
        let all = (0..usize::from(count)).all(|index| tried.contains(&index));
        let pickers = [
            RoundRobin::new().picker(&members, None),
            RoundRobin::strict().picker(&members, None),
            Random::new().picker(&members, None),
        ];
        for picker in pickers {
            let (turn, random) = (Cell::new(seed), Cell::new(seed));
            for _ in 0..20 {
                let request = PickRequest::new().with_tried(&tried_keys);
                let index = picker.pick(&PickContext::new(request, &turn, &random)).unwrap();
                prop_assert!(index < usize::from(count));
                prop_assert!(all || !tried.contains(&index));
            }
        }
    }
}

#[test]
fn nobody_is_picked_from_an_empty_set() {
    let (turn, random) = (Cell::new(1), Cell::new(1));
    let some = keys(&members(1), [0]);
    for balancer in [&RoundRobin::new() as &dyn Balancer, &RoundRobin::strict(), &Random::new()] {
        let picker = balancer.picker(&members(0), None);
        for request in [PickRequest::new(), PickRequest::new().with_tried(&some)] {
            assert_eq!(picker.pick(&PickContext::new(request, &turn, &random)), None);
        }
    }
}

#[test]
fn random_is_uniform_over_a_million_picks() {
    for count in [2u16, 3, 10, 97] {
        let picker = Random::new().picker(&members(count), None);
        let picks = 1_000_000;
        let hits = tally(&*picker, usize::from(count), picks, (0, 42));
        let expected = picks as f64 / f64::from(count);
        let chi_square: f64 = hits.iter().map(|hits| (*hits as f64 - expected).powi(2) / expected).sum();
        // Mean is n - 1 and deviation sqrt(2(n - 1)): five deviations above is one in a million.
        let freedom = f64::from(count - 1);
        assert!(chi_square < freedom + 5.0 * (2.0 * freedom).sqrt() + 5.0, "{count}: {chi_square}");
        if count <= 10 {
            assert!(hits.iter().all(|hits| (*hits as f64 / expected - 1.0).abs() < 0.01), "{hits:?}");
        }
    }
}

#[test]
fn a_retry_is_as_likely_to_go_to_each_of_the_others() {
    let members = members(5);
    let tried = keys(&members, [2]);
    for balancer in [&RoundRobin::new() as &dyn Balancer, &Random::new()] {
        let picker = balancer.picker(&members, None);
        let (turn, random) = (Cell::new(0), Cell::new(3));
        let mut hits = [0u32; 5];
        for _ in 0..100_000 {
            let request = PickRequest::new().with_tried(&tried);
            hits[picker.pick(&PickContext::new(request, &turn, &random)).unwrap()] += 1;
        }
        assert_eq!(hits[2], 0);
        assert!([0, 1, 3, 4].iter().all(|index| hits[*index].abs_diff(25_000) < 750), "{hits:?}");
    }
}

#[test]
fn retries_do_not_fall_into_step_with_a_dead_instance() {
    let members = members(2);
    let picker = RoundRobin::new().picker(&members, None);
    let (turn, random) = (Cell::new(0), Cell::new(3));
    let dead_first = (0..1000).filter(|_| {
        let first = picker.pick(&PickContext::new(PickRequest::new(), &turn, &random)).unwrap();
        let tried = keys(&members, [first]);
        if first == 0 {
            let request = PickRequest::new().with_tried(&tried);
            assert_eq!(picker.pick(&PickContext::new(request, &turn, &random)), Some(1));
        }
        first == 0
    });
    assert_eq!(dead_first.count(), 500);
}

#[test]
fn two_services_called_in_turn_on_one_thread_each_get_an_even_spread() {
    let (books, users) = (noops(4, RoundRobin::new()), noops(4, RoundRobin::new()));
    let mut hits = [[0; 4]; 2];
    for _ in 0..400 {
        for (service, hits) in [&books, &users].into_iter().zip(&mut hits) {
            hits[usize::from(service.cell().pick(PickRequest::new()).unwrap().service.0 - 1)] += 1;
        }
    }
    assert_eq!(hits, [[100; 4]; 2]);
}

#[test]
fn a_handle_cloned_per_request_spreads_evenly() {
    let endpointer = noops(4, RoundRobin::new());
    let handle = endpointer.handle();
    let mut hits = [0u32; 4];
    for _ in 0..40_000 {
        hits[usize::from(handle.clone().pick(PickRequest::new()).unwrap().service.0 - 1)] += 1;
    }
    assert!(hits.iter().all(|hits| hits.abs_diff(10_000) < 500), "{hits:?}");
}

#[test]
fn strict_is_one_order_for_all_threads() {
    let endpointer = noops(7, RoundRobin::strict());
    let picks: Vec<_> = std::thread::scope(|scope| {
        let pick_all =
            || (0..700).map(|_| endpointer.cell().pick(PickRequest::new()).unwrap().service.0).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(pick_all)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let mut hits = HashMap::new();
    for port in picks {
        *hits.entry(port).or_insert(0) += 1;
    }
    assert!(hits.values().all(|hits| *hits == 400), "{hits:?}");
}

#[test]
fn a_clone_of_a_strict_one_has_its_own_order() {
    let first = RoundRobin::strict();
    let second = first.clone();
    let pickers = [first.picker(&members(2), None), second.picker(&members(2), None)];
    let (turn, random) = (Cell::new(0), Cell::new(0));
    let pick = |at: usize| pickers[at].pick(&PickContext::new(PickRequest::new(), &turn, &random)).unwrap();
    for at in [0, 1] {
        let [one, _, other, _] = [pick(at), pick(1 - at), pick(at), pick(1 - at)];
        assert_ne!(one, other);
    }
}

/// With a set that is rebuilt for each pick, one who begins anew each time would always pick the first.
#[tokio::test]
async fn a_rebuilt_set_does_not_begin_with_the_first_again() {
    for (balancer, name) in [(RoundRobin::new(), "per caller"), (RoundRobin::strict(), "strict")] {
        let mut previous: Option<Arc<dyn Picker>> = None;
        let (turn, random) = (Cell::new(5), Cell::new(5));
        let mut hits = [0; 5];
        for _ in 0..500 {
            let picker = balancer.picker(&members(5), previous.as_ref());
            hits[picker.pick(&PickContext::new(PickRequest::new(), &turn, &random)).unwrap()] += 1;
            previous = Some(picker);
        }
        assert_eq!(hits, [100; 5], "{name}");
    }
}

#[tokio::test]
async fn a_parked_handle_keeps_no_removed_service_alive() {
    for balancer in [RoundRobin::new(), RoundRobin::strict()] {
        let publisher = publisher();
        publisher.apply([put(instance(1)), put(instance(2))]);
        publisher.live();
        let factory = sd_core::factory_fn(|_| Ok::<_, sd_core::Error>(Arc::new(())));
        let endpointer = sd_core::DefaultEndpointer::builder(publisher.subscribe(), factory, balancer).spawn().unwrap();
        until(&endpointer, |endpoints| endpoints.members().len() == 2).await;
        let mut parked = endpointer.handle();
        assert!(parked.choose(PickRequest::new()).is_some());
        let services: Vec<_> = {
            let present = endpointer.cell().load();
            (0..2).map(|index| Arc::downgrade(present.service(index).unwrap())).collect()
        };
        publisher.apply([remove(1)]);
        until(&endpointer, |endpoints| endpoints.members().len() == 1).await;
        while services.iter().filter(|service| service.upgrade().is_some()).count() > 1 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        assert!(parked.choose(PickRequest::new()).is_some());
    }
}

#[tokio::test]
async fn a_removed_instance_is_not_picked_and_the_rest_evenly() {
    let publisher = publisher();
    publisher.apply((1..=4).map(|port| put(instance(port))));
    publisher.live();
    let endpointer = following(&publisher, RoundRobin::new());
    until(&*endpointer, |endpoints| endpoints.members().len() == 4).await;
    publisher.apply([remove(2)]);
    until(&*endpointer, |endpoints| endpoints.members().len() == 3).await;
    let mut handle = endpointer.handle();
    let mut hits = HashMap::new();
    for _ in 0..300 {
        *hits.entry(handle.pick(PickRequest::new()).unwrap().service.port).or_insert(0) += 1;
    }
    assert_eq!(hits, HashMap::from([(1, 100), (3, 100), (4, 100)]));
}
