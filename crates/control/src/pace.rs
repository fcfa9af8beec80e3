//! How fast a phase goes, and how long it will take: looked at now and then, from a run's counters alone.

use domain::{Phase, progress::Reading, view::run::Progress};
use std::time::{Duration, Instant};

/// Below this a rate says nothing yet.
const TOO_SHORT: Duration = Duration::from_secs(1);

/// What was seen of a run's phase so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    last: Reading,
    since: Instant,
    seen: Instant,
}

impl Pace {
    /// A run that begins `now`.
    pub fn new(now: Instant) -> Self {
        Self { last: Reading { phase: Phase::Waiting, rows: 0, bytes: 0, expected_bytes: None }, since: now, seen: now }
    }

    /// Takes a look. A phase that is another one, or that began anew, began at some moment since the last look.
    pub fn look(&mut self, reading: Reading, now: Instant) {
        let began_anew = reading.phase != self.last.phase
            || reading.bytes < self.last.bytes
            || reading.rows < self.last.rows
            || reading.expected_bytes != self.last.expected_bytes;
        if began_anew {
            self.since = self.seen;
        }
        (self.last, self.seen) = (reading, now);
    }

    /// What the last look gives.
    pub fn progress(&self) -> Progress {
        let took = self.seen.saturating_duration_since(self.since);
        let rate = if took < TOO_SHORT { 0.0 } else { self.last.bytes as f64 / took.as_secs_f64() };
        let left = self.last.expected_bytes.and_then(|expected| expected.checked_sub(self.last.bytes)).filter(|left| *left > 0);
        Progress {
            reading: self.last,
            bytes_per_second: rate as u64,
            seconds_left: left.filter(|_| rate >= 1.0).map(|left| (left as f64 / rate).ceil() as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(phase: Phase, bytes: u64, expected: Option<u64>) -> Reading {
        Reading { phase, rows: 0, bytes, expected_bytes: expected }
    }

    #[test]
    fn the_rate_is_that_of_the_phase_and_the_estimate_needs_a_size() {
        let start = Instant::now();
        let second = |s: u64| start + Duration::from_secs(s);
        let mut pace = Pace::new(start);
        pace.look(reading(Phase::Preparing, 0, None), second(4));
        pace.look(reading(Phase::Reading, 100, Some(1000)), second(5));
        pace.look(reading(Phase::Reading, 400, Some(1000)), second(8));
        let progress = pace.progress();
        assert_eq!((progress.bytes_per_second, progress.seconds_left, progress.percent()), (100, Some(6), Some(40)));

        pace.look(reading(Phase::Verifying, 50, None), second(9));
        assert_eq!((pace.progress().bytes_per_second, pace.progress().seconds_left), (50, None));
    }

    #[test]
    fn the_same_phase_may_begin_anew_and_an_estimate_may_be_too_small() {
        let start = Instant::now();
        let second = |s: u64| start + Duration::from_secs(s);
        let mut pace = Pace::new(start);
        pace.look(reading(Phase::Verifying, 1000, Some(1000)), second(10));
        assert_eq!(pace.progress().seconds_left, None);
        pace.look(reading(Phase::Verifying, 30, Some(5000)), second(11));
        assert_eq!(pace.progress().bytes_per_second, 30);
        pace.look(reading(Phase::Verifying, 6000, Some(5000)), second(12));
        assert_eq!((pace.progress().seconds_left, pace.progress().percent()), (None, Some(100)));
    }

    #[test]
    fn nothing_is_said_before_there_is_something_to_say() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        assert_eq!((pace.progress().bytes_per_second, pace.progress().seconds_left), (0, None));
        pace.look(reading(Phase::Waiting, 10, Some(20)), start + Duration::from_millis(10));
        assert_eq!(pace.progress().seconds_left, None);
    }
}
