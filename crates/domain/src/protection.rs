//! Whether a database is as safe as its task promises.

use crate::Schedules;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// How long after its due time a backup may take before its database counts as overdue.
const GRACE: SignedDuration = SignedDuration::from_hours(1);

/// How safe a database is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "is")]
pub enum Protection {
    /// Its last good backup is as young as its task promises.
    Protected,
    /// Its last good backup is older than its task promises.
    Overdue {
        /// When the next one should have been there.
        since: Timestamp,
    },
    /// A task covers it, and there is no backup yet.
    Never,
    /// No enabled task covers it.
    Uncovered,
}

impl Protection {
    /// Judges one database: the schedules of the task that covers it, if one does, and the moment of its last good backup.
    #[must_use]
    pub fn of(schedules: Option<&Schedules>, last_good: Option<Timestamp>, now: Timestamp) -> Self {
        match (schedules, last_good) {
            (None, _) => Self::Uncovered,
            (Some(_), None) => Self::Never,
            (Some(schedules), Some(last)) => Self::with_next_due(schedules.next_after(last).map(|due| due.at), now),
        }
    }

    /// Judges a database that has a good backup by when the next one is due.
    #[must_use]
    pub fn with_next_due(due: Option<Timestamp>, now: Timestamp) -> Self {
        match due {
            Some(due) if now > due.saturating_add(GRACE).unwrap_or(due) => Self::Overdue { since: due },
            _ => Self::Protected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_is_overdue_when_the_backup_that_was_promised_is_missing() {
        let schedules = Schedules::parse("0 2 * * 0", "0 2 * * *", "UTC").unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let of = |last: &str, now: &str| Protection::of(Some(&schedules), Some(at(last)), at(now));
        assert_eq!(of("2026-11-24T02:00:05Z", "2026-11-25T01:59:00Z"), Protection::Protected);
        assert_eq!(of("2026-11-24T02:00:05Z", "2026-11-25T02:30:00Z"), Protection::Protected);
        let since = at("2026-11-25T02:00:00Z");
        assert_eq!(of("2026-11-24T02:00:05Z", "2026-11-25T03:00:01Z"), Protection::Overdue { since });
        assert_eq!(Protection::of(Some(&schedules), None, since), Protection::Never);
        assert_eq!(Protection::of(None, Some(since), since), Protection::Uncovered);
    }
}
