//! Which handler a request is for.

use std::fmt;

use http::{HeaderValue, Method, StatusCode, header::ALLOW};

use super::{IntoResponse, Problem, Request, Response};

/// What a body may have where a router does not say otherwise: 1 MiB.
pub const BODY_BYTES_MAX_DEFAULT: usize = 1024 * 1024;

type Handler = Box<dyn Fn(&Request) -> Response>;

/// Paths with the methods that they take, and who answers.
///
/// A path is matched as it was sent: nothing is decoded before, and `//a` or `/x/../a` are not `/a`.
/// `{id}` stands for one segment, and a last `{*rest}` for all that are left; of two paths that fit, the
/// one that names more takes it. No path is 404; a path with another method is 405, with the header
/// `Allow`. `HEAD` is answered by what answers `GET`, without the body.
pub struct Router {
    paths: matchit::Router<usize>,
    routes: Vec<Route>,
    body_bytes_max: usize,
}

pub(super) struct Route {
    path: String,
    methods: Vec<(Method, Handler)>,
}

/// A handler, and what its path's parameters stand for.
pub(super) struct Found<'a> {
    handler: &'a Handler,
    parameters: Vec<(String, String)>,
}

/// Nobody answers.
pub(super) enum Refused<'a> {
    NoPath,
    NoMethod(&'a Route),
}

impl Router {
    /// Takes nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            paths: matchit::Router::new(),
            routes: Vec::new(),
            body_bytes_max: BODY_BYTES_MAX_DEFAULT,
        }
    }

    /// Has `handler` answer requests of `method` for `path`.
    ///
    /// # Panics
    /// When the path is none, is the same as another one but for the names of its parameters, or has a handler
    /// for the method: mistakes of the program, seen with its first request.
    #[must_use]
    pub fn route<R: IntoResponse>(
        mut self,
        method: Method,
        path: &str,
        handler: impl Fn(&Request) -> R + 'static,
    ) -> Self {
        let known = self.routes.iter().position(|route| route.path == path);
        let at = known.unwrap_or_else(|| {
            let at = self.routes.len();
            if let Err(error) = self.paths.insert(path, at) {
                panic!("the route {path:?} cannot be: {error}");
            }
            self.routes.push(Route {
                path: path.to_owned(),
                methods: Vec::new(),
            });
            at
        });
        let route = &mut self.routes[at];
        assert!(
            route.handler(&method).is_none(),
            "{method} {path:?} has two handlers"
        );
        let handler: Handler = Box::new(move |request| handler(request).into_response());
        route.methods.push((method, handler));
        self
    }

    /// [`Router::route`] for `GET`, and with it for `HEAD`.
    #[must_use]
    pub fn get<R: IntoResponse>(
        self,
        path: &str,
        handler: impl Fn(&Request) -> R + 'static,
    ) -> Self {
        self.route(Method::GET, path, handler)
    }

    /// [`Router::route`] for `POST`.
    #[must_use]
    pub fn post<R: IntoResponse>(
        self,
        path: &str,
        handler: impl Fn(&Request) -> R + 'static,
    ) -> Self {
        self.route(Method::POST, path, handler)
    }

    /// [`Router::route`] for `PUT`.
    #[must_use]
    pub fn put<R: IntoResponse>(
        self,
        path: &str,
        handler: impl Fn(&Request) -> R + 'static,
    ) -> Self {
        self.route(Method::PUT, path, handler)
    }

    /// [`Router::route`] for `PATCH`.
    #[must_use]
    pub fn patch<R: IntoResponse>(
        self,
        path: &str,
        handler: impl Fn(&Request) -> R + 'static,
    ) -> Self {
        self.route(Method::PATCH, path, handler)
    }

    /// [`Router::route`] for `DELETE`.
    #[must_use]
    pub fn delete<R: IntoResponse>(
        self,
        path: &str,
        handler: impl Fn(&Request) -> R + 'static,
    ) -> Self {
        self.route(Method::DELETE, path, handler)
    }

    /// What a request's body may have, in bytes; a longer one is 413, and no handler sees it. What the
    /// component may have in memory at all is said by its limits (`memory_bytes_max`).
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }

    /// The answer to a request whose body is here.
    #[must_use]
    pub fn answer(&self, request: Request) -> Response {
        self.answer_with(request, |mut request, bytes_max| {
            let body = std::mem::take(&mut request.body);
            match body.len() > bytes_max {
                true => Err(too_long(bytes_max)),
                false => Ok((request, body)),
            }
        })
    }

    /// The answer to a request whose body `read` gets, at most so many bytes of it, if somebody wants it.
    pub(super) fn answer_with(
        &self,
        request: Request,
        read: impl FnOnce(Request, usize) -> Result<(Request, Vec<u8>), Problem>,
    ) -> Response {
        let method = request.method.clone();
        let answer = match self.find(&request) {
            Err(refused) => refused.into(),
            Ok(found) => match read(request, self.body_bytes_max) {
                Ok((request, body)) => found.answer(request, body),
                Err(problem) => problem.into(),
            },
        };
        answer.without_body_for(&method)
    }

    /// Who answers a request.
    pub(super) fn find(&self, request: &Request) -> Result<Found<'_>, Refused<'_>> {
        let Ok(matched) = self.paths.at(&request.path) else {
            return Err(Refused::NoPath);
        };
        let route = &self.routes[*matched.value];
        let Some(handler) = route.handler(&request.method) else {
            return Err(Refused::NoMethod(route));
        };
        let parameters = matched.params.iter();
        let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Found {
            handler,
            parameters: parameters.collect(),
        })
    }

    /// What a body may have.
    #[cfg(any(target_arch = "wasm32", wrt_guest))]
    pub(super) fn body_bytes(&self) -> usize {
        self.body_bytes_max
    }
}

/// The refusal of a body that is too long.
pub(super) fn too_long(bytes_max: usize) -> Problem {
    let detail = format!("a body may have {bytes_max} bytes here");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

impl Found<'_> {
    /// Has the handler answer.
    pub(super) fn answer(self, mut request: Request, body: Vec<u8>) -> Response {
        request.body = body;
        request.parameters = self.parameters;
        (self.handler)(&request)
    }
}

impl Route {
    fn handler(&self, method: &Method) -> Option<&Handler> {
        let of = |wanted: &Method| self.methods.iter().find(|(known, _)| known == wanted);
        let instead = || (method == Method::HEAD).then(|| of(&Method::GET)).flatten();
        of(method).or_else(instead).map(|(_, handler)| handler)
    }

    /// The methods that it takes.
    fn takes(&self) -> String {
        let names = self.methods.iter().map(|(known, _)| known.as_str());
        let mut names: Vec<&str> = names.collect();
        if names.contains(&"GET") && !names.contains(&"HEAD") {
            names.push("HEAD");
        }
        names.sort_unstable();
        names.join(", ")
    }
}

impl From<Refused<'_>> for Response {
    fn from(refused: Refused<'_>) -> Self {
        let Refused::NoMethod(route) = refused else {
            return Problem::not_found("nothing is here").into();
        };
        let takes = route.takes();
        let detail = format!("this path takes {takes}");
        let answer = Self::from(Problem::new(StatusCode::METHOD_NOT_ALLOWED, detail));
        let takes = HeaderValue::try_from(takes).expect("methods are tokens");
        answer.with_header(ALLOW, takes)
    }
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Router {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths: Vec<_> = self.routes.iter().map(|route| &route.path).collect();
        f.debug_struct("Router")
            .field("paths", &paths)
            .field("body_bytes_max", &self.body_bytes_max)
            .finish_non_exhaustive()
    }
}
