//! When a task is due.

use crate::{Error, FieldError, Result};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Times at which something is due: a cron expression of five fields, read in a time zone.
///
/// A time that a change to summer time leaves out happens at the first moment after the gap; one that happens twice
/// when the clocks go back counts once, the first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Minute, hour, day of month, month, day of week.
    pub cron: String,
    /// Name of the time zone in the IANA database, such as `Europe/Berlin`.
    pub time_zone: String,
}

impl Schedule {
    /// Checks both parts. The errors name the fields `cron` and `time_zone`.
    ///
    /// # Errors
    /// [`crate::Code::Invalid`] with all that is wrong.
    pub fn parse(cron: &str, time_zone: &str) -> Result<Self> {
        let schedule = Self { cron: cron.split_whitespace().collect::<Vec<_>>().join(" "), time_zone: time_zone.trim().into() };
        let errors: Vec<_> = [schedule.cron().err(), schedule.zone().err()].into_iter().flatten().collect();
        if errors.is_empty() {
            // Both are right, and yet the 30th of February never comes.
            schedule.next_after(Timestamp::UNIX_EPOCH).ok_or_else(|| Error::invalid_field("cron", "No such time ever comes."))?;
            return Ok(schedule);
        }
        Err(Error::invalid(errors))
    }

    /// The first due time later than `after`; `None` if none comes within the years that can be counted.
    #[must_use]
    pub fn next_after(&self, after: Timestamp) -> Option<Timestamp> {
        let (cron, zone) = (self.cron().ok()?, self.zone().ok()?);
        let next: Zoned = cron.find_next_occurrence(&after.to_zoned(zone), false).ok()?;
        Some(next.timestamp())
    }

    /// The due times after `after`, in order.
    pub fn upcoming(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> + '_ {
        std::iter::successors(self.next_after(after), |last| self.next_after(*last))
    }

    /// In words: `Every Sunday at 02:00`, without the time zone.
    #[must_use]
    pub fn describe(&self) -> String {
        let fields: Vec<&str> = self.cron.split(' ').collect();
        if let [minute, hour, day, "*", weekday] = fields.as_slice()
            && let Some(words) = plain_words(minute, hour, day, weekday)
        {
            return words;
        }
        self.cron().map_or_else(|_| self.cron.clone(), |cron| cron.describe().trim_end_matches('.').into())
    }

    fn cron(&self) -> Result<Cron, FieldError> {
        let parser = CronParser::builder().seconds(Seconds::Disallowed).year(Year::Disallowed).build();
        parser.parse(&self.cron).map_err(|error| FieldError {
            field: "cron".into(),
            sentence: if self.cron.is_empty() {
                "Give the times as a cron expression, such as 0 2 * * * for every day at 02:00.".into()
            } else {
                format!(
                    "{:?} is not a cron expression of five fields (minute, hour, day, month, weekday): {}.",
                    self.cron,
                    error.to_string().trim_end_matches('.')
                )
            },
        })
    }

    fn zone(&self) -> Result<TimeZone, FieldError> {
        TimeZone::get(&self.time_zone).map_err(|_| FieldError {
            field: "time_zone".into(),
            sentence: format!("{:?} is not a time zone that is known here. Give its name, such as Europe/Berlin or UTC.", self.time_zone),
        })
    }
}

/// The sentences for what most people choose. Everything else is described by the parser.
fn plain_words(minute: &str, hour: &str, day: &str, weekday: &str) -> Option<String> {
    const DAYS: [&str; 8] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let number = |text: &str| text.parse::<u8>().ok();
    match (minute, hour, day, weekday) {
        ("*", "*", "*", "*") => Some("Every minute".into()),
        ("0", "*", "*", "*") => Some("Every hour".into()),
        (minute, "*", "*", "*") if minute.starts_with("*/") => Some(format!("Every {} minutes", number(&minute[2..])?)),
        (minute, "*", "*", "*") => Some(format!("Every hour at minute {}", number(minute)?)),
        ("0", hour, "*", "*") if hour.starts_with("*/") => Some(format!("Every {} hours", number(&hour[2..])?)),
        (minute, hour, "*", "*") => Some(format!("Every day at {:02}:{:02}", number(hour)?, number(minute)?)),
        (minute, hour, "*", weekday) => {
            let day = DAYS.get(usize::from(number(weekday)?))?;
            Some(format!("Every {day} at {:02}:{:02}", number(hour)?, number(minute)?))
        }
        (minute, hour, day, "*") => Some(format!("On day {} of every month at {:02}:{:02}", number(day)?, number(hour)?, number(minute)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    fn next(cron: &str, zone: &str, after: &str) -> String {
        Schedule::parse(cron, zone).unwrap().next_after(after.parse().unwrap()).unwrap().to_string()
    }

    #[test]
    fn times_are_read_in_the_time_zone_of_the_task() {
        assert_eq!(next("0 2 * * *", "UTC", "2026-11-24T02:00:00Z"), "2026-11-25T02:00:00Z");
        assert_eq!(next("0 2 * * *", "Europe/Berlin", "2026-11-24T00:59:59Z"), "2026-11-24T01:00:00Z");
        assert_eq!(next("0 2 * * 0", "America/New_York", "2026-11-24T00:00:00Z"), "2026-11-29T07:00:00Z");
    }

    #[test]
    fn a_time_in_the_gap_of_summer_time_happens_once_after_it() {
        let schedule = Schedule::parse("30 2 * * *", "Europe/Berlin").unwrap();
        let times: Vec<_> = schedule.upcoming("2026-03-28T12:00:00Z".parse().unwrap()).take(2).map(|time| time.to_string()).collect();
        assert_eq!(times, ["2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]);
    }

    #[test]
    fn a_time_that_the_clocks_show_twice_happens_once() {
        let schedule = Schedule::parse("30 2 * * *", "Europe/Berlin").unwrap();
        let times: Vec<_> = schedule.upcoming("2026-10-24T12:00:00Z".parse().unwrap()).take(2).map(|time| time.to_string()).collect();
        assert_eq!(times, ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]);
    }

    #[test]
    fn presets_are_told_in_words() {
        for (cron, words) in [
            ("0 2 * * *", "Every day at 02:00"),
            ("0 2 * * 0", "Every Sunday at 02:00"),
            ("30 23 1 * *", "On day 1 of every month at 23:30"),
            ("0 * * * *", "Every hour"),
            ("*/15 * * * *", "Every 15 minutes"),
            ("0 */6 * * *", "Every 6 hours"),
        ] {
            assert_eq!(Schedule::parse(cron, "UTC").unwrap().describe(), words);
        }
        assert!(!Schedule::parse("0 2 * * MON-FRI", "UTC").unwrap().describe().is_empty());
    }

    #[test]
    fn what_is_wrong_is_said_at_its_field() {
        let error = Schedule::parse("61 2 * * *", "Mars/Olympus").unwrap_err();
        assert_eq!(error.code(), Code::Invalid);
        assert!(error.told().field("cron").is_some_and(|sentence| sentence.contains("61 2 * * *")));
        assert!(error.told().field("time_zone").is_some_and(|sentence| sentence.contains("Mars/Olympus")));
        for cron in ["", "0 2 * *", "0 0 2 * * *", "0 2 30 2 *", "@reboot", "a b c d e"] {
            assert!(Schedule::parse(cron, "UTC").unwrap_err().told().field("cron").is_some(), "{cron}");
        }
    }
}
