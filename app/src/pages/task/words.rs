//! A task in sentences.

use crate::components::counted;
use domain::{
    ChainLimit, display,
    view::{server::Tally, task::TaskLine},
};

/// Whether everything that the task covers is as safe as it promises.
pub fn answer(tally: Tally, enabled: bool) -> String {
    let total = tally.total();
    let all = counted(total, "database", "databases");
    if total == 0 {
        return "It covers no database yet.".into();
    }
    if !enabled {
        return format!("It is paused: {all} wait for it.");
    }
    if tally.protected == total {
        return if total == 1 { "Its one database is protected.".into() } else { format!("All {all} are protected.") };
    }
    let parts = [(tally.overdue, "overdue"), (tally.never, "never backed up"), (tally.uncovered, "without protection")];
    let rest: Vec<_> =
        parts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{} {word}", display::count(count))).collect();
    format!("{} of {all} are protected; {}.", display::count(tally.protected), rest.join(", "))
}

/// Which databases it covers.
pub fn covers(line: &TaskLine) -> String {
    let left_out: Vec<_> = line.selection.left_out().collect();
    let whose = if line.servers.len() > 1 { "these servers" } else { "the server" };
    match (&line.selection.only, left_out.as_slice()) {
        (Some(only), _) => format!("{only} alone"),
        (None, []) => format!("All of {whose}, new ones too"),
        (None, left_out) => format!("All of {whose}, new ones too, except {}", list(left_out)),
    }
}

/// How long chains may grow.
pub fn chains(limit: ChainLimit) -> String {
    let limits = [(limit.incrementals, "incremental", "incrementals"), (limit.days, "day", "days")];
    let limits: Vec<_> = limits.into_iter().filter_map(|(most, one, many)| Some(counted(most?.into(), one, many))).collect();
    if limits.is_empty() {
        "They grow without limit".into()
    } else {
        format!("A new full backup at the latest after {}", limits.join(" or "))
    }
}

/// `a, b and 3 more`.
pub fn list(names: &[String]) -> String {
    const MOST: usize = 4;
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] if names.len() <= MOST => format!("{} and {last}", first.join(", ")),
        names => format!("{} and {} more", names[..MOST - 1].join(", "), names.len() - (MOST - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_an_answer() {
        let tally = |protected, overdue, never| Tally { protected, overdue, never, uncovered: 0 };
        assert_eq!(answer(tally(24, 0, 0), true), "All 24 databases are protected.");
        assert_eq!(answer(tally(1, 0, 0), true), "Its one database is protected.");
        assert_eq!(answer(tally(21, 2, 1), true), "21 of 24 databases are protected; 2 overdue, 1 never backed up.");
        assert_eq!(answer(tally(0, 0, 0), true), "It covers no database yet.");
    }

    #[test]
    fn long_lists_are_cut() {
        let names = |n: usize| (1..=n).map(|i| format!("d{i}")).collect::<Vec<_>>();
        assert_eq!(list(&names(1)), "d1");
        assert_eq!(list(&names(3)), "d1, d2 and d3");
        assert_eq!(list(&names(7)), "d1, d2, d3 and 4 more");
    }
}
