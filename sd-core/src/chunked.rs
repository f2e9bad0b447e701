//! A two-level copy-on-write array: cheap to clone, cheap to change one element of, indexed in constant time.

use std::sync::Arc;

/// Elements per chunk: a change copies one chunk and the list of chunks.
const CHUNK: usize = 256;

/// A persistent array without an order of its own: two versions share the chunks that they have in common.
///
/// With N elements a change copies up to 256 elements and N/256 chunk pointers. Elements should be cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Chunked<T> {
    /// All full but the last.
    chunks: Arc<[Arc<[T]>]>,
    len: usize,
}

impl<T: Clone> Chunked<T> {
    pub(crate) fn new() -> Self {
        Self { chunks: Arc::from([]), len: 0 }
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<&T> {
        self.chunks.get(index / CHUNK)?.get(index % CHUNK)
    }

    /// Whether the two are the same version: nothing was changed since one was cloned from the other.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.chunks, &other.chunks)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> + '_ {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    /// Puts `value` in the place of the element at `index`, which must be there.
    pub(crate) fn set(&mut self, index: usize, value: T) {
        let chunk = &mut Arc::make_mut(&mut self.chunks)[index / CHUNK];
        Arc::make_mut(chunk)[index % CHUNK] = value;
    }

    /// Appends `values`; many at once cost one copy of the list of chunks.
    pub(crate) fn extend(&mut self, values: Vec<T>) {
        let mut values = values.into_iter();
        if values.len() == 0 {
            return;
        }
        self.len += values.len();
        let room = (CHUNK - self.last_len()) % CHUNK;
        let mut chunks = self.chunks.to_vec();
        if room > 0
            && let Some(last) = chunks.last_mut()
        {
            *last = last.iter().cloned().chain(values.by_ref().take(room)).collect();
        }
        while values.len() > 0 {
            chunks.push(values.by_ref().take(CHUNK).collect());
        }
        self.chunks = chunks.into();
    }

    /// Takes the element at `index`, which must be there, out; the last one takes its place.
    pub(crate) fn swap_remove(&mut self, index: usize) {
        let Some(last) = self.len.checked_sub(1).and_then(|last| self.get(last)).cloned() else { return };
        if index + 1 < self.len {
            self.set(index, last);
        }
        self.len -= 1;
        let keep = self.len % CHUNK;
        if keep == 0 {
            self.chunks = self.chunks[..self.chunks.len() - 1].into();
        } else if let Some(last) = Arc::make_mut(&mut self.chunks).last_mut() {
            *last = last[..keep].into();
        }
    }

    fn last_len(&self) -> usize {
        self.chunks.last().map_or(0, |chunk| chunk.len())
    }
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
            (0usize..600).prop_map(Act::Extend),
            any::<usize>().prop_map(Act::Set),
            any::<usize>().prop_map(Act::SwapRemove),
            any::<usize>().prop_map(Act::SwapRemove),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_vec_and_older_versions_stay_as_they_were(acts in prop::collection::vec(act(), 1..60)) {
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
                for at in [0, 255, 256, model.len().saturating_sub(1), model.len()] {
                    prop_assert_eq!(array.get(at), model.get(at));
                }
            }
        }
    }
}
