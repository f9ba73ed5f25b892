//! What a guest of 0.2 is told of an error of a stream.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::p2::IoError;
use wrt_host::InstanceState;

/// As the engine's own bindings have it: an older one would stand beside theirs, unused.
const ERROR: &str = "wasi:io/error@0.2.12";

/// More than an error has to say.
const TEXT_BYTES_MAX: usize = 1024;

/// Takes the place of the engine's own function, whose text has the stack of this program in it where the
/// operator asked for stacks: guests hand such a text on to their clients.
pub(crate) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let added = linker.instance(ERROR)?.func_wrap(
        "[method]error.to-debug-string",
        |mut store, (error,): (Resource<IoError>,)| {
            Ok((text(store.data_mut().table().get(&error)?),))
        },
    );
    linker.allow_shadowing(false);
    added
}

/// The causes, from the outermost on, without what they print for a developer of the host.
fn text(error: &IoError) -> String {
    let mut text = format!("{error:#}");
    text.truncate(text.floor_char_boundary(TEXT_BYTES_MAX));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_its_causes() {
        let error = IoError::msg("the client has left").context("no more of the body");
        assert_eq!(text(&error), "no more of the body: the client has left");
        let long = IoError::msg("ä".repeat(TEXT_BYTES_MAX));
        assert_eq!(text(&long).len(), TEXT_BYTES_MAX);
    }
}
