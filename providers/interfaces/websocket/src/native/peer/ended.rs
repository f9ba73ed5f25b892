//! How peers come to their end.

use crate::Closing;

/// How a peer came to its end.
pub(super) enum Ended {
    /// By its own word.
    Left(Closing),
    /// By the server's, or the component's.
    Closed(Closing),
    /// Its connection is gone.
    Lost,
    /// It gives no sign of life.
    Silent,
}

impl Ended {
    /// What the component is told.
    pub(super) fn closing(&self) -> Closing {
        match self {
            Self::Left(closing) | Self::Closed(closing) => closing.clone(),
            Self::Lost => Closing::new(1006, "the connection is gone"),
            Self::Silent => Closing::new(1006, "no sign of life"),
        }
    }
}
