//! How long backups are kept: a plan over the chains of one database at one destination. Nothing is deleted here.
//!
//! A chain is one thing. It goes only when no rule keeps it, and never if it is what is left to restore from: the newest one that is
//! whole, and all that came after it, stay whatever the rule. While newer backups fail, nothing goes at all.

mod agreed;
mod rule;
mod suspicion;

pub use agreed::{Wish, agreed};
pub use rule::Rule;
pub use suspicion::{Measure, suspicion};

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use std::collections::BTreeSet;

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
    /// How much its full backup holds.
    pub measure: Measure,
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
    let good: Vec<usize> = (0..whole.len()).filter(|at| oddity(chains, &whole[*at..]).is_none()).map(|at| whole[at]).collect();
    // What there is to restore from, and all that came after it.
    let last = good.first().copied().or(whole.first().copied());
    let newest = order.first().copied();
    let failing = match failing {
        Some(why) => Some(why.to_owned()),
        None if newest == good.first().copied() => None,
        None if newest == whole.first().copied() => oddity(chains, &whole).map(|why| format!("The newest backup is suspicious. {why}")),
        None if newest.is_some() => Some("The newest backup cannot be used".into()),
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

/// Why the first of these chains, newest first, may lack something.
fn oddity(chains: &[Chain], whole: &[usize]) -> Option<String> {
    let (one, before) = whole.split_first()?;
    suspicion(chains[*one].measure, before.iter().map(|at| chains[*at].measure))
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
#[cfg(test)]
mod year;
