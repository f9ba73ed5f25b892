//! Which part of the environment apps may see.

use std::{fmt, str::FromStr, sync::Arc};

/// The variables that a node's operator lets through. A manifest may refer to those, and they fill
/// settings that name them; to an app all others do not exist.
#[derive(Clone)]
pub struct AppEnvironment(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

/// A variable, or all that begin the same: `REDIS_URL`, `SHOP_*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedVariable {
    start: String,
    is_prefix: bool,
}

/// A text that allows no variable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("name a variable, or the start of several with * behind it: REDIS_URL, SHOP_*")]
pub struct NoVariable;

impl AppEnvironment {
    /// Lets nothing through.
    #[must_use]
    pub fn nothing() -> Self {
        Self(Arc::new(|_variable| None))
    }

    /// Lets through what `lookup` knows.
    pub fn of(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// Lets through those variables of this process that are allowed.
    #[must_use]
    pub fn allowed(allowed: Vec<AllowedVariable>) -> Self {
        Self::of(move |variable| {
            let is_allowed = allowed.iter().any(|allowed| allowed.takes(variable));
            is_allowed.then(|| std::env::var(variable).ok()).flatten()
        })
    }

    /// Lets through all variables of this process.
    #[must_use]
    pub fn everything() -> Self {
        Self::of(|variable| std::env::var(variable).ok())
    }

    /// The value of a variable that is there and may be seen.
    #[must_use]
    pub fn get(&self, variable: &str) -> Option<String> {
        (self.0)(variable)
    }
}

impl fmt::Debug for AppEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AppEnvironment")
    }
}

impl AllowedVariable {
    fn takes(&self, variable: &str) -> bool {
        match self.is_prefix {
            true => variable.starts_with(&self.start),
            false => variable == self.start,
        }
    }
}

impl FromStr for AllowedVariable {
    type Err = NoVariable;

    fn from_str(text: &str) -> Result<Self, NoVariable> {
        let (start, is_prefix) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        // A lone * would be everything, which nobody should type by accident.
        let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if start.is_empty() || !start.chars().all(is_legal) {
            return Err(NoVariable);
        }
        Ok(Self {
            start: start.to_owned(),
            is_prefix,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_allows_itself_and_a_star_what_begins_so() {
        for (allowed, variable, expected) in [
            ("REDIS_URL", "REDIS_URL", true),
            ("REDIS_URL", "REDIS_URL_2", false),
            ("SHOP_*", "SHOP_KEY", true),
            ("SHOP_*", "SHOP", false),
        ] {
            let allowed: AllowedVariable = allowed.parse().expect("it allows something");
            assert_eq!(allowed.takes(variable), expected, "{variable}");
        }
        for nothing in ["", "*", "A B", "A=B"] {
            assert_eq!(nothing.parse::<AllowedVariable>(), Err(NoVariable));
        }
    }
}
