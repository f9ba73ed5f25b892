//! Which files of a cache go: a pure function.

use wrt_component::CachedFile;

/// Why a file is kept, the least reason first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keeping {
    /// No reason: an app has named it, and none does for longer than the grace.
    NotAnyMore,
    /// Somebody may use it: another program, or an app that is deployed again.
    MayBeUsed,
    /// An app names it, and it runs elsewhere.
    IsNamed,
    /// It runs here.
    Runs,
}

/// A file, and why it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    pub file: CachedFile,
    /// Whether it is a component, and not what was compiled of one.
    pub is_component: bool,
    pub keeping: Keeping,
}

/// What is to go.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In this order: what was compiled goes before its component, by which it is found again after
    /// a stop in between.
    pub removed: Vec<Kept>,
}

impl Plan {
    /// All that has no reason; and so much more that the rest has at most `bytes_max`, where there is
    /// least reason first, and then what was not used for longest. What runs stays.
    pub fn of(mut files: Vec<Kept>, bytes_max: u64) -> Self {
        files.sort_by_key(|it| {
            let is_last = it.is_component && it.keeping == Keeping::NotAnyMore;
            (it.keeping, is_last, it.file.used_at)
        });
        let mut bytes: u64 = files.iter().map(|it| it.file.bytes).sum();
        let mut removed = Vec::new();
        for kept in files {
            let goes = match kept.keeping {
                Keeping::NotAnyMore => true,
                Keeping::MayBeUsed | Keeping::IsNamed => bytes > bytes_max,
                Keeping::Runs => false,
            };
            if goes {
                bytes -= kept.file.bytes;
                removed.push(kept);
            }
        }
        Self { removed }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;

    fn kept(name: &str, hour: u64, keeping: Keeping) -> Kept {
        Kept {
            file: CachedFile {
                name: name.to_owned(),
                bytes: 100,
                used_at: SystemTime::UNIX_EPOCH + Duration::from_secs(hour * 3600),
            },
            is_component: name.ends_with(".wasm"),
            keeping,
        }
    }

    #[test]
    fn least_reason_first_then_what_was_not_used_for_longest_and_never_what_runs() {
        use Keeping::{IsNamed, MayBeUsed, NotAnyMore, Runs};
        let files = vec![
            kept("runs.wasm", 0, Runs),
            kept("named-old.wasm", 1, IsNamed),
            kept("named.wasm", 5, IsNamed),
            kept("gone.wasm", 3, NotAnyMore),
            kept("gone.plain", 4, NotAnyMore),
            kept("used-old.plain", 2, MayBeUsed),
            kept("used.plain", 6, MayBeUsed),
        ];
        let order = [
            "gone.plain",
            "gone.wasm",
            "used-old.plain",
            "used.plain",
            "named-old.wasm",
            "named.wasm",
        ];
        for (bytes_max, goes) in [(700, 2), (500, 2), (499, 3), (300, 4), (150, 6), (0, 6)] {
            let plan = Plan::of(files.clone(), bytes_max);
            let names: Vec<_> = plan
                .removed
                .iter()
                .map(|it| it.file.name.as_str())
                .collect();
            assert_eq!(names, order[..goes], "{bytes_max}");
        }
    }
}
