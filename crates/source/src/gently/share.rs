//! How much gentle work may take: a rule over looks at the machine, with no clock and no machine of its own.

use super::machine::Look;
use std::time::{Duration, Instant};

/// What is decided holds for so long.
const PERIOD: Duration = Duration::from_millis(200);

/// The share of all processor time that gentle work has at least, on a machine that has nothing to spare. Users miss several times as
/// much, for what it interrupts may hold what others wait for; and less would have the snapshot of a backup held longer, which is
/// felt as well: the server keeps every row version for it.
const LEAST: f64 = 0.03;

/// Seconds of processor time that may be taken at once after a while without: nobody notices a small backup.
const AT_ONCE: f64 = 0.25;

/// The longest rest for what was taken before: what a server does cannot be stopped in the middle of it, and may take long.
const MOST_OWED: Duration = Duration::from_secs(5);

/// Below this share of idle time there is nothing to take that others would not miss: who waits for a disk now and then leaves a
/// tenth idle, and wants all.
const NONE_IDLE: f64 = 0.15;

/// From this share on there is.
const SOME_IDLE: f64 = 0.3;

/// What others have to take for it to matter to them.
const OTHERS: f64 = 0.1;

/// What gentle work may take.
#[derive(Debug)]
pub(super) struct Share {
    /// Of all processor time; 1 where it may take what it can.
    share: f64,
    /// How many processors the machine was found to have.
    processors: f64,
    /// The look and the moment that the period began with.
    begun: (Look, Instant),
    /// Seconds that were taken beyond the share up to then; below zero what may be taken at once.
    debt: f64,
}

impl Share {
    /// All, until the first period is over.
    pub fn new(look: Look, now: Instant) -> Self {
        Self { share: 1.0, processors: 1.0, begun: (look, now), debt: -AT_ONCE }
    }

    /// Whether it is time for another look.
    pub fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.begun.1) >= PERIOD
    }

    /// Begins another period: where nothing was idle and others were at work the share is cut, else it grows.
    pub fn turn(&mut self, look: Look, now: Instant) {
        let (before, since) = std::mem::replace(&mut self.begun, (look, now));
        let [all, idle, ours] = [look.all - before.all, look.idle - before.idle, look.ours - before.ours];
        if all <= 0.0 {
            return;
        }
        self.processors = all / now.duration_since(since).as_secs_f64();
        let was_limited = self.is_limited();
        let gentle = look.gentle - before.gentle;
        let debt = self.debt + gentle - self.share * all;
        let (idle, others, gentle) = (idle / all, 1.0 - (idle + ours) / all, gentle / all);
        if idle < NONE_IDLE && others > OTHERS {
            self.share = (self.share.min(gentle) / 2.0).max(LEAST);
        } else if idle > SOME_IDLE || others <= OTHERS {
            self.share = (self.share * 1.5).min(1.0);
        } else {
            self.share = (self.share * 1.05).min(1.0);
        }
        if self.is_limited() != was_limited {
            tracing::info!(limited = !was_limited, idle, others, "gentle work goes on at another pace");
        }
        self.debt = if self.is_limited() { debt.clamp(-AT_ONCE, MOST_OWED.as_secs_f64() * self.rate()) } else { -AT_ONCE };
    }

    /// Seconds of processor time that may be taken in a second.
    fn rate(&self) -> f64 {
        self.share * self.processors
    }

    /// Whether it is less than all.
    pub fn is_limited(&self) -> bool {
        self.share < 1.0
    }

    /// How long to rest, where all gentle work took `gentle` seconds up to now.
    pub fn rest(&self, gentle: f64, now: Instant) -> Option<Duration> {
        let owed = self.debt + gentle - self.begun.0.gentle - self.rate() * now.duration_since(self.begun.1).as_secs_f64();
        (self.is_limited() && owed > 0.0).then(|| Duration::from_secs_f64(owed / self.rate()))
    }

    /// The least share, used up, in a period that does not begin for an hour.
    #[cfg(test)]
    pub fn owing(look: Look, now: Instant) -> Self {
        Self { share: LEAST, debt: 1.0, ..Self::new(look, now + Duration::from_secs(3600)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine of two processors of which others want the share `others` and gentle work `wanted`: what that took of each period.
    fn simulated(others: impl Fn(u32) -> f64, wanted: f64, periods: u32) -> Vec<f64> {
        let (start, step) = (Instant::now(), 2.0 * PERIOD.as_secs_f64());
        let mut look = Look { all: 0.0, idle: 0.0, ours: 0.0, gentle: 0.0 };
        let mut share = Share::new(look, start);
        let mut taken = vec![];
        for period in 0..periods {
            let allowed = if share.is_limited() { (share.share - share.debt / step).max(0.0) } else { 1.0 };
            let (gentle, others) = (wanted.min(allowed), others(period));
            let gentle = gentle / (gentle + others).max(1.0);
            let idle = (1.0 - gentle - others).max(0.0);
            let [all, idle, ours, gentle_time] =
                [look.all + step, look.idle + step * idle, look.ours + step * gentle, look.gentle + step * gentle];
            look = Look { all, idle, ours, gentle: gentle_time };
            share.turn(look, start + PERIOD * (period + 1));
            taken.push(gentle);
        }
        taken
    }

    fn mean(values: &[f64]) -> f64 {
        values.iter().sum::<f64>() / values.len() as f64
    }

    #[test]
    fn where_others_want_all_a_small_share_is_taken_and_never_nothing() {
        let taken = simulated(|_| 1.0, 0.8, 200);
        let later = mean(&taken[20..]);
        assert!(later <= LEAST * 1.01 && later > LEAST * 0.9, "{taken:?}");
        // At first what may be taken at once, and what is taken until somebody looks.
        let first = taken[..20].iter().sum::<f64>() * 2.0 * PERIOD.as_secs_f64();
        assert!((AT_ONCE..4.0 * AT_ONCE).contains(&first), "{first}");
    }

    #[test]
    fn what_others_leave_is_used() {
        assert!(simulated(|_| 0.0, 1.0, 20).iter().all(|taken| *taken == 1.0));
        let taken = simulated(|_| 0.5, 1.0, 200);
        assert!(mean(&taken) > 0.2, "{taken:?}");
        let taken = simulated(|_| 0.75, 1.0, 400);
        assert!(mean(&taken) > 1.5 * LEAST, "{taken:?}");
        // Who wants less than there is never rests.
        assert!(simulated(|_| 0.5, 0.3, 20).iter().all(|taken| *taken == 0.3));
    }

    #[test]
    fn all_is_taken_again_when_others_are_done() {
        let taken = simulated(|period| if period < 40 { 1.0 } else { 0.0 }, 1.0, 60);
        assert!(taken[39] < 0.1 && taken[50..].iter().all(|taken| *taken == 1.0), "{taken:?}");
    }

    #[test]
    fn what_was_taken_beyond_the_share_is_rested_for() {
        let start = Instant::now();
        let look = |seconds: f64, gentle: f64| Look { all: 2.0 * seconds, idle: 0.0, ours: gentle, gentle };
        let mut share = Share::new(look(0.0, 0.0), start);
        assert_eq!(share.rest(100.0, start), None);
        let second = |at: u64| start + Duration::from_secs(at);
        share.turn(look(1.0, 0.1), second(1));
        assert_eq!(share.rest(0.1 + AT_ONCE, second(1)), None);
        // Three hundredths of two processors: 16.7 seconds for one of processor time.
        let rest = |share: &Share, gentle: f64, at: u64| share.rest(gentle, second(at)).unwrap().as_secs_f64();
        assert!((rest(&share, 1.1 + AT_ONCE, 1) - 1.0 / 0.06).abs() < 1e-6);
        share.turn(look(2.0, 0.2 + AT_ONCE), second(2));
        assert!((rest(&share, 0.2 + AT_ONCE, 2) - 0.04 / 0.06).abs() < 1e-6);
        // What cannot be stopped in the middle does not stop everything for ever.
        share.turn(look(3.0, 100.0), second(3));
        assert!((rest(&share, 100.0, 3) - MOST_OWED.as_secs_f64()).abs() < 1e-6);
    }
}
