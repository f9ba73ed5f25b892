//! Order by key: one of each key is in hand at a time.

use std::collections::{HashMap, VecDeque};

/// What waits behind others of its key. It knows what is in hand: each item that it gives out, until
/// [`KeyedQueues::next`] is asked for what comes behind it.
#[derive(Debug)]
pub struct KeyedQueues<T> {
    /// By the keys of which something is in hand.
    behind: HashMap<String, VecDeque<T>>,
}

impl<T> Default for KeyedQueues<T> {
    fn default() -> Self {
        Self {
            behind: HashMap::new(),
        }
    }
}

impl<T> KeyedQueues<T> {
    /// Takes an item in. It comes back if nothing of its key is in hand, and is in hand then; otherwise it
    /// waits behind the others.
    pub fn admit(&mut self, key: &str, item: T) -> Option<T> {
        if let Some(behind) = self.behind.get_mut(key) {
            behind.push_back(item);
            return None;
        }
        self.behind.insert(key.to_owned(), VecDeque::new());
        Some(item)
    }

    /// What was in hand of a key is done with: the next one, which is in hand then.
    pub fn next(&mut self, key: &str) -> Option<T> {
        let next = self.behind.get_mut(key)?.pop_front();
        if next.is_none() {
            self.behind.remove(key);
        }
        next
    }

    /// Keys of which something is in hand.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.behind.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_key_is_in_hand_and_the_others_keep_their_order() {
        let mut queues = KeyedQueues::default();
        assert_eq!(queues.admit("a", 1), Some(1));
        assert_eq!(queues.admit("a", 2), None);
        assert_eq!(queues.admit("b", 3), Some(3), "another key is not held up");
        assert_eq!(queues.admit("a", 4), None);
        assert_eq!(queues.next("b"), None);
        assert_eq!((queues.next("a"), queues.next("a")), (Some(2), Some(4)));
        assert_eq!(queues.admit("a", 5), None, "4 is in hand");
        assert_eq!((queues.next("a"), queues.next("a")), (Some(5), None));
        assert_eq!(queues.next("a"), None, "nobody has one");
        assert_eq!(queues.keys(), 0, "nothing is kept of a key that is over");
        assert_eq!(queues.admit("a", 6), Some(6));
    }
}
