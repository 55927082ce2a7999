//! How often the status may be written: at once where nothing was written lately, then ever more seldom while results
//! come in, not just before the last of them is there, and once more when it is. Pure.

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
    /// How many answers that status was without.
    open: usize,
    /// Writes since the last status in which every answer was there.
    unfinished: u32,
}

impl Pace {
    /// When a status of so many rows may be written of which so many are open still. One in which every answer is there
    /// need not wait for more; where fewer are open than came since the last one, the rest comes before as much time is
    /// over again, and one status tells of all.
    pub(super) fn next(&self, rows: usize, open: usize) -> Timestamp {
        let Some(last) = self.last else {
            return Timestamp::UNIX_EPOCH;
        };
        if open == 0 {
            return last + SHORTEST;
        }
        let rows = i32::try_from(rows).unwrap_or(i32::MAX);
        let pause = PER_ROW.saturating_mul(rows).max(SHORTEST);
        let nearly_done = open < self.open.saturating_sub(open);
        let doublings = self.unfinished.saturating_sub(1).min(8) + u32::from(nearly_done);
        last + pause.saturating_mul(1 << doublings).min(LONGEST)
    }

    /// A status was written without so many answers.
    pub(super) fn wrote(&mut self, now: Timestamp, open: usize) {
        self.last = Some(now);
        self.open = open;
        self.unfinished = if open == 0 {
            0
        } else {
            self.unfinished.saturating_add(1)
        };
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
        assert!(Pace::default().next(1_000, 1_000) <= second(0));
    }

    #[test]
    fn never_more_than_one_write_a_second() {
        let mut pace = Pace::default();
        for at in 0..5 {
            pace.wrote(second(at), usize::from(at % 2 == 0));
            assert!(pace.next(1, 0) >= second(at + 1));
            assert!(pace.next(1, 1) >= second(at + 1));
        }
    }

    /// At which second a status is written of 1,000 Modules whose answers take so many seconds.
    fn written(seconds: i64) -> Vec<i64> {
        let (mut pace, mut written) = (Pace::default(), Vec::new());
        for at in 0..=seconds {
            let open = usize::try_from(1_000 * (seconds - at) / seconds).unwrap();
            if pace.next(1_000, open) <= second(at) {
                pace.wrote(second(at), open);
                written.push(at);
            }
        }
        written
    }

    #[test]
    fn a_thousand_rows_are_written_ever_more_seldom() {
        assert_eq!(written(5), [0, 5]);
        assert_eq!(written(30), [0, 5, 15, 30]);
    }

    #[test]
    fn what_is_nearly_done_is_not_told_just_before_the_end() {
        assert_eq!(written(6), [0, 6], "nothing after 5 s, when 167 are open");
        assert_eq!(written(10), [0, 5, 10]);
    }

    #[test]
    fn results_that_trickle_in_are_shown_within_a_minute() {
        let mut pace = Pace::default();
        for at in 0..20 {
            let open = usize::try_from(20 - at).unwrap();
            pace.wrote(second(at * 100), open);
            assert!(pace.next(2_000, open) <= second(at * 100 + 60));
        }
    }
}
