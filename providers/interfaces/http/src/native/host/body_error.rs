//! `http-error-code` of `wasi:http/types@0.2`: what the error of a body's stream is by its own name.

use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::{
    Error,
    p2::bindings::http::types::{ErrorCode, IoError},
};
use wrt_host::InstanceState;

use super::super::error::code_of;

/// As the engine's own bindings have it: an older one would stand beside theirs, unused.
const TYPES: &str = "wasi:http/types@0.2.12";

/// Takes the place of the engine's own function, which finds no name for the error of a body that it
/// was handed: it looks for 0.2's type, and such a body has the type of all versions.
pub(super) fn add_to_linker(linker: &mut Linker<InstanceState>) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let added = linker.instance(TYPES)?.func_wrap(
        "http-error-code",
        |mut store, (error,): (Resource<IoError>,)| {
            let error = store.data_mut().table().get(&error)?;
            let own = error.downcast_ref::<ErrorCode>().cloned();
            let code = own.or_else(|| error.downcast_ref::<Error>().and_then(code_of));
            Ok((code,))
        },
    );
    linker.allow_shadowing(false);
    added
}
