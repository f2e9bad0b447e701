//! Calling: `Retry` over `Balanced` over a service that does nothing, round robin, `floors::call::ATTEMPTS` attempts
//! within `floors::call::WITHIN`.

use crate::cases::call::Kind;
use crate::harness::Make;

/// A whole call. `cloned` clones the stack for each call; the service is the one that `kind` names.
pub fn retry(kind: Kind, cloned: bool, n: usize) -> Option<Make> {
    let _ = (kind, cloned, n);
    None
}
