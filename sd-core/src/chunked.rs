//! A copy-on-write array of three levels: cheap to clone, cheap to change one element of, indexed in constant time.

use std::sync::Arc;

/// The most elements of a leaf, and leaves of a branch. A change copies one leaf, one branch and the list of branches:
/// about 150 pointers among 100,000 elements. Two levels would copy 650, each a count on a cold cache line.
const WIDTH: usize = 64;
const BRANCH: usize = WIDTH * WIDTH;

type Leaf<T> = Arc<[T]>;
type Branch<T> = Arc<[Leaf<T>]>;

/// A persistent array without an order of its own: two versions share the parts that they have in common.
///
/// Elements should be cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Chunked<T> {
    /// All full but the last, and so are their leaves.
    branches: Arc<[Branch<T>]>,
    len: usize,
}

impl<T: Clone> Chunked<T> {
    pub(crate) fn new() -> Self {
        Self { branches: Arc::from([]), len: 0 }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.branches.get(index / BRANCH)?.get(index / WIDTH % WIDTH)?.get(index % WIDTH)
    }

    /// Whether the two are the same version: nothing was changed since one was cloned from the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.branches, &other.branches)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + '_ {
        self.branches.iter().flat_map(|branch| branch.iter()).flat_map(|leaf| leaf.iter())
    }

    /// Puts `value` in the place of the element at `index`, which must be there.
    pub(crate) fn set(&mut self, index: usize, value: T) {
        let branch = &mut Arc::make_mut(&mut self.branches)[index / BRANCH];
        let leaf = &mut Arc::make_mut(branch)[index / WIDTH % WIDTH];
        Arc::make_mut(leaf)[index % WIDTH] = value;
    }

    /// Appends `values`; many at once cost one copy of the list of branches.
    pub(crate) fn extend(&mut self, values: Vec<T>) {
        if values.is_empty() {
            return;
        }
        self.len += values.len();
        let mut branches = self.branches.to_vec();
        let mut last_leaves = branches.pop().map_or_else(Vec::new, |branch| branch.to_vec());
        let last_leaf = last_leaves.pop();
        let mut elements = last_leaf.iter().flat_map(|leaf| leaf.iter()).cloned().chain(values).peekable();
        let leaves = std::iter::from_fn(|| {
            elements.peek()?;
            Some(elements.by_ref().take(WIDTH).collect::<Leaf<T>>())
        });
        let mut leaves = last_leaves.into_iter().chain(leaves).peekable();
        while leaves.peek().is_some() {
            branches.push(leaves.by_ref().take(WIDTH).collect());
        }
        self.branches = branches.into();
    }

    /// Takes the element at `index`, which must be there, out; the last one takes its place.
    pub(crate) fn swap_remove(&mut self, index: usize) {
        let Some(last) = self.len.checked_sub(1).and_then(|last| self.get(last)).cloned() else { return };
        if index + 1 < self.len {
            self.set(index, last);
        }
        self.len -= 1;
        let at = self.len;
        if at.is_multiple_of(BRANCH) {
            shorten(&mut self.branches);
            return;
        }
        let Some(branch) = Arc::make_mut(&mut self.branches).last_mut() else { return };
        if at.is_multiple_of(WIDTH) {
            shorten(branch);
        } else if let Some(leaf) = Arc::make_mut(branch).last_mut() {
            shorten(leaf);
        }
    }
}

/// Drops the last of `items`.
fn shorten<T: Clone>(items: &mut Arc<[T]>) {
    *items = items[..items.len().saturating_sub(1)].into();
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Debug, Clone)]
    enum Act {
        Extend(usize),
        Set(usize),
        SwapRemove(usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            prop_oneof![0usize..70, 0usize..9000].prop_map(Act::Extend),
            any::<usize>().prop_map(Act::Set),
            any::<usize>().prop_map(Act::SwapRemove),
            any::<usize>().prop_map(Act::SwapRemove),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_vec_and_older_versions_stay_as_they_were(acts in prop::collection::vec(act(), 1..30)) {
            let (mut array, mut model) = (Chunked::new(), Vec::new());
            let mut next = 0u32;
            for act in acts {
                let (before, model_before) = (array.clone(), model.clone());
                match act {
                    Act::Extend(n) => {
                        let values: Vec<u32> = (next..).take(n).collect();
                        next += n as u32;
                        array.extend(values.clone());
                        model.extend(values);
                    }
                    Act::Set(at) if !model.is_empty() => {
                        array.set(at % model.len(), next);
                        let at = at % model.len();
                        model[at] = next;
                        next += 1;
                    }
                    Act::SwapRemove(at) if !model.is_empty() => {
                        array.swap_remove(at % model.len());
                        model.swap_remove(at % model.len());
                    }
                    _ => {}
                }
                prop_assert_eq!(array.len(), model.len());
                prop_assert_eq!(array.iter().copied().collect::<Vec<_>>(), model.clone());
                prop_assert_eq!(before.iter().copied().collect::<Vec<_>>(), model_before);
                for at in [0, 63, 64, 4095, 4096, model.len().saturating_sub(1), model.len()] {
                    prop_assert_eq!(array.get(at), model.get(at));
                }
            }
        }
    }
}
