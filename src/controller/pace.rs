//! How often the status may be written: at once where nothing was written lately, then ever more seldom while results
//! come in, and once more when every answer is there. Pure.

use jiff::{SignedDuration, Timestamp};

/// The shortest time between two writes of one preflight's status.
pub(super) const SHORTEST: SignedDuration = SignedDuration::from_secs(1);
/// What a row adds to the time between two writes: 1,000 rows cost the API server up to 0.8 s, and it has other things
/// to do.
const PER_ROW: SignedDuration = SignedDuration::from_millis(5);
/// The longest time for which people wait to see results that are there.
const LONGEST: SignedDuration = SignedDuration::from_secs(60);

/// When one preflight's status was written.
#[derive(Debug, Default)]
pub(super) struct Pace {
    last: Option<Timestamp>,
    /// Writes since the last status in which every answer was there.
    unfinished: u32,
}

impl Pace {
    /// When a status of so many rows may be written. A status in which every answer is there need not wait for more.
    pub(super) fn next(&self, rows: usize, complete: bool) -> Timestamp {
        let Some(last) = self.last else {
            return Timestamp::UNIX_EPOCH;
        };
        if complete {
            return last + SHORTEST;
        }
        let rows = i32::try_from(rows).unwrap_or(i32::MAX);
        let pause = PER_ROW.saturating_mul(rows).max(SHORTEST);
        let doublings = self.unfinished.saturating_sub(1).min(8);
        last + pause.saturating_mul(1 << doublings).min(LONGEST)
    }

    /// A status was written.
    pub(super) fn wrote(&mut self, now: Timestamp, complete: bool) {
        self.last = Some(now);
        self.unfinished = if complete { 0 } else { self.unfinished.saturating_add(1) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(at: i64) -> Timestamp {
        Timestamp::from_second(at).unwrap()
    }

    #[test]
    fn the_first_status_is_written_at_once() {
        assert!(Pace::default().next(1_000, false) <= second(0));
    }

    #[test]
    fn never_more_than_one_write_a_second() {
        let mut pace = Pace::default();
        for at in 0..5 {
            pace.wrote(second(at), at % 2 == 0);
            assert!(pace.next(1, true) >= second(at + 1));
            assert!(pace.next(1, false) >= second(at + 1));
        }
    }

    #[test]
    fn a_thousand_rows_that_take_ten_seconds_are_written_three_times() {
        let (mut pace, mut writes) = (Pace::default(), 0);
        for at in 0..=10 {
            let complete = at == 10;
            if pace.next(1_000, complete) <= second(at) {
                pace.wrote(second(at), complete);
                writes += 1;
            }
        }
        assert_eq!(writes, 3);
    }

    #[test]
    fn results_that_trickle_in_are_shown_within_a_minute() {
        let mut pace = Pace::default();
        for at in 0..20 {
            pace.wrote(second(at * 100), false);
            assert!(pace.next(2_000, false) <= second(at * 100 + 60));
        }
    }
}
