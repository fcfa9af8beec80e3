//! What an enabled task promises its databases.

use catalog::TaskRecord;
use domain::Protection;
use jiff::Timestamp;
use std::cell::Cell;

/// A task's schedule, asked again and again.
pub(super) struct Promise<'a> {
    pub task: &'a TaskRecord,
    /// The last answer: backups made from the one moment on and before the other are followed by one due at the other.
    /// Databases of one round have nearly always the same answer, and the schedule takes long to find it.
    last: Cell<Option<(Timestamp, Timestamp)>>,
}

impl<'a> Promise<'a> {
    pub fn new(task: &'a TaskRecord) -> Self {
        Self { task, last: Cell::new(None) }
    }

    pub fn covers(&self, database: &str) -> bool {
        self.task.task.selection.includes(database)
    }

    /// When a backup is due after one that was made at `last_good`.
    fn due_after(&self, last_good: Timestamp) -> Option<Timestamp> {
        if let Some((from, due)) = self.last.get()
            && (from..due).contains(&last_good)
        {
            return Some(due);
        }
        let due = self.task.task.schedules.next_after(last_good)?.at;
        self.last.set(Some((last_good, due)));
        Some(due)
    }
}

/// How safe a database is under all promises that cover it: the one that is due first counts.
pub(super) fn protection(promises: &[&Promise<'_>], last_good: Option<Timestamp>, now: Timestamp) -> Protection {
    match last_good {
        _ if promises.is_empty() => Protection::Uncovered,
        None => Protection::Never,
        Some(last_good) => Protection::with_next_due(promises.iter().filter_map(|promise| promise.due_after(last_good)).min(), now),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Schedules;
    use jiff::ToSpan;

    fn task(full: &str, incremental: &str) -> TaskRecord {
        let mut task = crate::fixture::task();
        task.task.schedules = Schedules::parse(full, incremental, "Europe/Berlin").unwrap();
        task
    }

    #[test]
    fn remembered_answers_are_those_of_the_schedule() {
        let task = task("30 2 * * 6", "30 2 * * 1-5");
        let promise = Promise::new(&task);
        let start: Timestamp = "2026-10-20T00:00:00Z".parse().unwrap();
        // Forwards, backwards, and over the end of summer time.
        for step in (0..400).chain((0..400).rev()) {
            let last = start + (step * 37).minutes();
            assert_eq!(promise.due_after(last), task.task.schedules.next_after(last).map(|due| due.at), "{last}");
        }
    }

    #[test]
    fn the_promise_that_is_due_first_counts() {
        let (daily, weekly) = (task("", "0 2 * * *"), task("0 2 * * 0", ""));
        let (daily, weekly) = (Promise::new(&daily), Promise::new(&weekly));
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (last, now) = (Some(at("2026-11-24T01:10:00Z")), at("2026-11-26T12:00:00Z"));
        assert_eq!(protection(&[&weekly], last, now), Protection::Protected);
        let since = at("2026-11-25T01:00:00Z");
        assert_eq!(protection(&[&weekly, &daily], last, now), Protection::Overdue { since });
        assert_eq!(protection(&[], last, now), Protection::Uncovered);
        assert_eq!(protection(&[&daily], None, now), Protection::Never);
    }
}
