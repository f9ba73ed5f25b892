//! Answers to HTTP requests: routes by path and method, parameters, JSON in and out.
//!
//! ```
//! use serde::{Deserialize, Serialize};
//! use wrt_guest::web::{Json, Problem, Request, Router};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Note {
//!     text: String,
//! }
//!
//! // wrt_guest::web::export!(routes);
//! fn routes() -> Router {
//!     Router::new().get("/notes/{id}", read).put("/notes/{id}", write)
//! }
//!
//! fn read(request: &Request) -> Result<Json<Note>, Problem> {
//!     let id: u32 = request.param("id")?;
//!     Err(Problem::not_found(format!("there is no note {id}")))
//! }
//!
//! fn write(request: &Request) -> Result<Json<Note>, Problem> {
//!     let note: Note = request.json()?;
//!     Ok(Json(note))
//! }
//!
//! let answer = routes().answer(Request::new("GET", "/notes/7")?);
//! assert_eq!(answer.status(), 404);
//! # Ok::<(), Problem>(())
//! ```
//!
//! What it is not for: a body that is longer than memory should hold, sent or received. Bodies are whole
//! here; for streams there are the bindings in [`wasip2`](crate::wasip2) and [`wasip3`](crate::wasip3).
//!
//! A handler that panics traps its instance, and its client gets the node's 500.

#[cfg(any(target_arch = "wasm32", wrt_guest))]
mod export_0_2;
#[cfg(any(target_arch = "wasm32", wrt_guest))]
mod export_0_3;
mod problem;
mod request;
mod response;
mod router;
#[cfg(test)]
mod tests;

pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub use problem::Problem;
pub use request::Request;
pub use response::{IntoResponse, Json, Response};
pub use router::{BODY_BYTES_MAX_DEFAULT, Router};

#[cfg(any(target_arch = "wasm32", wrt_guest))]
#[doc(hidden)]
pub use {
    export_0_2::serve,
    export_0_3::{Routes, serve_p3},
};

/// Makes the component answer HTTP, as `wasi:http/incoming-handler` 0.2, with the [`Router`] that a
/// function returns: `web::export!(routes);`. Once in a component.
#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub use crate::__export_web as export;

/// The same as `wasi:http/handler` 0.3: `web::export_p3!(routes);`. Its instances are kept, and have one router
/// for all that they serve. A handler is still one function to its end: while it runs, the others of
/// its instance wait.
#[cfg(any(target_arch = "wasm32", wrt_guest))]
pub use crate::__export_web_p3 as export_p3;

/// See `web::export!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_web {
    ($routes:path) => {
        const _: () = {
            struct Exported;

            impl $crate::wasip2::exports::http::incoming_handler::Guest for Exported {
                fn handle(
                    request: $crate::wasip2::http::types::IncomingRequest,
                    out: $crate::wasip2::http::types::ResponseOutparam,
                ) {
                    $crate::web::serve(&$routes(), request, out)
                }
            }

            $crate::wasip2::http::proxy::export!(Exported);
        };
    };
}

/// See `web::export_p3!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_web_p3 {
    ($routes:path) => {
        const _: () = {
            ::std::thread_local! {
                static ROUTER: $crate::web::Router = $routes();
            }

            struct Exported;

            impl $crate::web::Routes for Exported {
                fn with<R>(uses: impl FnOnce(&$crate::web::Router) -> R) -> R {
                    ROUTER.with(uses)
                }
            }

            impl $crate::wasip3::exports::http::handler::Guest for Exported {
                async fn handle(
                    request: $crate::wasip3::http::types::Request,
                ) -> Result<
                    $crate::wasip3::http::types::Response,
                    $crate::wasip3::http::types::ErrorCode,
                > {
                    $crate::web::serve_p3::<Exported>(request).await
                }
            }

            $crate::wasip3::http::service::export!(Exported);
        };
    };
}
