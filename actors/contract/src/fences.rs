//! Whose calls may still run: the epochs of leases that a callee has seen.
//!
//! ```text
//! old holder   ── call, epoch 7 ·································> refused
//! new holder            ─ takes the lease ─ call, epoch 8 ─> runs  │
//! callee                                    remembers 8 ───────────┴──────────> forgets it
//!                                           └── BUDGET_MAX, and for how long a call may be late ──┘
//! ```
//!
//! What is remembered is bounded by time and by number, and neither lets a stale call in:
//! - a holder makes the context of its calls while it has the lease, and another takes that only when it is
//!   over. So when a call of epoch 8 is seen, any of epoch 7 has at most [`BUDGET_MAX`] left. Whatever comes
//!   later than that is none of epoch 7, but of a lease that has begun anew, since its bucket was lost;
//! - where more leases than [`LEASES_SEEN_MAX`] are remembered, a call under another one is refused.
//!
//! It is gone with the replica that has it: one that starts anew has seen nothing.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;
use wrt_protocol::{Epoch, Fault, FaultKind, Fence, Hop, LeaseName, limits::BUDGET_MAX};

use crate::Callee;

/// Leases that a callee remembers.
pub const LEASES_SEEN_MAX: usize = 4096;

/// After that nothing comes that was begun before.
const REMEMBERED_FOR: Duration = BUDGET_MAX.saturating_add(Callee::LATE_MAX);

/// The latest epochs of leases under which a callee was called. Pure but for the faults that it makes.
#[derive(Debug, Default)]
pub struct Fences(HashMap<LeaseName, Seen>);

#[derive(Debug, Clone, Copy)]
struct Seen {
    epoch: Epoch,
    /// Behind that nothing of an earlier one can come any more.
    until: Instant,
}

impl Fences {
    /// Whether a call under `fence` may run now, at `hop`; if so, none of an earlier epoch may from now on.
    ///
    /// # Errors
    /// All *not executed*: [`FaultKind::Fenced`] where one of a later epoch was let in, and *overloaded* where
    /// there is no room to remember this one.
    pub fn check(&mut self, fence: &Fence, now: Instant, hop: Hop) -> Result<(), Fault> {
        let (lease, epoch) = (fence.lease(), fence.epoch());
        let seen = self.0.get_mut(lease).filter(|seen| now <= seen.until);
        if let Some(seen) = seen {
            if epoch < seen.epoch {
                let latest = seen.epoch;
                let detail = format!(
                    "the lease {lease} is had in epoch {latest}, and this call was made in epoch {epoch}: \
                     its caller has lost the lease"
                );
                return Err(Fault::not_executed(FaultKind::Fenced, hop, detail));
            }
            if epoch > seen.epoch {
                *seen = Seen::at(epoch, now);
            }
            return Ok(());
        }
        if self.0.len() >= LEASES_SEEN_MAX {
            self.0.retain(|_, seen| now <= seen.until);
        }
        if self.0.len() >= LEASES_SEEN_MAX {
            let kind = FaultKind::Overloaded {
                retry_after_ms: 1000,
            };
            let detail = format!("calls under {LEASES_SEEN_MAX} leases are remembered already");
            return Err(Fault::not_executed(kind, hop, detail));
        }
        self.0.insert(lease.clone(), Seen::at(epoch, now));
        Ok(())
    }
}

impl Seen {
    fn at(epoch: Epoch, now: Instant) -> Self {
        Self {
            epoch,
            until: now + REMEMBERED_FOR,
        }
    }
}

#[cfg(test)]
mod tests;
