//! What becomes of a time at which a task is due.

use catalog::{RoundRecord, TaskRecord};
use domain::{Code, Error, Origin, Told};
use jiff::Timestamp;

/// What a due time leads to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Firing {
    /// A round.
    Round(Origin),
    /// A round that does not take place, and why.
    Skipped(&'static str),
    /// Nothing: its round is there already.
    Done,
    /// Nothing of its own: the round that was put off past it is made for it, too.
    Merged,
    /// Nothing yet: somebody backs up a single database of it at the moment.
    Later,
}

pub(super) const OVERLAP: &str = "The round before it was still under way.";
const MISSED: &str = "The console did not run at that time, and the task does not make up for missed times.";

/// The round of a task that is under way.
#[derive(Clone, Copy)]
pub(super) struct Open<'a> {
    pub round: &'a RoundRecord,
    /// Whether all of it waits for a later time.
    pub is_put_off: bool,
}

/// Decides over one due time: by whether its round is there already, and by the one that is under way.
pub(super) fn decide(task: &TaskRecord, due: Timestamp, watched_since: Timestamp, is_there: bool, open: Option<Open<'_>>) -> Firing {
    if is_there {
        return Firing::Done;
    }
    let was_missed = due < watched_since;
    if was_missed && !task.task.catch_up {
        return Firing::Skipped(MISSED);
    }
    match open {
        Some(open) if open.round.only_database.is_some() => Firing::Later,
        Some(open) if open.is_put_off => Firing::Merged,
        Some(_) => Firing::Skipped(OVERLAP),
        None => Firing::Round(if was_missed { Origin::CatchUp } else { Origin::Schedule }),
    }
}

pub(super) fn skipped(why: &str) -> Told {
    let next_step = if why == OVERLAP {
        "If this happens often, choose times that are further apart, or allow more runs at once."
    } else {
        "Back up now, or let the task make up for missed times."
    };
    Error::new(Code::Busy, why, next_step).told().clone()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        fixture::{self, at},
        task::next_at,
    };
    use domain::RoundState;

    fn decided(task: &TaskRecord, watched_since: &str, open: Option<&RoundRecord>) -> Firing {
        decide(task, at("02:00:00"), at(watched_since), false, open.map(|round| Open { round, is_put_off: false }))
    }

    #[test]
    fn what_is_due_begins_and_what_was_missed_is_made_up_for_if_wanted() {
        let mut task = fixture::task();
        assert_eq!(decided(&task, "01:00:00", None), Firing::Round(Origin::Schedule));
        assert_eq!(decided(&task, "02:00:01", None), Firing::Round(Origin::CatchUp));
        task.task.catch_up = false;
        assert_eq!(decided(&task, "02:00:01", None), Firing::Skipped(MISSED));
        assert_eq!(decided(&task, "02:00:00", None), Firing::Round(Origin::Schedule));
    }

    #[test]
    fn a_round_that_is_under_way_is_not_overlapped() {
        let task = fixture::task();
        let open = |only: Option<&str>, state| RoundRecord {
            due_at: at("01:00:00"),
            only_database: only.map(String::from),
            ..fixture::round(&task, state)
        };
        assert_eq!(decided(&task, "01:00:00", Some(&open(None, RoundState::Running))), Firing::Skipped(OVERLAP));
        assert_eq!(decided(&task, "01:00:00", Some(&open(None, RoundState::Preparing))), Firing::Skipped(OVERLAP));
        // Somebody who backs up one database must not cost all others their backup.
        assert_eq!(decided(&task, "01:00:00", Some(&open(Some("shop"), RoundState::Running))), Firing::Later);
    }

    #[test]
    fn a_round_that_waits_for_a_later_time_is_made_for_this_one_too() {
        let task = fixture::task();
        let round = RoundRecord { due_at: at("01:00:00"), ..fixture::round(&task, RoundState::Running) };
        let decided = |is_put_off| decide(&task, at("02:00:00"), at("01:00:00"), false, Some(Open { round: &round, is_put_off }));
        assert_eq!((decided(true), decided(false)), (Firing::Merged, Firing::Skipped(OVERLAP)));
    }

    #[test]
    fn a_crash_after_the_round_was_written_does_not_write_it_twice() {
        let task = fixture::task();
        let round = fixture::round(&task, RoundState::Running);
        for open in [None, Some(Open { round: &round, is_put_off: false })] {
            assert_eq!(decide(&task, at("02:00:00"), at("02:10:00"), true, open), Firing::Done);
        }
    }

    #[test]
    fn many_missed_times_are_made_up_for_once() {
        let mut task = fixture::task();
        task.next_at = Some(at("02:00:00"));
        let now: Timestamp = "2027-02-01T09:30:00Z".parse().unwrap();
        assert_eq!(decide(&task, at("02:00:00"), now, false, None), Firing::Round(Origin::CatchUp));
        // The time that is set then lies ahead, however many went by.
        assert_eq!(next_at(&task.task, now), Some("2027-02-02T02:00:00Z".parse().unwrap()));
    }
}
