//! What was read lately, kept in memory up to a number of bytes.
//!
//! A value may only be remembered if it is still true when it is put in. So a reader takes a
//! [`Ticket`] before it asks the database; whoever changes something calls [`Cache::forget`] after the
//! commit; and a value whose ticket is older than that is not taken in.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasher as _, Hash};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Parts with a lock each, so that readers on several threads seldom meet.
const SHARDS: usize = 16;

/// A bounded map that forgets what came in first.
#[derive(Debug)]
pub(crate) struct Cache<K, V> {
    shards: Vec<RwLock<Shard<K, V>>>,
    hasher: RandomState,
    limit: usize,
}

#[derive(Debug)]
struct Shard<K, V> {
    entries: HashMap<K, (V, usize)>,
    order: VecDeque<K>,
    weight: usize,
    generation: u64,
}

/// The state of a key's shard at some time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket(u64);

impl<K: Clone + Eq + Hash, V: Clone> Cache<K, V> {
    /// One that holds values up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let shard = || {
            RwLock::new(Shard {
                entries: HashMap::new(),
                order: VecDeque::new(),
                weight: 0,
                generation: 0,
            })
        };
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            hasher: RandomState::new(),
            limit: limit / SHARDS,
        }
    }

    fn shard(&self, key: &K) -> &RwLock<Shard<K, V>> {
        let hash = self.hasher.hash_one(key);
        &self.shards[hash as usize % SHARDS]
    }

    fn look(&self, key: &K) -> RwLockReadGuard<'_, Shard<K, V>> {
        let lock = self.shard(key).read();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, key: &K) -> RwLockWriteGuard<'_, Shard<K, V>> {
        let lock = self.shard(key).write();
        lock.unwrap_or_else(PoisonError::into_inner)
    }

    /// What is remembered.
    pub(crate) fn get(&self, key: &K) -> Option<V> {
        let shard = self.look(key);
        shard.entries.get(key).map(|(value, _)| value.clone())
    }

    /// To be taken before the value is read.
    pub(crate) fn ticket(&self, key: &K) -> Ticket {
        Ticket(self.look(key).generation)
    }

    /// Remembers a value of `weight` bytes, unless something changed since the ticket was taken.
    pub(crate) fn insert(&self, ticket: Ticket, key: K, value: V, weight: usize) {
        if weight > self.limit / 4 {
            return;
        }
        let mut shard = self.change(&key);
        if shard.generation != ticket.0 {
            return;
        }
        let replaced = shard.entries.insert(key.clone(), (value, weight));
        shard.weight += weight;
        match replaced {
            Some((_, old)) => shard.weight -= old,
            None => shard.order.push_back(key),
        }
        while shard.weight > self.limit
            && let Some(oldest) = shard.order.pop_front()
        {
            if let Some((_, weight)) = shard.entries.remove(&oldest) {
                shard.weight -= weight;
            }
        }
    }

    /// Forgets a value, and refuses what was read before now.
    pub(crate) fn forget(&self, key: &K) {
        let mut shard = self.change(key);
        shard.generation += 1;
        if let Some((_, weight)) = shard.entries.remove(key) {
            shard.weight -= weight;
            // Its place in the order stays until it comes to the front, unless too many do.
            if shard.order.len() > 2 * shard.entries.len() + 64 {
                let Shard { order, entries, .. } = &mut *shard;
                order.retain(|key| entries.contains_key(key));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_there_is_no_room() {
        let cache = Cache::new(SHARDS * 100);
        for key in 0..1000 {
            cache.insert(cache.ticket(&key), key, key, 10);
        }
        let held = (0..1000).filter(|key| cache.get(key).is_some()).count();
        assert!((1..=SHARDS * 10).contains(&held), "{held}");
        assert_eq!(cache.get(&999), Some(999));
        cache.insert(cache.ticket(&1), 1, 1, 1000);
        assert_eq!(cache.get(&1), None);
    }

    #[test]
    fn what_was_read_before_a_change_is_not_taken_in() {
        let cache = Cache::new(1 << 20);
        let ticket = cache.ticket(&"a");
        cache.forget(&"a");
        cache.insert(ticket, "a", 1, 1);
        assert_eq!(cache.get(&"a"), None);
        cache.insert(cache.ticket(&"a"), "a", 2, 1);
        assert_eq!(cache.get(&"a"), Some(2));
        cache.forget(&"a");
        assert_eq!(cache.get(&"a"), None);
    }

    #[test]
    fn what_is_forgotten_over_and_over_takes_no_room() {
        let cache = Cache::new(1 << 20);
        for _ in 0..10_000 {
            cache.insert(cache.ticket(&"a"), "a", 1, 10);
            cache.forget(&"a");
        }
        let shard = cache.look(&"a");
        assert!(shard.order.len() < 100);
        assert_eq!(shard.weight, 0);
    }
}
