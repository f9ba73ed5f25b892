//! "Did you mean ...?"

use strsim::osa_distance;

/// Edits up to which a name is taken for a slip of another: a third of its length, at least one.
fn slips_max(name: &str) -> usize {
    (name.chars().count() / 3).max(1)
}

/// The candidate that `name` is most likely a slip of, if any is near enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (osa_distance(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= slips_max(name))
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        for (name, expected) in [
            ("rediss", Some("redis")),
            ("rdeis", Some("redis")),
            ("memroy", Some("memory")),
            ("http_server", Some("http-server")),
            ("kafka", None),
            ("", None),
        ] {
            let found = nearest(name, ["memory", "redis", "nats", "http-server"]);
            assert_eq!(found, expected, "{name}");
        }
    }
}
