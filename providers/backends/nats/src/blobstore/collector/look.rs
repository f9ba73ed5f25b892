//! A look at a part of a container: so many ids, in their order, behind those of the look before.

use std::collections::BTreeMap;

/// What is there of some bytes.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// Behind which id it began.
    after: String,
    /// With which one it ended, where there are others behind it.
    pub(super) through: Option<String>,
    /// How many chunks there are of each.
    pub(super) chunks: BTreeMap<String, usize>,
}

impl Look {
    pub(super) fn behind(after: String) -> Self {
        Self {
            after,
            ..Self::default()
        }
    }

    /// One that is there, in whatever order. Of too many the first stay.
    pub(super) fn push(&mut self, id: &str, chunks: usize, most: usize) {
        if *id <= *self.after {
            return;
        }
        self.chunks.insert(id.to_owned(), chunks);
        if self.chunks.len() > most {
            self.chunks.pop_last();
            self.through = self.chunks.keys().next_back().cloned();
        }
    }

    pub(super) fn has_looked_at(&self, id: &str) -> bool {
        let is_before_end = self.through.as_deref().is_none_or(|end| id <= end);
        *id > *self.after && is_before_end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails when what lies behind the first ones is never looked at.
    #[test]
    fn each_look_goes_on_where_the_last_one_ended() {
        let there = ["d", "a", "e", "c", "b"];
        let (mut after, mut seen) = (String::new(), Vec::new());
        for _look in 0..4 {
            let mut look = Look::behind(after);
            there.iter().for_each(|id| look.push(id, 1, 2));
            let ids: String = look.chunks.keys().map(String::as_str).collect();
            let looked_at: String = there
                .into_iter()
                .filter(|id| look.has_looked_at(id))
                .collect();
            assert_eq!(looked_at.len(), ids.len(), "{looked_at}");
            seen.push(ids);
            after = look.through.unwrap_or_default();
        }
        assert_eq!(seen, ["ab", "cd", "e", "ab"]);
    }
}
