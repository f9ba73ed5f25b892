//! Which component answers a request: a pure function of host and path.

use std::collections::{HashMap, HashSet};

use http::uri::Authority;

use crate::{
    WebSocketOptions,
    config::{Route, RouteError},
    path,
};

/// Routes, ready to look up. The routes of the request's own host are asked first, then those of any
/// host; among them the longest path wins. Paths are compared in their [normal form](crate::path), so that
/// no other spelling of a path gets past its route.
#[derive(Debug)]
pub(crate) struct RouteTable<T> {
    by_host: HashMap<String, Vec<(String, T)>>,
    any_host: Vec<(String, T)>,
}

impl<T> RouteTable<T> {
    /// The table of `routes`, with what `target` makes of each.
    ///
    /// # Errors
    /// A route that no request could take, or the second of two for the same requests.
    pub(crate) fn new<'a>(
        routes: impl IntoIterator<Item = (&'a Route, T)>,
    ) -> Result<Self, (usize, RouteError)> {
        let mut table = Self {
            by_host: HashMap::new(),
            any_host: Vec::new(),
        };
        let mut seen = HashSet::new();
        for (at, (route, target)) in routes.into_iter().enumerate() {
            let host = host_of(route).map_err(|error| (at, error))?;
            let path = path_of(route).map_err(|error| (at, error))?;
            check_socket(route).map_err(|error| (at, error))?;
            if !seen.insert((host.clone(), path.clone())) {
                let duplicate = RouteError::Duplicate {
                    host: host.unwrap_or_else(|| "*".to_owned()),
                    path: route.path.clone(),
                };
                return Err((at, duplicate));
            }
            let entry = (path, target);
            match host {
                Some(host) => table.by_host.entry(host).or_default().push(entry),
                None => table.any_host.push(entry),
            }
        }
        let all = table
            .by_host
            .values_mut()
            .chain(std::iter::once(&mut table.any_host));
        for paths in all {
            paths.sort_by_key(|(path, _)| std::cmp::Reverse(path.len()));
        }
        Ok(table)
    }

    /// What answers `path` at `host`, which may have a port.
    pub(crate) fn find(&self, host: Option<&Authority>, path: &str) -> Option<&T> {
        let path = &*path::normal(path);
        let host = host.filter(|_| !self.by_host.is_empty());
        let own = host.and_then(|host| self.by_host.get(&normal(host.host())));
        let first = |paths: &'_ Vec<(String, T)>| {
            paths.iter().position(|(prefix, _)| is_prefix(prefix, path))
        };
        own.and_then(|paths| Some(&paths[first(paths)?].1))
            .or_else(|| Some(&self.any_host[first(&self.any_host)?].1))
    }
}

/// Whether `prefix`, which does not end with a slash, is `path` or a folder above it.
fn is_prefix(prefix: &str, path: &str) -> bool {
    path.strip_prefix(prefix)
        .is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

/// Host names do not tell letters' case apart, and a last dot says only that the name is complete.
fn normal(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

fn host_of(route: &Route) -> Result<Option<String>, RouteError> {
    let Some(host) = route.host.as_deref().filter(|host| *host != "*") else {
        return Ok(None);
    };
    let is_host = |authority: Authority| authority.host() == host;
    if host.parse().is_ok_and(is_host) && !host.contains('*') {
        Ok(Some(normal(host)))
    } else {
        Err(RouteError::Host {
            host: host.to_owned(),
        })
    }
}

fn check_socket(route: &Route) -> Result<(), RouteError> {
    let told = route.websocket.as_ref().map(WebSocketOptions::check);
    let path = route.path.clone();
    told.unwrap_or(Ok(()))
        .map_err(|message| RouteError::WebSocket { path, message })
}

fn path_of(route: &Route) -> Result<String, RouteError> {
    let path = route.path.as_str();
    let legal = |byte: u8| byte.is_ascii_graphic() && byte != b'?' && byte != b'#';
    if path.starts_with('/') && path.bytes().all(legal) {
        Ok(path::normal(path).trim_end_matches('/').to_owned())
    } else {
        Err(RouteError::Path {
            path: path.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(routes: &[(&str, &str, &str)]) -> Result<RouteTable<String>, RouteError> {
        let route = |(host, path, component): &(&str, &str, &str)| {
            let route = Route {
                host: (!host.is_empty()).then(|| (*host).to_owned()),
                path: (*path).to_owned(),
                websocket: None,
            };
            (route, (*component).to_owned())
        };
        let routes: Vec<_> = routes.iter().map(route).collect();
        let routes = routes.iter().map(|(route, to)| (route, to.clone()));
        RouteTable::new(routes).map_err(|(_, error)| error)
    }

    #[test]
    fn the_host_then_the_longest_path() {
        let table = table(&[
            ("", "/", "any"),
            ("*", "/api", "api"),
            ("", "/api/v2/", "v2"),
            ("shop.test", "/cart", "cart"),
            ("shop.test", "/cart/admin", "admin"),
            ("[::1]", "/", "six"),
        ])
        .unwrap();
        for (host, path, expected) in [
            ("x.test", "/", "any"),
            ("x.test", "*", "any"),
            ("x.test", "", "any"),
            ("x.test", "/apis", "any"),
            ("x.test", "/api", "api"),
            ("x.test", "/api/", "api"),
            ("x.test", "/api/v1", "api"),
            ("x.test", "/api/v2", "v2"),
            ("x.test", "/api/v2/x", "v2"),
            ("x.test", "/api/v22", "api"),
            ("x.test", "/API", "any"),
            ("x.test", "/%61pi", "api"),
            ("x.test", "/x/../api", "api"),
            ("x.test", "//api", "api"),
            ("x.test", "/api/%2e%2e/else", "any"),
            ("shop.test", "/cart//admin", "admin"),
            ("shop.test", "/x/..%2fcart/admin", "any"),
            ("shop.test", "/cart/1", "cart"),
            ("SHOP.Test.:8080", "/cart/admin/x", "admin"),
            ("shop.test", "/else", "any"),
            ("sub.shop.test", "/cart", "any"),
            ("[::1]:80", "/x", "six"),
        ] {
            let host: Authority = host.parse().unwrap();
            let found = table.find(Some(&host), path).map(String::as_str);
            assert_eq!(found, Some(expected), "{host} {path}");
        }
        assert_eq!(table.find(None, "/cart").map(String::as_str), Some("any"));
    }

    #[test]
    fn no_route_is_no_answer() {
        let table = table(&[("shop.test", "/cart", "cart")]).unwrap();
        assert!(table.find(None, "/cart").is_none());
        assert!(
            table
                .find(Some(&"shop.test".parse().unwrap()), "/")
                .is_none()
        );
    }

    #[test]
    fn routes_that_cannot_be_are_refused() {
        for (routes, expected) in [
            (vec![("", "api", "a")], "route path"),
            (vec![("", "/a?b", "a")], "route path"),
            (vec![("", "/a b", "a")], "route path"),
            (vec![("a.test:80", "/", "a")], "route host"),
            (vec![("*.test", "/", "a")], "route host"),
            (vec![("a b", "/", "a")], "route host"),
            (vec![("", "/a", "a"), ("*", "/a/", "b")], "two routes"),
            (vec![("", "/a", "a"), ("*", "/x/../%61", "b")], "two routes"),
            (
                vec![("A.test", "/", "a"), ("a.test", "/", "b")],
                "two routes",
            ),
        ] {
            let error = table(&routes).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{routes:?}: {error}");
        }
    }
}
