//! Which topics are meant.

/// Whether a topic is one of those that `filter` is for: `*` is any word, and a last `>` any one or more.
pub(crate) fn matches(filter: &str, topic: &str) -> bool {
    let (mut wanted, mut words) = (filter.split('.'), topic.split('.'));
    loop {
        match (wanted.next(), words.next()) {
            (None, None) | (Some(">"), Some(_)) => return true,
            (Some(one), Some(word)) if one == "*" || one == word => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_filter_is_for_the_topics_that_it_names() {
        for (filter, topic, expected) in [
            ("orders", "orders", true),
            ("orders", "orders.placed", false),
            ("orders.placed", "orders", false),
            ("orders.*", "orders.placed", true),
            ("orders.*", "orders.placed.now", false),
            ("*.placed", "orders.placed", true),
            ("orders.>", "orders.placed.now", true),
            ("orders.>", "orders", false),
            (">", "orders", true),
        ] {
            assert_eq!(matches(filter, topic), expected, "{filter} {topic}");
        }
    }
}
