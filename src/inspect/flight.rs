//! Work that several ask for at once and that is done once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::OnceCell;

/// Work under way, by what it is about.
#[derive(Debug)]
pub(super) struct Flights<K, V> {
    running: Mutex<HashMap<K, Arc<OnceCell<V>>>>,
}

/// How somebody came by a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// By doing the work.
    First,
    /// By waiting for somebody else.
    Along,
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Self {
            running: Mutex::default(),
        }
    }
}

impl<K: Clone + Eq + Hash, V: Clone> Flights<K, V> {
    /// Does the work, or waits for the result of somebody who does it just now. Whoever gives up while working
    /// leaves the work to the next who waits.
    pub(super) async fn join(&self, key: &K, work: impl Future<Output = V>) -> (V, Came) {
        let seat = Seat {
            flights: self,
            key,
            cell: Arc::clone(self.locked().entry(key.clone()).or_default()),
        };
        let mut came = Came::Along;
        let working = async {
            came = Came::First;
            work.await
        };
        let value = seat.cell.get_or_init(|| working).await.clone();
        (value, came)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<K, Arc<OnceCell<V>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among those who wait; the last to leave, or the first once the work is done, clears up.
struct Seat<'a, K: Clone + Eq + Hash, V: Clone> {
    flights: &'a Flights<K, V>,
    key: &'a K,
    cell: Arc<OnceCell<V>>,
}

impl<K: Clone + Eq + Hash, V: Clone> Drop for Seat<'_, K, V> {
    fn drop(&mut self) {
        let mut running = self.flights.locked();
        let is_ours = running.get(self.key).is_some_and(|cell| Arc::ptr_eq(cell, &self.cell));
        // Two: the map's own, and ours.
        if is_ours && (self.cell.initialized() || Arc::strong_count(&self.cell) <= 2) {
            running.remove(self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    #[tokio::test]
    async fn those_who_come_along_share_the_result_and_later_ones_work_anew() {
        let flights = Flights::default();
        let runs = AtomicU32::new(0);
        let work = || async {
            tokio::task::yield_now().await;
            runs.fetch_add(1, Ordering::Relaxed) + 1
        };
        let (a, b, other) = tokio::join!(
            flights.join(&"k", work()),
            flights.join(&"k", work()),
            flights.join(&"x", work())
        );
        assert_eq!((a.1, b, other.1), (Came::First, (a.0, Came::Along), Came::First));
        assert_eq!(flights.join(&"k", work()).await, (3, Came::First));
        assert!(flights.locked().is_empty());
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_work_to_the_next() {
        let flights: Flights<&str, u32> = Flights::default();
        let never = tokio::time::timeout(Duration::from_millis(1), flights.join(&"k", std::future::pending()));
        let (gone, value) = tokio::join!(never, flights.join(&"k", async { 7 }));
        assert!(gone.is_err());
        assert_eq!(value, (7, Came::First));
        let alone = tokio::time::timeout(Duration::from_millis(1), flights.join(&"k", std::future::pending())).await;
        assert!(alone.is_err() && flights.locked().is_empty());
    }
}
