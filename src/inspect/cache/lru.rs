//! A map that forgets what was not asked for longest, once it weighs too much.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

/// A map bounded by the weight of its values.
#[derive(Debug)]
pub(super) struct Lru<K, V> {
    bound: usize,
    weight: usize,
    clock: u64,
    entries: HashMap<K, Entry<V>>,
    /// The keys by when they were asked for, oldest first.
    ages: BTreeMap<u64, K>,
}

#[derive(Debug)]
struct Entry<V> {
    value: V,
    weight: usize,
    age: u64,
}

impl<K: Clone + Eq + Hash, V: Clone> Lru<K, V> {
    pub(super) fn new(bound: usize) -> Self {
        Self {
            bound,
            weight: 0,
            clock: 0,
            entries: HashMap::new(),
            ages: BTreeMap::new(),
        }
    }

    pub(super) fn get(&mut self, key: &K) -> Option<V> {
        let entry = self.entries.get_mut(key)?;
        self.clock += 1;
        self.ages.remove(&entry.age);
        entry.age = self.clock;
        self.ages.insert(entry.age, key.clone());
        Some(entry.value.clone())
    }

    /// Keeps a value; one that alone is over the bound is not kept.
    pub(super) fn put(&mut self, key: K, value: V, weight: usize) {
        self.forget(&key);
        if weight > self.bound {
            return;
        }
        self.clock += 1;
        let age = self.clock;
        self.weight += weight;
        self.ages.insert(age, key.clone());
        self.entries.insert(key, Entry { value, weight, age });
        while self.weight > self.bound {
            let Some((_, oldest)) = self.ages.pop_first() else {
                break;
            };
            self.forget(&oldest);
        }
    }

    fn forget(&mut self, key: &K) {
        if let Some(entry) = self.entries.remove(key) {
            self.ages.remove(&entry.age);
            self.weight -= entry.weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_longest_makes_room() {
        let mut lru = Lru::new(10);
        lru.put("a", 1, 4);
        lru.put("b", 2, 4);
        assert_eq!(lru.get(&"a"), Some(1));
        lru.put("c", 3, 4);
        assert_eq!((lru.get(&"a"), lru.get(&"b"), lru.get(&"c")), (Some(1), None, Some(3)));
        lru.put("a", 5, 1);
        assert_eq!((lru.weight, lru.get(&"a")), (5, Some(5)));
        lru.put("huge", 6, 11);
        assert_eq!((lru.get(&"huge"), lru.get(&"c"), lru.ages.len()), (None, Some(3), 2));
    }
}
