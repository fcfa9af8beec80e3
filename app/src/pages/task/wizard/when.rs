//! The choice of times that most people make, and its cron expression.

/// How often a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Every {
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
    pub const ALL: [Self; 4] = [Self::Day, Self::Week, Self::Month, Self::Cron];

    /// Its word in the form.
    pub fn word(self) -> &'static str {
        match self {
            Self::Day => "daily",
            Self::Week => "weekly",
            Self::Month => "monthly",
            Self::Cron => "cron",
        }
    }

    /// Its name.
    pub fn title(self) -> &'static str {
        match self {
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

/// The fields of the schedule step, as they are filled in.
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

impl When {
    /// What a cron expression means, in these fields.
    pub fn of_cron(cron: &str) -> Self {
        let mut when = Self { every: Every::Cron, at: "02:00".into(), weekday: "0".into(), day: "1".into() };
        let fields: Vec<&str> = cron.split_whitespace().collect();
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

    /// The cron expression of these fields; `typed` is the one that was written by hand. Empty if a field says nothing.
    pub fn cron(&self, typed: &str) -> String {
        let times = match self.every {
            Every::Cron => return typed.into(),
            every => self.time().zip(self.days(every)),
        };
        times.map(|((hour, minute), days)| format!("{minute} {hour} {days}")).unwrap_or_default()
    }

    fn time(&self) -> Option<(u8, u8)> {
        let (hour, minute) = self.at.trim().split_once(':')?;
        // Some browsers send seconds.
        let minute = minute.split(':').next()?;
        number(hour, 0..=23).zip(number(minute, 0..=59))
    }

    fn days(&self, every: Every) -> Option<String> {
        Some(match every {
            Every::Day | Every::Cron => "* * *".into(),
            Every::Week => format!("* * {}", number(&self.weekday, 0..=6)?),
            Every::Month => format!("{} * *", number(&self.day, 1..=31)?),
        })
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
        for cron in ["0 2 * * *", "30 23 * * 0", "5 0 31 * *", "0 12 * * 6"] {
            let when = When::of_cron(cron);
            assert_ne!(when.every, Every::Cron, "{cron}");
            assert_eq!(when.cron("ignored"), cron);
        }
        for cron in ["0 * * * *", "*/15 * * * *", "0 2 1 * 1", "0 2 * 6 *", "0 2 * * MON-FRI", "nonsense", ""] {
            let when = When::of_cron(cron);
            assert_eq!((when.every, when.cron(cron)), (Every::Cron, cron.into()));
        }
        assert_eq!(When::of_cron("0 2 * * 7").weekday, "0");
    }

    #[test]
    fn a_field_that_says_nothing_gives_no_expression() {
        let when = When { every: Every::Month, at: "02:00:00".into(), weekday: String::new(), day: "12".into() };
        assert_eq!(when.cron(""), "0 2 12 * *");
        assert_eq!(When { day: "32".into(), ..when.clone() }.cron(""), "");
        assert_eq!(When { at: "25:00".into(), ..when.clone() }.cron(""), "");
        assert_eq!(When { at: String::new(), ..when }.cron(""), "");
    }
}
