//! How long to wait: between passes, after failures, and before writing yet again.

use aws_lc_rs::rand;
use std::time::Duration;
use tokio::time::Instant;

/// The first wait after a pass that failed; it doubles with each further one.
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// The longest wait after failures: certificates must not wait longer once the API server is back.
const LONGEST_RETRY: Duration = Duration::from_secs(30);
/// Doublings after which the longest wait is reached anyway.
const MAX_DOUBLINGS: u32 = 8;

/// Writes that may follow each other at once: the steps of a heavy repair, twice.
pub(crate) const BURST_OF_WRITES: u32 = 8;
/// After a burst, one write each so long: replicas with clocks years apart would else replace each other's
/// certificates as fast as the API server lets them.
const WRITE_EVERY: Duration = Duration::from_secs(30);

/// Waits that grow with failures and start over with a success.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
}

impl Backoff {
    pub(crate) fn reset(&mut self) {
        self.failures = 0;
    }

    pub(crate) fn next(&mut self) -> Duration {
        let wait = FIRST_RETRY * 2_u32.pow(self.failures.min(MAX_DOUBLINGS));
        self.failures = self.failures.saturating_add(1);
        jitter(wait.min(LONGEST_RETRY))
    }
}

/// `wait`, give or take a tenth: replicas that started together do not act together.
pub(crate) fn jitter(wait: Duration) -> Duration {
    let mut byte = [128_u8];
    // Without randomness the wait is merely exact.
    let _unchanged = rand::fill(&mut byte);
    let [byte] = byte;
    wait.mul_f64(0.9 + 0.2 * f64::from(byte) / 255.0)
}

/// A bucket of writes.
#[derive(Debug)]
pub(crate) struct WriteBudget {
    left: u32,
    refilled: Instant,
}

impl WriteBudget {
    pub(crate) fn full(now: Instant) -> Self {
        Self {
            left: BURST_OF_WRITES,
            refilled: now,
        }
    }

    /// Takes one write, if there is one left at `now`.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        while self.left < BURST_OF_WRITES && now.duration_since(self.refilled) >= WRITE_EVERY {
            self.left += 1;
            self.refilled += WRITE_EVERY;
        }
        if self.left == BURST_OF_WRITES {
            self.refilled = now;
        }
        let allowed = self.left > 0;
        self.left = self.left.saturating_sub(1);
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_cap_and_start_over_after_a_success() {
        let mut backoff = Backoff::default();
        let within = |wait: Duration, about: Duration| wait >= about.mul_f64(0.89) && wait <= about.mul_f64(1.11);
        assert!(within(backoff.next(), FIRST_RETRY));
        assert!(within(backoff.next(), FIRST_RETRY * 2));
        (0..100).for_each(|_| assert!(backoff.next() <= LONGEST_RETRY.mul_f64(1.11)));
        backoff.reset();
        assert!(within(backoff.next(), FIRST_RETRY));
    }

    #[test]
    fn a_burst_of_writes_is_followed_by_one_each_half_minute() {
        let start = Instant::now();
        let mut budget = WriteBudget::full(start);
        (0..BURST_OF_WRITES).for_each(|_| assert!(budget.take(start)));
        assert!(!budget.take(start));
        assert!(budget.take(start + WRITE_EVERY));
        assert!(!budget.take(start + WRITE_EVERY));
        let much_later = start + WRITE_EVERY * 100;
        (0..BURST_OF_WRITES).for_each(|_| assert!(budget.take(much_later)));
        assert!(!budget.take(much_later));
    }
}
