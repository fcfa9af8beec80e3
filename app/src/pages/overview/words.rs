//! The answer in words.

use crate::components::{Badge, Tone, counted};
use domain::{display::count, view::server::Tally};
use leptos::prelude::*;

/// The first line: is everything backed up?
pub fn answer(tally: Tally) -> String {
    let total = tally.total();
    match tally.protected {
        _ if total == 0 => "No databases have been found yet".into(),
        0 => format!("None of {} is protected", counted(total, "database", "databases")),
        protected if protected == total && total == 1 => "Your database is protected".into(),
        protected if protected == total => format!("All {} databases are protected", count(total)),
        protected => format!("{} of {} databases are protected", count(protected), count(total)),
    }
}

/// What the others are.
pub fn rest(tally: Tally) -> String {
    if tally.total() == 0 {
        return "The servers were reached and hold nothing, or could not be reached.".into();
    }
    let parts: Vec<_> = [
        (tally.overdue, "is overdue", "are overdue"),
        (tally.never, "has never been backed up", "have never been backed up"),
        (tally.uncovered, "belongs to no task", "belong to no task"),
    ]
    .into_iter()
    .filter(|(number, ..)| *number > 0)
    .map(|(number, one, many)| format!("{} {}", count(number), if number == 1 { one } else { many }))
    .collect();
    match parts.as_slice() {
        [] => "Each has a backup as young as its task promises.".into(),
        [one] => format!("{one}."),
        [first @ .., last] => format!("{} and {last}.", first.join(", ")),
    }
}

/// The parts of the bar in words.
#[component]
pub fn TallyWords(tally: Tally) -> impl IntoView {
    let parts = [
        (tally.protected, Tone::Good, "protected"),
        (tally.overdue, Tone::Warn, "overdue"),
        (tally.never, Tone::Bad, "never backed up"),
        (tally.uncovered, Tone::Calm, "in no task"),
    ];
    let badges = parts.into_iter().filter(|(number, ..)| *number > 0);
    view! { <p class="row">{badges.map(|(number, tone, word)| view! { <Badge tone text=format!("{} {word}", count(number))/> }).collect_view()}</p> }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_a_sentence() {
        let tally = |protected, overdue, never, uncovered| Tally { protected, overdue, never, uncovered };
        for (tally, first, second) in [
            (tally(40, 0, 0, 0), "All 40 databases are protected", "Each has a backup as young as its task promises."),
            (tally(38, 1, 1, 0), "38 of 40 databases are protected", "1 is overdue and 1 has never been backed up."),
            (tally(1, 2, 3, 4), "1 of 10 databases are protected", "2 are overdue, 3 have never been backed up and 4 belong to no task."),
            (tally(0, 0, 0, 1), "None of 1 database is protected", "1 belongs to no task."),
            (tally(1, 0, 0, 0), "Your database is protected", "Each has a backup as young as its task promises."),
        ] {
            assert_eq!((answer(tally).as_str(), rest(tally).as_str()), (first, second));
        }
    }
}
