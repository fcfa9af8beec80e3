//! How long backups are kept: a plan over the chains of one database at one destination. Nothing is deleted here.
//!
//! A chain is one thing. It goes only when no rule keeps it, and never if it is what is left to restore from: the newest one that is
//! whole, and all that came after it, stay whatever the rule. While newer backups fail, nothing goes at all.

use crate::{Code, Error, Result};
use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// What is kept. A chain stays if any part of the rule wants it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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

/// How a chain is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Every member of it can be used.
    Whole,
    /// A member cannot be used; why, a sentence.
    Damaged(String),
    /// Somebody else signed it, or nobody can tell who; why, a sentence. It is not ours to delete.
    Foreign(String),
}

/// A full backup and what builds on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// When its full backup was made.
    pub began_at: Timestamp,
    /// When its newest member was made.
    pub ended_at: Timestamp,
    /// Bytes of the full backup's rows and definitions.
    pub size_bytes: u64,
    /// Rows of the full backup.
    pub rows: u64,
    /// How it is.
    pub condition: Condition,
    /// Why it must not go, if it was pinned: a sentence.
    pub held: Option<String>,
}

/// What becomes of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it stays.
    pub keep: bool,
    /// Why, a sentence.
    pub reason: String,
}

/// Backups before one that it is compared with.
const COMPARED: usize = 7;

/// A backup that is dated later than this after the moment of the plan tells of a clock that was wrong, and of nothing else.
const AHEAD: SignedDuration = SignedDuration::from_hours(24);

/// Plans for the chains of one database at one destination; the decisions come in the order of the chains. Days, weeks, months and
/// years are those of the time zone. `failing` says why newer backups fail, if they do.
///
/// Age counts from the newest good chain and not from `now`, so that nothing gets old by backups that fail or have stopped, or by
/// a clock that is ahead. A chain from the future stays, and stands for nothing.
#[must_use]
pub fn plan(chains: &[Chain], rule: &Rule, zone: &TimeZone, failing: Option<&str>, now: Timestamp) -> Vec<Decision> {
    let is_ahead = |chain: &Chain| chain.began_at.duration_since(now) > AHEAD;
    let mut order: Vec<usize> = (0..chains.len()).filter(|at| !is_ahead(&chains[*at])).collect();
    order.sort_by_key(|at| std::cmp::Reverse((chains[*at].began_at, *at)));
    let whole: Vec<usize> = order.iter().copied().filter(|at| chains[*at].condition == Condition::Whole).collect();
    let good: Vec<usize> = (0..whole.len()).filter(|at| !is_suspicious(chains, &whole[*at..])).map(|at| whole[at]).collect();
    // What there is to restore from, and all that came after it.
    let last = good.first().copied().or(whole.first().copied());
    let newest = order.first().copied();
    let failing = match failing {
        Some(why) => Some(why.to_owned()),
        None if newest != good.first().copied() => Some("The newest backup is not good".into()),
        None => None,
    };
    let today = good.first().map_or(now, |newest| chains[*newest].ended_at.min(now));
    let by_period = wanted_by_period(chains, &good, rule, zone);
    let decide = |at: usize| {
        let chain = &chains[at];
        let keep = |reason: String| Decision { keep: true, reason };
        if let Condition::Foreign(why) = &chain.condition {
            return keep(format!("It is not ours to delete: {why}"));
        }
        if let Some(why) = &chain.held {
            return keep(why.clone());
        }
        if is_ahead(chain) {
            return keep("It is dated in the future: the clock was wrong when it was made, or is now.".into());
        }
        if last == Some(at) || whole.first() == Some(&at) {
            return keep("It is the newest whole one.".into());
        }
        if last.is_none_or(|last| chains[last].began_at <= chain.began_at) {
            return keep("There is no newer one that is good.".into());
        }
        if let Some(why) = &failing {
            return keep(format!("{}: nothing is deleted until a newer one is good.", why.trim_end_matches('.')));
        }
        if let Some(days) =
            rule.days.filter(|days| today.duration_since(chain.ended_at) < SignedDuration::from_hours(24 * i64::from(*days)))
        {
            return keep(format!("It is younger than {days} days."));
        }
        if let Some(count) = rule.count.filter(|count| good.iter().take(*count as usize).any(|good| *good == at)) {
            return keep(format!("It is one of the {count} newest."));
        }
        match by_period.iter().find(|(_, wanted)| wanted.contains(&at)) {
            Some((period, _)) => keep(format!("It is the newest of its {period}.")),
            None => Decision { keep: false, reason: gone(chain) },
        }
    };
    (0..chains.len()).map(decide).collect()
}

fn gone(chain: &Chain) -> String {
    match &chain.condition {
        Condition::Damaged(why) => format!("No rule keeps it, and it cannot be used: {why}"),
        _ => "No rule keeps it.".into(),
    }
}

/// Whether the first of these chains, newest first, is so much smaller than those before it that something may be missing from it.
fn is_suspicious(chains: &[Chain], whole: &[usize]) -> bool {
    let Some((one, before)) = whole.split_first() else { return false };
    let before = &before[..before.len().min(COMPARED)];
    if before.is_empty() {
        return false;
    }
    let median = |of: fn(&Chain) -> u64| {
        let mut values: Vec<u64> = before.iter().map(|at| of(&chains[*at])).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    let is_half = |of: fn(&Chain) -> u64| of(&chains[*one]).saturating_mul(2) < median(of);
    is_half(|chain| chain.size_bytes) || is_half(|chain| chain.rows)
}

/// What tells the period of a day from all others.
type Period = fn(Date) -> (i16, i8, i8);

const PERIODS: [(&str, Period); 4] = [
    ("day", |date| (date.year(), date.month(), date.day())),
    ("week", |date| (date.iso_week_date().year(), date.iso_week_date().week(), 0)),
    ("month", |date| (date.year(), date.month(), 0)),
    ("year", |date| (date.year(), 0, 0)),
];

/// The chains that parts of the rule want which go by the calendar, each with the word of its period.
fn wanted_by_period(chains: &[Chain], good: &[usize], rule: &Rule, zone: &TimeZone) -> Vec<(&'static str, Vec<usize>)> {
    let wanted = |most: u32, period: Period| {
        let mut seen = BTreeSet::new();
        let is_first = |at: &usize| seen.insert(period(chains[*at].began_at.to_zoned(zone.clone()).date()));
        good.iter().copied().filter(is_first).take(most as usize).collect()
    };
    let most = [rule.daily, rule.weekly, rule.monthly, rule.yearly];
    PERIODS.into_iter().zip(most).filter_map(|((word, period), most)| Some((word, wanted(most?, period)))).collect()
}

#[cfg(test)]
mod tests;
