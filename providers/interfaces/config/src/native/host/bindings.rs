//! What bindgen makes of each version.
#![allow(missing_docs, reason = "written by bindgen")]

pub(super) mod rc1 {
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/config-0.2.0-rc.1",
        world: "wasi:config/imports",
        imports: { default: async | trappable },
        trappable_error_type: { "wasi:config/store.error" => crate::ConfigError },
    });
    pub(crate) use self::wasi::config::store;
}

pub(super) mod draft_2024_09_27 {
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/config-0.2.0-draft-2024-09-27",
        world: "wasi:config/imports",
        imports: { default: async | trappable },
        trappable_error_type: { "wasi:config/store.error" => crate::ConfigError },
    });
    pub(crate) use self::wasi::config::store;
}

pub(super) mod draft {
    wasmtime::component::bindgen!({
        path: "../../../wit/deps/config-0.2.0-draft",
        world: "wasi:config/imports",
        imports: { default: async | trappable },
        trappable_error_type: {
            "wasi:config/store.error" => crate::ConfigError,
            "wasi:config/runtime.config-error" => crate::ConfigError,
        },
    });
    pub(crate) use self::wasi::config::{runtime, store};
}
