//! A value that is swapped as one, and a version that tells a reader whether what it remembers is old.

use std::sync::Arc;
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

/// A value that is swapped as one. One writer at a time; any number of readers, who never wait.
///
/// The version is written after the value: a reader that sees a version finds the value of that version or a later one.
/// So a reader that remembers a value of version *v* and sees *v* may be behind a swap that is under way, and never
/// behind one that has returned.
#[derive(Debug)]
pub(crate) struct Versioned<T> {
    current: slot::Slot<T>,
    version: AtomicU64,
}

impl<T> Versioned<T> {
    pub(crate) fn new(value: T, version: u64) -> Self {
        Self { current: slot::Slot::new(Arc::new(value)), version: AtomicU64::new(version) }
    }

    /// Puts `value` in the place of the present one, which is returned.
    pub(crate) fn swap(&self, value: T, version: u64) -> Arc<T> {
        let before = self.current.swap(Arc::new(value));
        self.version.store(version, Ordering::Release);
        before
    }

    #[inline]
    pub(crate) fn load(&self) -> slot::Guard<T> {
        self.current.load()
    }

    #[inline]
    pub(crate) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }
}

#[cfg(not(loom))]
pub(crate) mod slot {
    use super::Arc;

    pub(crate) type Slot<T> = arc_swap::ArcSwap<T>;
    pub(crate) type Guard<T> = arc_swap::Guard<Arc<T>>;
}

/// arc-swap is modelled by its own tests; here it is a pointer under a lock, whose accesses loom can reorder.
#[cfg(loom)]
pub(crate) mod slot {
    use super::Arc;

    #[derive(Debug)]
    pub(crate) struct Slot<T>(loom::sync::Mutex<Arc<T>>);
    pub(crate) type Guard<T> = Arc<T>;

    impl<T> Slot<T> {
        pub(crate) fn new(value: Arc<T>) -> Self {
            Self(loom::sync::Mutex::new(value))
        }
        pub(crate) fn swap(&self, value: Arc<T>) -> Arc<T> {
            std::mem::replace(&mut *self.0.lock().unwrap(), value)
        }
        pub(crate) fn load(&self) -> Arc<T> {
            self.0.lock().unwrap().clone()
        }
    }
}

#[cfg(all(test, loom))]
mod tests {
    use super::*;

    #[test]
    fn loom_a_reader_that_sees_a_version_finds_that_value_or_a_later_one() {
        loom::model(|| {
            let place = Arc::new(Versioned::new(0u64, 0));
            let writer = {
                let place = Arc::clone(&place);
                loom::thread::spawn(move || {
                    assert_eq!(*place.swap(1, 1), 0);
                    assert_eq!(*place.swap(2, 2), 1);
                })
            };
            let (mut seen, mut remembered) = (0, 0);
            for _ in 0..3 {
                let version = place.version();
                if version != seen {
                    remembered = *place.load();
                    seen = remembered;
                }
                assert!(remembered >= version, "{remembered} is behind {version}");
            }
            writer.join().unwrap();
            if place.version() != seen {
                remembered = *place.load();
            }
            assert_eq!(remembered, 2, "a reader missed a swap that had returned");
        });
    }
}
