//! What was decided of the host that a request is for.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use http::{Uri, uri};
use wrt_http::HttpError;

use crate::{AllowList, Origin};

/// A host that requests may be for.
pub(crate) struct Target {
    pub(crate) origin: Origin,
    /// Whether requests write it as [`Origin::authority`] does.
    pub(crate) is_normal: bool,
    /// How they write it.
    scheme: uri::Scheme,
    authority: uri::Authority,
}

/// Why a request goes nowhere.
pub(crate) enum Refused {
    /// Nobody is named by it.
    Unnamed(HttpError),
    /// No rule names whom it is for.
    Denied(Origin),
}

/// Whom the last request was for. The next one mostly is for the same, and then nothing is read or
/// decided anew.
#[derive(Default)]
pub(crate) struct Targets(ArcSwapOption<Target>);

impl Targets {
    /// Whom a request is for, if `allow` has it. The same list each time.
    pub(crate) fn of(&self, uri: &Uri, allow: &AllowList) -> Result<Arc<Target>, Refused> {
        if let Some(last) = self.0.load_full()
            && last.is_of(uri)
        {
            return Ok(last);
        }
        let target = Target::of(uri).map_err(Refused::Unnamed)?;
        if !allow.permits(&target.origin) {
            return Err(Refused::Denied(target.origin));
        }
        let target = Arc::new(target);
        self.0.store(Some(Arc::clone(&target)));
        Ok(target)
    }
}

impl Target {
    /// Whom a request is for.
    ///
    /// # Errors
    /// As [`Origin::of`].
    pub(crate) fn of(uri: &Uri) -> Result<Self, HttpError> {
        let (origin, is_normal) = Origin::read(uri)?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(HttpError::HttpRequestUriInvalid);
        };
        Ok(Self {
            origin,
            is_normal,
            scheme: scheme.clone(),
            authority: authority.clone(),
        })
    }

    fn is_of(&self, uri: &Uri) -> bool {
        let is_written = |authority: &uri::Authority| authority.as_str() == self.authority.as_str();
        uri.authority().is_some_and(is_written) && uri.scheme() == Some(&self.scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_decided_of_one_is_not_of_another() {
        let allow = ["a.test", "b.test:*"].map(|rule| rule.parse().unwrap());
        let allow = AllowList::new(allow.into());
        let targets = Targets::default();
        for (uri, expected) in [
            ("http://a.test/x", Some(("a.test", true))),
            ("http://a.test/y", Some(("a.test", true))),
            ("http://A.test/y", Some(("a.test", false))),
            ("http://a.test:8080/y", None),
            ("http://a.test/y", Some(("a.test", true))),
            ("https://a.test/y", Some(("a.test", true))),
            ("http://c.test/y", None),
            ("http://user@a.test/y", None),
            ("http://b.test:81/y", Some(("b.test:81", true))),
            ("http://b.test:82/y", Some(("b.test:82", true))),
        ] {
            let uri: Uri = uri.parse().unwrap();
            let target = targets.of(&uri, &allow).ok();
            let told = target
                .as_ref()
                .map(|it| (it.origin.authority(), it.is_normal));
            let told = told
                .as_ref()
                .map(|(host, is_normal)| (host.as_str(), *is_normal));
            assert_eq!(told, expected, "{uri}");
            let is_secure = target.map(|it| it.origin.is_secure);
            assert!(is_secure.is_none_or(|it| it == (uri.scheme_str() == Some("https"))));
        }
    }
}
