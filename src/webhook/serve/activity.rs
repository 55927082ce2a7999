//! Whether a connection is used: hyper knows, but does not tell.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

/// The requests of one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    begun: AtomicUsize,
    first: CancellationToken,
    under_way: AtomicUsize,
}

/// One request under way.
#[derive(Debug)]
pub(super) struct UnderWay(Arc<Activity>);

impl Activity {
    /// A request begins; it ends with what comes back.
    pub(super) fn begin(self: &Arc<Self>) -> UnderWay {
        if self.begun.fetch_add(1, Relaxed) == 0 {
            self.first.cancel();
        }
        self.under_way.fetch_add(1, Relaxed);
        UnderWay(Arc::clone(self))
    }

    /// Returns when a request has come, or none has within that time.
    pub(super) async fn used(&self, within: Duration) {
        // Either way the wait is over.
        let _in_time = timeout(within, self.first.cancelled()).await;
    }

    /// Returns when no request has come at all within `first`, or none within `idle` after that.
    pub(super) async fn ceased(&self, first: Duration, idle: Duration) {
        self.used(first).await;
        let mut seen = 0;
        while self.begun.load(Relaxed) != seen || self.is_busy() {
            seen = self.begun.load(Relaxed);
            sleep(idle).await;
        }
    }

    /// Returns when nothing has been under way at the end of a period.
    pub(super) async fn quiet(&self, period: Duration) {
        sleep(period).await;
        while self.is_busy() {
            sleep(period).await;
        }
    }

    fn is_busy(&self) -> bool {
        self.under_way.load(Relaxed) > 0
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Relaxed);
    }
}
