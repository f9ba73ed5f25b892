//! "Did you mean ...?"

/// Edits up to which a name is taken for a slip of another: a third of its length, at least one.
fn slips_max(name: &str) -> usize {
    (name.chars().count() / 3).max(1)
}

/// The candidate that `name` is most likely a slip of, if any is near enough.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (edits(name, candidate), candidate))
        .filter(|(edits, _)| *edits <= slips_max(name))
        .min()
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that turn `from` into `to`.
fn edits(from: &str, to: &str) -> usize {
    let (from, to): (Vec<char>, Vec<char>) = (from.chars().collect(), to.chars().collect());
    let first_row = |i: usize| {
        if i == 0 {
            (0..=to.len()).collect()
        } else {
            vec![i; to.len() + 1]
        }
    };
    let mut rows: Vec<Vec<usize>> = (0..=from.len()).map(first_row).collect();
    for i in 1..=from.len() {
        for j in 1..=to.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[from.len()][to.len()]
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
