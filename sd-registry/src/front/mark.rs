//! Whose an entry in another registry is: written into its metadata, and taken out before it is shown.

use sd_core::{Instance, Owner};

/// A registry behind writes an owner of its own, per front and registration; this one is the registrant's.
const MARK: &str = "sd-registry-owner";

/// The instance as it is registered behind this front.
pub(crate) fn marked(instance: Instance, owner: &Owner) -> Instance {
    instance.with_metadata(MARK, owner.as_str())
}

/// The instance as it is shown, and whose it is; nobody's, where no front has registered it.
pub(crate) fn unmarked(instance: &Instance) -> (Instance, Option<Owner>) {
    let Some(owner) = instance.metadata().get(MARK) else { return (instance.clone(), None) };
    let mut plain = Instance::new(instance.address().clone())
        .with_id(instance.id())
        .with_weight(instance.weight())
        .with_health(instance.health());
    if let Some(zone) = instance.zone() {
        plain = plain.with_zone(zone);
    }
    plain = instance.tags().fold(plain, Instance::with_tag);
    for (key, value) in instance.metadata().iter().filter(|(key, _)| *key != MARK) {
        plain = plain.with_metadata(key, value);
    }
    plain = instance.ports().iter().fold(plain, |plain, (name, port)| plain.with_port(name, *port));
    (plain, Some(Owner::from_text(owner)))
}

#[cfg(test)]
mod tests {
    use sd_core::{Address, Health};

    use super::*;

    #[test]
    fn a_mark_is_taken_out_and_nothing_else() {
        let instance = Instance::new("h:1".parse::<Address>().unwrap())
            .with_id("a")
            .with_weight(3)
            .with_health(Health::Draining)
            .with_zone("z")
            .with_tag("t")
            .with_metadata("k", "v")
            .with_port("p", 2);
        let owner = Owner::from_text("one");
        assert_eq!(unmarked(&marked(instance.clone(), &owner)), (instance.clone(), Some(owner)));
        assert_eq!(unmarked(&instance), (instance, None));
    }
}
