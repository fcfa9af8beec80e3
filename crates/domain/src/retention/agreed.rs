//! Several tasks over the same chains: the safest wish wins.

use super::{Chain, Decision, Rule, plan};
use jiff::{Timestamp, tz::TimeZone};

/// How long one task wants the chains of its databases to be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The task's name.
    pub task: String,
    /// Its rule; none keeps everything.
    pub rule: Option<Rule>,
    /// By whose days, weeks, months and years.
    pub zone: TimeZone,
}

/// Plans for chains over which several tasks have a word: one goes only if each of them would let it go. Without any, all stay.
#[must_use]
pub fn agreed(chains: &[Chain], wishes: &[Wish], failing: Option<&str>, now: Timestamp) -> Vec<Decision> {
    let plans: Vec<Vec<Decision>> = wishes.iter().map(|wish| of_one(chains, wish, failing, now)).collect();
    let decide = |at: usize| {
        let keeps = || wishes.iter().zip(&plans).map(|(wish, plan)| (wish, &plan[at])).filter(|(_, decision)| decision.keep);
        match (keeps().next(), keeps().count()) {
            (None, _) => match plans.first() {
                Some(plan) => plan[at].clone(),
                None => Decision { keep: true, reason: "No task says how long it is kept.".into() },
            },
            (Some((_, decision)), all) if all == wishes.len() => decision.clone(),
            (Some((wish, decision)), _) => {
                Decision { keep: true, reason: format!("The task {:?} keeps it. {}", wish.task, decision.reason) }
            }
        }
    };
    (0..chains.len()).map(decide).collect()
}

fn of_one(chains: &[Chain], wish: &Wish, failing: Option<&str>, now: Timestamp) -> Vec<Decision> {
    match &wish.rule {
        Some(rule) => plan(chains, rule, &wish.zone, failing, now),
        None => vec![Decision { keep: true, reason: "It keeps everything.".into() }; chains.len()],
    }
}
