//! Which subscriptions a subject reaches.

use std::collections::HashMap;

/// A subscription on the bus.
pub(super) type SubscriptionId = u64;

/// A tree with a token of a subject on each edge. `*` stands for one token, `>` for one or more.
#[derive(Debug, Default)]
pub(super) struct Routes {
    literal: HashMap<Box<str>, Routes>,
    any_token: Option<Box<Routes>>,
    any_rest: Vec<SubscriptionId>,
    here: Vec<SubscriptionId>,
}

/// Whether the bus takes `pattern` for a subscription.
pub(super) fn is_pattern(pattern: &str) -> bool {
    let blank = |c: char| c.is_whitespace();
    let mut tokens = pattern.split('.').peekable();
    while let Some(token) = tokens.next() {
        let rest_before_end = token == ">" && tokens.peek().is_some();
        if token.is_empty() || rest_before_end || token.contains(blank) {
            return false;
        }
    }
    true
}

impl Routes {
    /// Adds a subscription to `pattern`, which is one.
    pub(super) fn insert(&mut self, pattern: &str, id: SubscriptionId) {
        let mut at = self;
        for token in pattern.split('.') {
            at = match token {
                ">" => return at.any_rest.push(id),
                "*" => at.any_token.get_or_insert_default(),
                literal => at.literal.entry(literal.into()).or_default(),
            };
        }
        at.here.push(id);
    }

    /// Removes a subscription to `pattern`, and the branches that only it needed.
    pub(super) fn remove(&mut self, pattern: &str, id: SubscriptionId) {
        let (token, rest) = match pattern.split_once('.') {
            Some((token, rest)) => (token, Some(rest)),
            None => (pattern, None),
        };
        if token == ">" {
            return self.any_rest.retain(|other| *other != id);
        }
        let child = match token {
            "*" => self.any_token.as_deref_mut(),
            literal => self.literal.get_mut(literal),
        };
        let Some(child) = child else { return };
        match rest {
            Some(rest) => child.remove(rest, id),
            None => child.here.retain(|other| *other != id),
        }
        if child.is_empty() {
            match token {
                "*" => self.any_token = None,
                literal => drop(self.literal.remove(literal)),
            }
        }
    }

    /// Adds the subscriptions that `subject` reaches to `found`.
    pub(super) fn find(&self, subject: &str, found: &mut Vec<SubscriptionId>) {
        found.extend(&self.any_rest);
        let (token, rest) = match subject.split_once('.') {
            Some((token, rest)) => (token, Some(rest)),
            None => (subject, None),
        };
        let children = [self.literal.get(token), self.any_token.as_deref()];
        for child in children.into_iter().flatten() {
            match rest {
                Some(rest) => child.find(rest, found),
                None => found.extend(&child.here),
            }
        }
    }

    fn is_empty(&self) -> bool {
        self.literal.is_empty()
            && self.any_token.is_none()
            && self.any_rest.is_empty()
            && self.here.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The rule, token by token.
    fn reaches(pattern: &str, subject: &str) -> bool {
        let (pattern, subject): (Vec<_>, Vec<_>) =
            (pattern.split('.').collect(), subject.split('.').collect());
        let same = |(p, s): (&&str, &&str)| *p == "*" || p == s;
        match pattern.split_last() {
            Some((&">", start)) => {
                subject.len() > start.len() && start.iter().zip(&subject).all(same)
            }
            _ => pattern.len() == subject.len() && pattern.iter().zip(&subject).all(same),
        }
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_the_rule_says(
            patterns in prop::collection::vec("([ab*]\\.){0,3}[ab*>]", 0..12),
            removed in prop::collection::vec(any::<bool>(), 12),
            subject in "([ab]\\.){0,3}[ab]",
        ) {
            let mut routes = Routes::default();
            for (pattern, id) in patterns.iter().zip(0..) {
                prop_assert!(is_pattern(pattern));
                routes.insert(pattern, id);
            }
            let mut expected = Vec::new();
            for ((pattern, id), removed) in patterns.iter().zip(0..).zip(&removed) {
                if *removed {
                    routes.remove(pattern, id);
                } else if reaches(pattern, &subject) {
                    expected.push(id);
                }
            }
            let mut found = Vec::new();
            routes.find(&subject, &mut found);
            found.sort_unstable();
            prop_assert_eq!(found, expected);
        }

        #[test]
        fn an_empty_tree_keeps_no_branch(patterns in prop::collection::vec("([ab*]\\.){0,3}[ab*>]", 0..12)) {
            let mut routes = Routes::default();
            for (pattern, id) in patterns.iter().zip(0..) {
                routes.insert(pattern, id);
            }
            for (pattern, id) in patterns.iter().zip(0..) {
                routes.remove(pattern, id);
            }
            prop_assert!(routes.is_empty());
        }
    }

    #[test]
    fn patterns_are_checked() {
        for pattern in ["a", "a.b", "*", ">", "a.*.b", "a.>"] {
            assert!(is_pattern(pattern), "{pattern:?}");
        }
        for pattern in ["", ".", "a.", ".a", "a..b", "a b", "a.>.b", "a\n"] {
            assert!(!is_pattern(pattern), "{pattern:?}");
        }
    }
}
