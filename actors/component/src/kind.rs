//! Which engine a component needs.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which of the two engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// For components of WASI 0.2: without what concurrency inside an instance needs, which makes an
    /// instance less than half as expensive.
    Plain,
    /// For components of WASI 0.3: async functions, streams and futures.
    Concurrent,
}

impl fmt::Display for EngineKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Concurrent => "concurrent",
        })
    }
}
