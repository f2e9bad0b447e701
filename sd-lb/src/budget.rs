//! How many calls may be retried: a share of what is called, so that retries do not fell what is already slow.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sd_core::{Error, defaults};
use tokio::time::Instant;

/// Parts of the window; what is older leaves it in such steps.
const SLICES: u64 = 10;
/// More stripes than this gain nothing that matters.
const MOST_STRIPES: usize = 64;

/// How many calls may be retried: a share of recent calls, and a few per second whatever is called (Finagle's
/// `RetryBudget`; by default 20 % and 10 per second, over 10 s).
///
/// A limit on attempts alone multiplies the load on a service in trouble by that limit. A clone is the same budget; one
/// can be shared by several clients of one service.
///
/// # Exactness
/// A call counts itself in a word that hardly any other thread writes, and looks at no clock; only a retry does. When it
/// was that calls were made is therefore known between two retries only on average: they are taken as spread evenly
/// over that time. Traffic that stopped is thus credited at its mean rate since the last retry, for at most one window;
/// once there are retries each second, no call is misplaced by more than a second. Retries themselves are counted
/// exactly: when one is given, those of the window before it, this one included, are no more than allowed; the window
/// moves in tenths.
///
/// The stripes are relaxed counters that are only summed, and order nothing: there is no interleaving to get wrong.
#[derive(Clone)]
pub struct Budget(Arc<Inner>);

struct Inner {
    share: f64,
    reserve: f64,
    slice: Duration,
    /// Calls, counted per thread or few threads; they wrap, and only differences are used.
    calls: Box<[Stripe]>,
    window: Mutex<Window>,
}

/// Alone on its cache line; two lines, since processors fetch them in pairs.
#[repr(align(128))]
#[derive(Default)]
struct Stripe(AtomicU64);

impl Budget {
    /// Allows `share` of the calls within `window`, and `per_second` besides.
    ///
    /// # Errors
    /// `Config` for a share that is negative or no number, and for a window that is not 1 to 60 s.
    pub fn new(share: f64, per_second: u32, window: Duration) -> Result<Self, Error> {
        if !(share.is_finite() && share >= 0.0) {
            return Err(Error::config(format!("retry budget's share {share}: allowed are 0 and more")));
        }
        if !(Duration::from_secs(1)..=Duration::from_secs(60)).contains(&window) {
            return Err(Error::config(format!("retry budget's window {window:?}: allowed are 1 s to 60 s")));
        }
        Ok(Self::of(share, per_second, window))
    }

    fn of(share: f64, per_second: u32, window: Duration) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let stripes = threads.next_power_of_two().min(MOST_STRIPES);
        Self(Arc::new(Inner {
            share,
            reserve: f64::from(per_second) * window.as_secs_f64(),
            slice: window / SLICES as u32,
            calls: (0..stripes).map(|_| Stripe::default()).collect(),
            window: Mutex::new(Window::new(Instant::now())),
        }))
    }

    /// Allows everything.
    #[must_use]
    pub fn unlimited() -> Self {
        Self::of(f64::MAX, u32::MAX, defaults::RETRY_BUDGET_WINDOW)
    }

    /// Counts a call. Touches one word that hardly any other thread writes, and no clock.
    #[inline]
    pub fn deposit(&self) {
        // There is a power of two of them, so that the index is always within.
        let stripe = this_threads_number() & (self.0.calls.len() - 1);
        if let Some(stripe) = self.0.calls.get(stripe) {
            stripe.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Takes one retry, if there is one left. Looks at the clock, and locks for as long as twenty additions take.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        let Inner { share, reserve, slice, calls, window } = &*self.0;
        let total = calls.iter().fold(0u64, |sum, stripe| sum.wrapping_add(stripe.0.load(Ordering::Relaxed)));
        let now = Instant::now();
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        window.advance(now, *slice, total);
        let allowed = share * window.calls() + reserve;
        let given = window.retries() + 1.0 <= allowed;
        if given {
            window.note_retry();
        }
        given
    }
}

/// As [`Budget::new`] with the defaults: 20 % and 10 per second, over 10 s.
impl Default for Budget {
    fn default() -> Self {
        Self::of(defaults::RETRY_BUDGET_SHARE, defaults::RETRY_BUDGET_PER_SECOND, defaults::RETRY_BUDGET_WINDOW)
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget")
            .field("share", &self.0.share)
            .field("reserve", &self.0.reserve)
            .field("window", &(self.0.slice * SLICES as u32))
            .finish_non_exhaustive()
    }
}

/// Calls and retries in each of the last slices.
struct Window {
    slices: [Slice; SLICES as usize],
    origin: Instant,
    /// The number of the newest slice, counted from the origin.
    newest: u64,
    /// The sum of all stripes when it was last looked at.
    seen: u64,
}

#[derive(Default, Clone, Copy)]
struct Slice {
    calls: f64,
    retries: f64,
}

impl Window {
    fn new(origin: Instant) -> Self {
        Self { slices: [Slice::default(); SLICES as usize], origin, newest: 0, seen: 0 }
    }

    /// Moves on to `now`, and spreads the calls since the last look evenly over the time since then.
    fn advance(&mut self, now: Instant, slice: Duration, total: u64) {
        let fresh = total.wrapping_sub(self.seen) as f64;
        self.seen = total;
        // Two threads may come here in another order than they looked at the clock.
        let number = (now.saturating_duration_since(self.origin).as_nanos() / slice.as_nanos().max(1)) as u64;
        let number = number.max(self.newest);
        let passed = number - self.newest;
        let share = fresh / (passed + 1) as f64;
        self.at(self.newest).calls += share;
        for next in (self.newest + 1).max(number.saturating_sub(SLICES - 1))..=number {
            *self.at(next) = Slice { calls: share, retries: 0.0 };
        }
        self.newest = number;
    }

    fn at(&mut self, number: u64) -> &mut Slice {
        &mut self.slices[(number % SLICES) as usize]
    }

    fn note_retry(&mut self) {
        self.at(self.newest).retries += 1.0;
    }

    fn calls(&self) -> f64 {
        self.slices.iter().map(|slice| slice.calls).sum()
    }

    fn retries(&self) -> f64 {
        self.slices.iter().map(|slice| slice.retries).sum()
    }
}

/// A number of the calling thread: one after the other, so that threads spread evenly over stripes.
#[inline]
fn this_threads_number() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    NUMBER.try_with(|number| *number).unwrap_or(0)
}
