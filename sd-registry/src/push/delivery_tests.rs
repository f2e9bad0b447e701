//! A receiver as article 001 has it, under pushes that fail in every way.

use proptest::prelude::*;

use super::*;

/// The article's update handler: appends blindly, removes one of two.
#[derive(Debug, Default)]
struct Receiver(Vec<Provider>);

impl Receiver {
    fn take(&mut self, patch: &Patch) {
        for added in &patch.added {
            assert!(!self.0.contains(added), "{added:?} is added to one that has it");
            self.0.push(added.clone());
        }
        for removed in &patch.removed {
            if let Some(at) = self.0.iter().position(|present| present == removed) {
                self.0.remove(at);
            }
        }
    }
}

fn service() -> ServiceName {
    "LogService".parse().unwrap()
}

fn set(delivery: &mut Delivery, id: u8, url: Option<u8>) {
    delivery.set(&service(), &id.to_string().into(), url.map(|url| format!("http://h:{url}")));
}

#[test]
fn an_uncertain_push_is_repeated_as_removed_and_then_added_in_two_patches() {
    let mut delivery = Delivery::default();
    set(&mut delivery, 1, Some(1));
    let patch = delivery.next().unwrap();
    assert_eq!((patch.added.len(), patch.removed.len()), (1, 0));
    delivery.settle(&patch, &Pushed::Unknown("it broke".to_owned()));
    let removed = delivery.next().unwrap();
    assert_eq!((removed.added.len(), &removed.removed), (0, &patch.added));
    delivery.settle(&removed, &Pushed::Unknown("again".to_owned()));
    assert_eq!(delivery.next().as_ref(), Some(&removed));
    delivery.settle(&removed, &Pushed::Delivered);
    assert_eq!(delivery.next().as_ref(), Some(&patch));
    delivery.settle(&patch, &Pushed::Delivered);
    assert_eq!(delivery.next(), None);
}

#[test]
fn a_push_that_was_not_sent_is_made_again_as_it_was() {
    let mut delivery = Delivery::default();
    set(&mut delivery, 1, Some(1));
    let patch = delivery.next().unwrap();
    delivery.settle(&patch, &Pushed::NotSent("refused".to_owned()));
    assert_eq!(delivery.next(), Some(patch));
}

#[test]
fn two_instances_at_one_url_are_one_provider() {
    let mut delivery = Delivery::default();
    set(&mut delivery, 1, Some(1));
    set(&mut delivery, 2, Some(1));
    let patch = delivery.first();
    assert_eq!(patch.added.len(), 1);
    delivery.settle(&patch, &Pushed::Delivered);
    set(&mut delivery, 1, None);
    assert_eq!(delivery.next(), None, "the other one is still there");
    set(&mut delivery, 2, None);
    assert_eq!(delivery.next().unwrap().removed, patch.added);
}

#[test]
fn who_registers_anew_loses_what_it_may_have_and_is_given_the_whole() {
    let mut delivery = Delivery::default();
    set(&mut delivery, 1, Some(1));
    let patch = delivery.first();
    delivery.settle(&patch, &Pushed::Delivered);
    let mut again = Delivery::starting_over(&delivery);
    set(&mut again, 1, Some(1));
    let doubts = again.doubts().unwrap();
    assert_eq!(doubts.removed, patch.added);
    again.settle(&doubts, &Pushed::Delivered);
    assert_eq!(again.first().added, patch.added);
    let mut fresh = Delivery::starting_over(&Delivery::default());
    assert_eq!((fresh.doubts(), fresh.first().to_json().as_str()), (None, r#"{"Added":null,"Removed":null}"#));
}

#[derive(Debug, Clone)]
enum Step {
    Set(u8, Option<u8>),
    /// How a push ends, and whether it arrived.
    Push(u8),
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..4_u8, proptest::option::of(0..3_u8)).prop_map(|(id, url)| Step::Set(id, url)),
        4 => (0..4_u8).prop_map(Step::Push),
        1 => Just(Step::Restart),
    ];
    proptest::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn whatever_fails_nothing_is_added_twice_and_in_the_end_everything_is_told(steps in steps()) {
        let (mut delivery, mut receiver) = (Delivery::default(), Receiver::default());
        for step in steps {
            match step {
                Step::Set(id, url) => set(&mut delivery, id, url),
                Step::Push(how) => {
                    let Some(patch) = delivery.next() else { continue };
                    let pushed = match how {
                        0 => Pushed::NotSent(String::new()),
                        1 | 2 => Pushed::Unknown(String::new()),
                        _ => Pushed::Delivered,
                    };
                    if how > 1 {
                        receiver.take(&patch);
                    }
                    delivery.settle(&patch, &pushed);
                }
                Step::Restart => {
                    // The centre dies at the worst moment: what it was about to send is written down, and has arrived.
                    let (has, unsure) = match delivery.next() {
                        Some(patch) => {
                            receiver.take(&patch);
                            delivery.sending(&patch)
                        }
                        None => delivery.known(),
                    };
                    let mut next = Delivery::knowing(has, unsure);
                    for ((service, id), provider) in &delivery.urls {
                        next.set(service, id, Some(provider.url.clone()));
                    }
                    delivery = next;
                }
            }
        }
        while let Some(patch) = delivery.next() {
            receiver.take(&patch);
            delivery.settle(&patch, &Pushed::Delivered);
        }
        let has: BTreeSet<_> = receiver.0.iter().cloned().collect();
        prop_assert_eq!(has.len(), receiver.0.len());
        let wanted: BTreeSet<_> = delivery.wanted.keys().cloned().collect();
        prop_assert_eq!(has, wanted);
        prop_assert!(!delivery.is_behind());
    }
}
