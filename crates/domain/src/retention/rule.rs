//! A rule that says what is kept.

use crate::{Code, Error, Result};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What is kept. A chain stays if any part of the rule wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rule {
    /// Chains whose newest restore point is not more than this many days older than the newest good one.
    pub days: Option<u32>,
    /// So many of the newest chains.
    pub count: Option<u32>,
    /// The newest chain of each of so many days that have one.
    pub daily: Option<u32>,
    /// The same by weeks, which begin on Monday.
    pub weekly: Option<u32>,
    /// The same by months.
    pub monthly: Option<u32>,
    /// The same by years.
    pub yearly: Option<u32>,
}

/// Names of a rule's parts, as they are written.
const PARTS: [&str; 6] = ["days", "count", "daily", "weekly", "monthly", "yearly"];

/// The largest number that a part takes: a century of days.
const MOST: u32 = 36_525;

impl Rule {
    fn part(&mut self, name: &str) -> Option<&mut Option<u32>> {
        Some(match name {
            "days" => &mut self.days,
            "count" => &mut self.count,
            "daily" => &mut self.daily,
            "weekly" => &mut self.weekly,
            "monthly" => &mut self.monthly,
            "yearly" => &mut self.yearly,
            _ => return None,
        })
    }
}

impl FromStr for Rule {
    type Err = Error;

    /// Reads a rule such as `days=30` or `daily=7,weekly=4,monthly=12`.
    fn from_str(text: &str) -> Result<Self> {
        let refused = |sentence: String| {
            let next_step = format!("Give one or more of {} with a number, such as daily=7,weekly=4.", PARTS.join(", "));
            Error::new(Code::Usage, sentence, next_step)
        };
        let mut rule = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (name, number) = part.split_once('=').ok_or_else(|| refused(format!("{part:?} is no part of a rule.")))?;
            let slot = rule.part(name.trim()).ok_or_else(|| refused(format!("{name:?} is no part of a rule.")))?;
            let number = number.trim().parse().ok().filter(|number| (1..=MOST).contains(number));
            let number = number.ok_or_else(|| refused(format!("{part:?} needs a number from 1 to {MOST}.")))?;
            if slot.replace(number).is_some() {
                return Err(refused(format!("{name:?} is there twice.")));
            }
        }
        if rule == Self::default() { Err(refused("The rule keeps nothing.".into())) } else { Ok(rule) }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut copy = self.clone();
        let parts = PARTS.iter().filter_map(|name| Some(format!("{name}={}", (*copy.part(name)?)?)));
        f.write_str(&parts.collect::<Vec<_>>().join(","))
    }
}

impl Rule {
    /// In words, a sentence: `Everything of the last 30 days; the 5 newest chains.`
    #[must_use]
    pub fn in_words(&self) -> String {
        let days = self.days.map(|days| format!("everything of the last {}", number(days, "day")));
        let count = self.count.map(|count| if count == 1 { "the newest chain".into() } else { format!("the {count} newest chains") });
        let periods = [(self.daily, "day"), (self.weekly, "week"), (self.monthly, "month"), (self.yearly, "year")];
        let periods: Vec<String> = periods.into_iter().filter_map(|(most, word)| Some(number(most?, word))).collect();
        let periods = match periods.as_slice() {
            [] => None,
            [one] => Some(format!("the newest chain of each of {one}")),
            [first @ .., last] => Some(format!("the newest chain of each of {} and {last}", first.join(", "))),
        };
        let parts: Vec<String> = [days, count, periods].into_iter().flatten().collect();
        let words = parts.join("; ");
        let (first, rest) = words.split_at(words.chars().next().map_or(0, char::len_utf8));
        format!("{}{rest}.", first.to_uppercase())
    }
}

fn number(number: u32, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        text.parse().unwrap()
    }

    #[test]
    fn a_rule_is_read_as_it_is_written() {
        for text in ["days=30", "count=5", "daily=7,weekly=4,monthly=12,yearly=3"] {
            assert_eq!(rule(text).to_string(), text);
        }
        for text in ["", "days", "days=0", "days=x", "years=1", "days=1,days=2", "count=99999"] {
            assert_eq!(text.parse::<Rule>().unwrap_err().code(), Code::Usage, "{text:?}");
        }
    }

    #[test]
    fn a_rule_is_told_in_words() {
        for (text, words) in [
            ("days=30", "Everything of the last 30 days."),
            ("days=1,count=1", "Everything of the last 1 day; the newest chain."),
            ("daily=7", "The newest chain of each of 7 days."),
            ("count=5,daily=7,weekly=4,monthly=1", "The 5 newest chains; the newest chain of each of 7 days, 4 weeks and 1 month."),
        ] {
            assert_eq!(rule(text).in_words(), words);
        }
    }
}
