//! The choice of times that most people make, and its cron expression.

use domain::BackupKind;

/// How often a task makes backups of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
    /// Not at all.
    Never,
    /// Each full hour.
    Hour,
    /// Each day at a time.
    Day,
    /// On one weekday at a time.
    Week,
    /// On one day of the month at a time.
    Month,
    /// As a cron expression says.
    Cron,
}

impl Every {
    /// All, in the order in which they are offered.
    pub const ALL: [Self; 6] = [Self::Never, Self::Hour, Self::Day, Self::Week, Self::Month, Self::Cron];

    /// Its word in the form.
    pub fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Hour => "hourly",
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Cron => "cron",
        }
    }

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
            Self::Never => "Never",
            Self::Hour => "Hourly",
            Self::Day => "Daily",
            Self::Week => "Weekly",
            Self::Month => "Monthly",
            Self::Cron => "Cron",
        }
    }

    /// What a word of the form stands for.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|every| every.word() == word)
    }
}

/// The weekdays, with their numbers in cron.
pub const WEEKDAYS: [(&str, &str); 7] =
    [("1", "Monday"), ("2", "Tuesday"), ("3", "Wednesday"), ("4", "Thursday"), ("5", "Friday"), ("6", "Saturday"), ("0", "Sunday")];

/// Names of the fields that ask when backups of one kind are made.
pub struct Names {
    /// The kind.
    pub kind: BackupKind,
    /// How often.
    pub every: &'static str,
    /// The time of day.
    pub at: &'static str,
    /// The weekday.
    pub weekday: &'static str,
    /// The day of the month.
    pub day: &'static str,
    /// The cron expression, which is what the task keeps.
    pub cron: &'static str,
}

/// Those of full backups, and those of incremental ones.
pub const NAMES: [Names; 2] = [
    Names { kind: BackupKind::Full, every: "full_every", at: "full_at", weekday: "full_weekday", day: "full_day", cron: "full" },
    Names {
        kind: BackupKind::Incremental,
        every: "incremental_every",
        at: "incremental_at",
        weekday: "incremental_weekday",
        day: "incremental_day",
        cron: "incremental",
    },
];

/// What stands for a choice whose fields say no time. It is no expression, and so it is never taken for one, nor for never.
pub const UNCLEAR: &str = "-";

/// The fields of one kind, as they are filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct When {
    /// How often.
    pub every: Every,
    /// The time of day, such as `02:00`.
    pub at: String,
    /// The weekday's number, from Sunday.
    pub weekday: String,
    /// The day of the month.
    pub day: String,
}

impl Names {
    /// The fields with what is filled in.
    pub fn pairs(&self, when: &When) -> [(&'static str, String); 4] {
        let When { every, at, weekday, day } = when.clone();
        [(self.every, every.word().into()), (self.at, at), (self.weekday, weekday), (self.day, day)]
    }
}

impl When {
    /// What a cron expression means, in these fields.
    pub fn of_cron(cron: &str) -> Self {
        let mut when = Self { every: Every::Cron, at: "02:00".into(), weekday: "0".into(), day: "1".into() };
        let fields: Vec<&str> = cron.split_whitespace().collect();
        match fields[..] {
            [] => when.every = Every::Never,
            ["0", "*", "*", "*", "*"] => when.every = Every::Hour,
            _ => {}
        }
        let [minute, hour, day, "*", weekday] = fields[..] else { return when };
        let (Some(minute), Some(hour)) = (number(minute, 0..=59), number(hour, 0..=23)) else { return when };
        match (number(day, 1..=31), number(weekday, 0..=7)) {
            (None, None) if day == "*" && weekday == "*" => when.every = Every::Day,
            (None, Some(weekday)) if day == "*" => (when.every, when.weekday) = (Every::Week, (weekday % 7).to_string()),
            (Some(day), None) if weekday == "*" => (when.every, when.day) = (Every::Month, day.to_string()),
            _ => return when,
        }
        when.at = format!("{hour:02}:{minute:02}");
        when
    }

    /// The cron expression of these fields; `typed` is the one that was written by hand. Empty for never.
    pub fn cron(&self, typed: &str) -> String {
        match self.every {
            Every::Never => String::new(),
            Every::Hour => "0 * * * *".into(),
            // Whoever chose to write one wants it to be there.
            Every::Cron if typed.trim().is_empty() => UNCLEAR.into(),
            Every::Cron => typed.into(),
            Every::Day => self.on(Some("* * *".into())),
            Every::Week => self.on(number(&self.weekday, 0..=6).map(|day| format!("* * {day}"))),
            Every::Month => self.on(number(&self.day, 1..=31).map(|day| format!("{day} * *"))),
        }
    }

    fn on(&self, days: Option<String>) -> String {
        self.time().zip(days).map_or_else(|| UNCLEAR.into(), |((hour, minute), days)| format!("{minute} {hour} {days}"))
    }

    fn time(&self) -> Option<(u8, u8)> {
        let (hour, minute) = self.at.trim().split_once(':')?;
        // Some browsers send seconds.
        let minute = minute.split(':').next()?;
        number(hour, 0..=23).zip(number(minute, 0..=59))
    }
}

fn number(text: &str, range: std::ops::RangeInclusive<u8>) -> Option<u8> {
    text.trim().parse().ok().filter(|number| range.contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_comes_back_from_its_cron_expression() {
        for cron in ["0 2 * * *", "30 23 * * 0", "5 0 31 * *", "0 12 * * 6", "0 * * * *", ""] {
            let when = When::of_cron(cron);
            assert_ne!(when.every, Every::Cron, "{cron}");
            assert_eq!(when.cron("ignored"), cron);
        }
        for cron in ["5 * * * *", "*/15 * * * *", "0 2 1 * 1", "0 2 * 6 *", "0 2 * * MON-FRI", "nonsense", UNCLEAR] {
            let when = When::of_cron(cron);
            assert_eq!((when.every, when.cron(cron)), (Every::Cron, cron.into()));
        }
        assert_eq!(When::of_cron("0 2 * * 7").weekday, "0");
    }

    #[test]
    fn a_field_that_says_nothing_gives_no_expression_and_is_not_taken_for_never() {
        let when = When { every: Every::Month, at: "02:00:00".into(), weekday: String::new(), day: "12".into() };
        assert_eq!(when.cron(""), "0 2 12 * *");
        assert_eq!(When { day: "32".into(), ..when.clone() }.cron(""), UNCLEAR);
        assert_eq!(When { at: "25:00".into(), ..when.clone() }.cron(""), UNCLEAR);
        assert_eq!(When { at: String::new(), ..when.clone() }.cron(""), UNCLEAR);
        assert_eq!(When { every: Every::Cron, ..when.clone() }.cron(" "), UNCLEAR);
        assert_eq!(When { every: Every::Never, ..when }.cron("0 2 * * *"), "");
    }
}
