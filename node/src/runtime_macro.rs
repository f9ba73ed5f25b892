//! The macro that names what a program is made of.

/// Names the packages of WIT that a node binary knows, and the backends that serve them, and makes
/// the binary: a function `runtime()` with the value, and a `main` around it with the commands `run`,
/// `join`, `compile`, `up`, `ps` and `down`.
///
/// ```no_run
/// use wrt_http::WasiHttp;
/// use wrt_http_default::HttpDefault;
/// use wrt_keyvalue::{KeyValueDefault, WasiKeyValue};
/// use wrt_redis::Redis;
///
/// wrt_node::runtime!({
///     WasiHttp: HttpDefault,
///     WasiKeyValue: [Redis, KeyValueDefault],
/// });
/// ```
///
/// On the left of each colon stands a [`Host`](wrt_host::Host). On its right stand the backends that
/// do something for it: one, or several in brackets. The first that fits is what a component without
/// a manifest gets, set up by the environment; a manifest names any of them by its name. A package
/// that needs no backend has `_` there. A backend may stand behind several packages. With
/// `#[cfg(feature = "redis")]` before a package or a backend it is there in builds with that feature.
#[macro_export]
macro_rules! runtime {
    ({ $($entries:tt)* }) => {
        /// What this program is made of.
        #[allow(dead_code, reason = "a program may use main alone")]
        pub(crate) fn runtime() -> ::core::result::Result<$crate::Runtime, $crate::RuntimeError> {
            $crate::runtime_value!({ $($entries)* })
        }

        /// Runs what the command line asks for.
        #[allow(dead_code, reason = "a program may take the value alone")]
        pub(crate) fn main() -> ::std::process::ExitCode {
            $crate::cli::wrt_node(runtime())
        }
    };
}
