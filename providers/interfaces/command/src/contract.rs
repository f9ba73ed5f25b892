//! The contract.

use serde::{Deserialize, Serialize};
use wrt_contract::{CallContext, Schema, interface};
use wrt_protocol::{Fault, FaultKind, Hop};

/// Bounds of what a program is started with.
pub mod limits {
    /// Arguments of a program.
    pub const ARGUMENTS_MAX: usize = 1024;
    /// Their bytes, all of them together.
    pub const ARGUMENTS_BYTES_MAX: usize = 256 * 1024;
}

/// A component that is a program.
#[interface(name = "wasi:cli/run", error = Fault)]
pub trait Command {
    /// Runs it to its end, in an instance of its own.
    ///
    /// # Errors
    /// *Not executed* where it has not begun: nobody has room for it, or `start` asks for another
    /// specification. *Maybe executed* where nobody knows how far it has come.
    ///
    /// # Cancel safety
    /// Dropping the future stops the guest.
    async fn run(&self, context: &CallContext, start: &Start) -> Result<Exit, Fault>;
}

/// What a program is started with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Start {
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// Only if the component is made of this: for whoever means what was deployed just now, and not what still
    /// runs until that is ready. None takes what is there.
    pub specification: Option<String>,
}

/// How a program has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Schema)]
pub struct Exit {
    /// 0 where it has done what it was for.
    pub code: u8,
}

impl Start {
    /// With these arguments, whatever the component is made of.
    #[must_use]
    pub fn with(arguments: Vec<String>) -> Self {
        Self {
            arguments,
            specification: None,
        }
    }

    /// Whether a program may be started with so many arguments.
    ///
    /// # Errors
    /// *Too large*.
    pub fn check(&self) -> Result<(), Fault> {
        let bytes: usize = self.arguments.iter().map(String::len).sum();
        let is_legal =
            self.arguments.len() <= limits::ARGUMENTS_MAX && bytes <= limits::ARGUMENTS_BYTES_MAX;
        if is_legal {
            return Ok(());
        }
        let detail = format!(
            "a program has at most {} arguments, of {} bytes together",
            limits::ARGUMENTS_MAX,
            limits::ARGUMENTS_BYTES_MAX
        );
        Err(Fault::not_executed(FaultKind::TooLarge, Hop::Actor, detail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_bounded_in_number_and_in_bytes() {
        use limits::{ARGUMENTS_BYTES_MAX, ARGUMENTS_MAX};
        let of = |count: usize, bytes: usize| Start::with(vec!["a".repeat(bytes); count]);
        for (start, is_legal) in [
            (of(0, 0), true),
            (of(ARGUMENTS_MAX, 1), true),
            (of(ARGUMENTS_MAX + 1, 1), false),
            (of(1, ARGUMENTS_BYTES_MAX), true),
            (of(2, ARGUMENTS_BYTES_MAX / 2 + 1), false),
        ] {
            let refused = start.check().err().map(|fault| fault.kind());
            let expected = (!is_legal).then_some(FaultKind::TooLarge);
            assert_eq!(refused, expected, "{}", start.arguments.len());
        }
    }
}
