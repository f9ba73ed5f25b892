//! What a provider that deduplicates remembers of a keyed operation.

use std::{fmt, str::FromStr};

use crate::{KeyValueError, SwapOutcome};

/// The first answer of a keyed operation: what a repetition under the same key is given.
///
/// Only what says how the key was. A store that is full, or a service that fails, has not answered
/// in this sense, and nothing was changed: the repetition is the first execution then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FirstAnswer {
    /// An increment's sum.
    Sum(i64),
    /// [`KeyValueError::NotAnInteger`].
    NotAnInteger,
    /// [`KeyValueError::CounterOverflow`].
    CounterOverflow,
    /// [`SwapOutcome::Swapped`].
    Swapped,
    /// [`SwapOutcome::Failed`].
    Failed,
}

/// A text that is no [`FirstAnswer`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the first answer of an operation")]
pub struct FirstAnswerError;

impl FirstAnswer {
    /// What an increment answered, if that is to be remembered.
    #[must_use]
    pub fn of_increment(answer: &Result<i64, KeyValueError>) -> Option<Self> {
        match answer {
            Ok(sum) => Some(Self::Sum(*sum)),
            Err(KeyValueError::NotAnInteger) => Some(Self::NotAnInteger),
            Err(KeyValueError::CounterOverflow) => Some(Self::CounterOverflow),
            Err(_) => None,
        }
    }

    /// What an increment answers again.
    ///
    /// # Errors
    /// The first error; and [`KeyValueError::Other`] where a swap had the key.
    pub fn into_increment(self) -> Result<i64, KeyValueError> {
        match self {
            Self::Sum(sum) => Ok(sum),
            Self::NotAnInteger => Err(KeyValueError::NotAnInteger),
            Self::CounterOverflow => Err(KeyValueError::CounterOverflow),
            Self::Swapped | Self::Failed => Err(of_another_operation()),
        }
    }

    /// What a swap answers again.
    ///
    /// # Errors
    /// [`KeyValueError::Other`] where an increment had the key.
    pub fn into_swap(self) -> Result<SwapOutcome, KeyValueError> {
        match self {
            Self::Swapped => Ok(SwapOutcome::Swapped),
            Self::Failed => Ok(SwapOutcome::Failed),
            Self::Sum(_) | Self::NotAnInteger | Self::CounterOverflow => {
                Err(of_another_operation())
            }
        }
    }
}

fn of_another_operation() -> KeyValueError {
    KeyValueError::other("the idempotency key belongs to another operation")
}

impl From<SwapOutcome> for FirstAnswer {
    fn from(outcome: SwapOutcome) -> Self {
        match outcome {
            SwapOutcome::Swapped => Self::Swapped,
            SwapOutcome::Failed => Self::Failed,
        }
    }
}

/// As a service keeps it: the sum, or a word.
impl fmt::Display for FirstAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sum(sum) => write!(f, "{sum}"),
            Self::NotAnInteger => f.write_str("not-an-integer"),
            Self::CounterOverflow => f.write_str("counter-overflow"),
            Self::Swapped => f.write_str("swapped"),
            Self::Failed => f.write_str("failed"),
        }
    }
}

impl FromStr for FirstAnswer {
    type Err = FirstAnswerError;

    fn from_str(text: &str) -> Result<Self, FirstAnswerError> {
        Ok(match text {
            "not-an-integer" => Self::NotAnInteger,
            "counter-overflow" => Self::CounterOverflow,
            "swapped" => Self::Swapped,
            "failed" => Self::Failed,
            number => Self::Sum(number.parse().map_err(|_error| FirstAnswerError)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_comes_back_from_its_text() {
        let all = [
            FirstAnswer::Sum(i64::MIN),
            FirstAnswer::Sum(0),
            FirstAnswer::Sum(i64::MAX),
            FirstAnswer::NotAnInteger,
            FirstAnswer::CounterOverflow,
            FirstAnswer::Swapped,
            FirstAnswer::Failed,
        ];
        for answer in all {
            assert_eq!(answer.to_string().parse(), Ok(answer));
        }
        assert_eq!("x".parse::<FirstAnswer>(), Err(FirstAnswerError));
    }

    #[test]
    fn an_answer_belongs_to_its_operation() {
        assert_eq!(FirstAnswer::Sum(3).into_increment(), Ok(3));
        assert_eq!(FirstAnswer::Failed.into_swap(), Ok(SwapOutcome::Failed));
        assert!(FirstAnswer::Failed.into_increment().is_err());
        assert!(FirstAnswer::Sum(3).into_swap().is_err());
        assert_eq!(FirstAnswer::of_increment(&Err(KeyValueError::Full)), None);
    }
}
