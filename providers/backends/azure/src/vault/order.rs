//! Which of two values is the newer one, where the vault says only in which second each was set.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use azure_security_keyvault_secrets::models::SecretProperties;

/// The tag of a value with its number.
pub(super) const TAG: &str = "wrt-order";

/// Numbers for values, each larger than those before: the time in microseconds, and one more where that is none.
/// Those of another node are as good as its clock, and count within one second of the vault's alone.
#[derive(Debug, Default)]
pub(crate) struct Order(AtomicU64);

impl Order {
    pub(super) fn next(&self) -> String {
        #[expect(
            clippy::disallowed_methods,
            reason = "other nodes' numbers are to be near, and no time is measured by it"
        )]
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX));
        let next = |last: u64| now.max(last.saturating_add(1));
        let number = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| {
                Some(next(last))
            });
        let number = number.map_or(now, next);
        format!("{number:020}")
    }
}

/// What values are ordered by: what others have set, without a number, is the oldest of its second.
pub(super) fn place(value: &SecretProperties) -> (i64, String) {
    let created = value.attributes.as_ref().and_then(|it| it.created);
    let number = value.tags.as_ref().and_then(|tags| tags.get(TAG));
    (
        created.map_or(0, |created| created.unix_timestamp()),
        number.cloned().unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_larger_than_the_last_one() {
        let order = Order::default();
        let numbers: Vec<_> = (0..1000).map(|_| order.next()).collect();
        assert!(numbers.windows(2).all(|two| two[0] < two[1]));
        order.0.store(u64::MAX / 2, Ordering::Relaxed);
        assert!(order.next() < order.next(), "whatever the clock does");
    }
}
