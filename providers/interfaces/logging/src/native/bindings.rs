//! What bindgen makes of each version.
#![allow(missing_docs, reason = "written by bindgen")]

pub(super) mod draft {
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/logging-0.1.0-draft",
        world: "wasi:logging/imports",
    });
    pub(crate) use self::wasi::logging::logging;
}

pub(super) mod unversioned {
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/logging-unversioned",
        world: "wasi:logging/imports",
    });
    pub(crate) use self::wasi::logging::logging;
}
