//! How stages wait for each other, and how many steps work at once.

use std::sync::{Condvar, Mutex, PoisonError};

/// A value that one thread sets and others wait for.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    value: Mutex<Option<Option<T>>>,
    set: Condvar,
}

impl<T: Clone> Slot<T> {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        Self {
            value: Mutex::new(None),
            set: Condvar::new(),
        }
    }

    /// Gives the value, or `None` if there will never be one. Only the first call counts.
    pub(crate) fn set(&self, value: Option<T>) {
        let mut slot = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_none() {
            *slot = Some(value);
            self.set.notify_all();
        }
    }

    /// Waits for the value.
    pub(crate) fn wait(&self) -> Option<T> {
        let slot = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = self.set.wait_while(slot, |value| value.is_none());
        slot.unwrap_or_else(PoisonError::into_inner)
            .clone()
            .flatten()
    }
}

/// A number of places to work at.
#[derive(Debug)]
pub(crate) struct Places {
    free: Mutex<usize>,
    freed: Condvar,
}

/// One taken place; dropping frees it.
#[derive(Debug)]
pub(crate) struct Taken<'a>(&'a Places);

impl Places {
    /// As many places as `count`, but at least one.
    pub(crate) fn new(count: usize) -> Self {
        Self {
            free: Mutex::new(count.max(1)),
            freed: Condvar::new(),
        }
    }

    /// Waits for a free place.
    pub(crate) fn take(&self) -> Taken<'_> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let free = self.freed.wait_while(free, |free| *free == 0);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Taken(self)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn waiters_get_the_first_value() {
        let slot = Slot::new();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| slot.wait());
            slot.set(Some(1));
            slot.set(None);
            assert_eq!(waiter.join().unwrap(), Some(1));
        });
        let never = Slot::<u8>::new();
        never.set(None);
        assert_eq!(never.wait(), None);
    }

    #[test]
    fn no_more_work_than_there_are_places() {
        let (places, busy, most) = (Places::new(2), AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let _place = places.take();
                    most.fetch_max(busy.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    std::thread::sleep(std::time::Duration::from_millis(2));
                    busy.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(most.into_inner(), 2);
    }
}
