//! Whom to try next: anyone who was not tried yet, each as likely as the other.

use sd_core::{Member, Members, PickContext};

/// So many draws before everyone is looked at. With half of the members tried, one retry in 256 gets there.
const DRAWS: usize = 8;

/// The index of a member that was not tried yet, each as likely as the other; `None` when all were tried, or nobody is
/// there.
///
/// Draws again when it hits someone who was tried; after [`DRAWS`] such hits it counts, at the cost of one look at each
/// member. Both are uniform, so that their mixture is, too.
#[cold]
pub(crate) fn among_untried(members: &Members, context: &PickContext<'_>) -> Option<usize> {
    let untried = |member: &Member| !context.tried().contains(&member.key());
    for _ in 0..DRAWS {
        let index = context.random_below(members.len() as u64) as usize;
        if members.get(index).is_some_and(|member| untried(member)) {
            return Some(index);
        }
    }
    let candidates = || members.iter().enumerate().filter(|(_, member)| untried(member)).map(|(index, _)| index);
    let chosen = context.random_below(candidates().count() as u64);
    candidates().nth(chosen as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sd_core::{Instance, InstanceKey, PickRequest};
    use std::cell::Cell;

    fn members(count: u16) -> Members {
        (0..count).map(|port| Instance::new(std::net::SocketAddr::from(([127, 0, 0, 1], port + 1)))).collect()
    }

    fn key(members: &Members, index: usize) -> InstanceKey {
        members.get(index).unwrap().key()
    }

    #[test]
    fn each_of_the_untried_is_as_likely_and_the_tried_are_never_chosen() {
        let members = members(10);
        // Eight of ten: one draw in six ends with the count, so both ways are seen.
        let tried: Vec<_> = (0..8).map(|index| key(&members, index)).collect();
        let (turn, random) = (Cell::new(0), Cell::new(7));
        let context = PickContext::new(PickRequest::new().with_tried(&tried), &turn, &random);
        let mut hits = [0u32; 10];
        for _ in 0..100_000 {
            hits[among_untried(&members, &context).unwrap()] += 1;
        }
        assert_eq!(hits[..8], [0; 8]);
        assert!(hits[8..].iter().all(|hits| hits.abs_diff(50_000) < 1_000), "{hits:?}");
    }

    #[test]
    fn nobody_is_left_when_all_were_tried_or_nobody_is_there() {
        let members = members(3);
        let tried: Vec<_> = (0..3).map(|index| key(&members, index)).collect();
        let (turn, random) = (Cell::new(0), Cell::new(7));
        let context = PickContext::new(PickRequest::new().with_tried(&tried), &turn, &random);
        assert_eq!(among_untried(&members, &context), None);
        assert_eq!(among_untried(&Members::from_iter([]), &context), None);
    }
}
