//! When a task makes which kind of backup.

use crate::{BackupKind, FieldError, Result, Schedule, display::lower, error::Error};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// When full and when incremental backups are due, by the clocks of one time zone; at least one of the two is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedules {
    /// When full ones are due: a cron expression of five fields.
    pub full: Option<String>,
    /// When incremental ones are due.
    pub incremental: Option<String>,
    /// Name of the time zone in the IANA database.
    pub time_zone: String,
}

/// A time at which a backup is due, and its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Due {
    /// When.
    pub at: Timestamp,
    /// What is asked for. The first backup of a database is full in any case.
    pub kind: BackupKind,
}

/// In this order, so that a full one wins where both are due at once.
const KINDS: [BackupKind; 2] = [BackupKind::Full, BackupKind::Incremental];

impl Schedules {
    /// Checks all parts; a text that is blank says that there are no such backups. The errors name the fields `full`,
    /// `incremental` and `time_zone`.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] with all that is wrong.
    pub fn parse(full: &str, incremental: &str, time_zone: &str) -> Result<Self> {
        let mut errors: Vec<FieldError> = vec![];
        let mut of = |field: &str, cron: &str| {
            let checked = (!cron.trim().is_empty()).then(|| Schedule::parse(cron, time_zone))?;
            let told = |error: Error| error.told().fields.clone().into_iter().map(|error| under(field, error)).collect::<Vec<_>>();
            checked.map_err(|error| errors.extend(told(error))).ok().map(|schedule| schedule.cron)
        };
        let (full_cron, incremental_cron) = (of("full", full), of("incremental", incremental));
        if full.trim().is_empty() && incremental.trim().is_empty() {
            let sentence = "Choose when full backups are made, or incremental ones, or both.";
            errors.push(FieldError { field: "full".into(), sentence: sentence.into() });
        }
        // Both know the same zone: it is told once.
        errors.sort_by(|one, other| one.field.cmp(&other.field));
        errors.dedup();
        if errors.is_empty() {
            return Ok(Self { full: full_cron, incremental: incremental_cron, time_zone: time_zone.trim().into() });
        }
        Err(Error::invalid(errors))
    }

    /// When backups of one kind are due, if they are at all.
    #[must_use]
    pub fn of(&self, kind: BackupKind) -> Option<Schedule> {
        let cron = match kind {
            BackupKind::Full => &self.full,
            BackupKind::Incremental => &self.incremental,
        };
        Some(Schedule { cron: cron.clone()?, time_zone: self.time_zone.clone() })
    }

    /// What is due first after a moment; where both kinds are due at once, the full one.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Due> {
        let due = |kind: BackupKind| Some(Due { at: self.of(kind)?.next_after(after)?, kind });
        // Of equal ones, the first counts.
        KINDS.into_iter().filter_map(due).min_by_key(|due| due.at)
    }

    /// What is due after a moment, in order.
    pub fn upcoming(&self, after: Timestamp) -> impl Iterator<Item = Due> + '_ {
        std::iter::successors(self.next_after(after), |last| self.next_after(last.at))
    }

    /// The kind of the one backup that stands for everything that was due from one moment to another, both included.
    #[must_use]
    pub fn kind_within(&self, from: Timestamp, to: Timestamp) -> BackupKind {
        let Some(full) = self.of(BackupKind::Full) else { return BackupKind::Incremental };
        let just_before = from.saturating_sub(SignedDuration::from_nanos(1)).unwrap_or(from);
        let is_full = self.incremental.is_none() || full.next_after(just_before).is_some_and(|at| at <= to);
        if is_full { BackupKind::Full } else { BackupKind::Incremental }
    }

    /// The kind that is made when somebody asks for a backup and does not say which: the one that costs less.
    #[must_use]
    pub fn usual(&self) -> BackupKind {
        if self.incremental.is_some() { BackupKind::Incremental } else { BackupKind::Full }
    }

    /// In words: `Full every Sunday at 02:00, incremental every day at 02:00`, without the time zone.
    #[must_use]
    pub fn describe(&self) -> String {
        let words = |kind: BackupKind| Some(format!("{} {}", kind.as_str(), lower(&self.of(kind)?.describe())));
        let all = KINDS.into_iter().filter_map(words).collect::<Vec<_>>().join(", ");
        let mut letters = all.chars();
        letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
    }
}

/// An error of one kind's schedule, at that kind's field.
fn under(field: &str, error: FieldError) -> FieldError {
    if error.field == "cron" { FieldError { field: field.into(), ..error } } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedules(full: &str, incremental: &str) -> Schedules {
        Schedules::parse(full, incremental, "Europe/Berlin").unwrap()
    }

    /// The next ones, such as `2026-11-29T01:00:00Z full`.
    fn next(schedules: &Schedules, after: &str, count: usize) -> Vec<String> {
        schedules.upcoming(at(after)).take(count).map(|due| format!("{} {}", due.at, due.kind.as_str())).collect()
    }

    #[test]
    fn both_are_merged_and_a_full_one_takes_the_place_of_an_incremental_one() {
        let weekly = schedules("0 2 * * 0", "0 2 * * *");
        assert_eq!(
            next(&weekly, "2026-11-27T12:00:00Z", 3),
            ["2026-11-28T01:00:00Z incremental", "2026-11-29T01:00:00Z full", "2026-11-30T01:00:00Z incremental"]
        );
        let apart = schedules("0 2 * * 0", "30 * * * *");
        assert_eq!(
            next(&apart, "2026-11-29T00:15:00Z", 3),
            ["2026-11-29T00:30:00Z incremental", "2026-11-29T01:00:00Z full", "2026-11-29T01:30:00Z incremental"]
        );
        assert_eq!(next(&schedules("", "0 2 * * *"), "2026-11-27T12:00:00Z", 1), ["2026-11-28T01:00:00Z incremental"]);
        assert_eq!(next(&schedules("0 2 * * 0", " "), "2026-11-27T12:00:00Z", 1), ["2026-11-29T01:00:00Z full"]);
    }

    #[test]
    fn what_the_gap_of_summer_time_brings_together_is_one_full_backup() {
        // From 02:00 to 03:00 the clocks show nothing on that day: all that is due then happens at 03:00.
        let both = schedules("15 2 * * 0", "45 2 * * *");
        assert_eq!(
            next(&both, "2026-03-28T12:00:00Z", 3),
            ["2026-03-29T01:00:00Z full", "2026-03-30T00:45:00Z incremental", "2026-03-31T00:45:00Z incremental"]
        );
        let hourly = schedules("0 2 * * 0", "0 * * * *");
        assert_eq!(
            next(&hourly, "2026-03-28T23:30:00Z", 3),
            ["2026-03-29T00:00:00Z incremental", "2026-03-29T01:00:00Z full", "2026-03-29T02:00:00Z incremental"]
        );
    }

    #[test]
    fn when_the_clocks_go_back_a_full_backup_is_made_once() {
        let daily = schedules("30 2 * * 0", "30 2 * * *");
        assert_eq!(
            next(&daily, "2026-10-24T12:00:00Z", 3),
            ["2026-10-25T00:30:00Z full", "2026-10-26T01:30:00Z incremental", "2026-10-27T01:30:00Z incremental"]
        );
        // Every hour is every hour: the one that the clocks show twice has two incrementals, and one full beside them.
        let hourly = schedules("0 2 * * 0", "0 * * * *");
        assert_eq!(
            next(&hourly, "2026-10-24T23:30:00Z", 3),
            ["2026-10-25T00:00:00Z full", "2026-10-25T01:00:00Z incremental", "2026-10-25T02:00:00Z incremental"]
        );
    }

    #[test]
    fn what_was_missed_is_full_if_any_of_it_was() {
        let both = schedules("0 2 * * 0", "0 2 * * *");
        let kind = |from: &str, to: &str| both.kind_within(at(from), at(to)).as_str();
        assert_eq!(kind("2026-11-28T01:00:00Z", "2026-11-28T01:00:01Z"), "incremental");
        assert_eq!(kind("2026-11-29T01:00:00Z", "2026-11-29T01:00:00Z"), "full");
        assert_eq!(kind("2026-11-25T01:00:00Z", "2026-12-02T09:00:00Z"), "full");
        assert_eq!(kind("2026-11-29T01:00:01Z", "2026-12-05T01:00:00Z"), "incremental");
        // Whatever the time is that somebody put it off to.
        assert_eq!(schedules("0 2 * * 0", "").kind_within(at("2026-11-25T07:07:00Z"), at("2026-11-25T07:07:00Z")), BackupKind::Full);
        assert_eq!(schedules("", "0 2 * * *").kind_within(at("2020-01-01T00:00:00Z"), at("2026-11-25T07:07:00Z")).as_str(), "incremental");
    }

    #[test]
    fn both_are_told_in_words() {
        let both = schedules(" 0 2 * * 0 ", "0  * * * *");
        assert_eq!(both.describe(), "Full every Sunday at 02:00, incremental every hour");
        assert_eq!(schedules("", "0 2 * * *").describe(), "Incremental every day at 02:00");
        assert_eq!((both.full.as_deref(), both.incremental.as_deref()), (Some("0 2 * * 0"), Some("0 * * * *")));
        assert_eq!((both.usual(), schedules("0 2 * * *", "").usual()), (BackupKind::Incremental, BackupKind::Full));
    }

    #[test]
    fn what_is_wrong_is_said_once_at_its_field() {
        let fields = |full: &str, incremental: &str, zone: &str| {
            let error = Schedules::parse(full, incremental, zone).unwrap_err();
            assert_eq!(error.code(), Code::Invalid);
            error.told().fields.iter().map(|error| error.field.clone()).collect::<Vec<_>>()
        };
        assert_eq!(fields("", " ", "UTC"), ["full"]);
        assert_eq!(fields("61 2 * * *", "never", "Mars/Olympus"), ["full", "incremental", "time_zone"]);
        assert_eq!(fields("0 2 30 2 *", "0 2 * * *", "UTC"), ["full"]);
        assert_eq!(fields("", "0 2 * * *", "Mars/Olympus"), ["time_zone"]);
    }
}
