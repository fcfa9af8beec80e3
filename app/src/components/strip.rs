//! Rounds on a line of time.

use super::{Tone, badge::round_tone, viewer_offset};
use domain::view::run::RoundLine;
use jiff::{SignedDuration, Timestamp, Unit, tz::Offset};
use leptos::{attr, prelude::*};

/// Hours that are shown before and after now.
const BEFORE: i64 = 24;
const AFTER: i64 = 12;

/// Rounds of the last 24 hours, and what is due in the next twelve.
#[component]
pub fn Strip(
    /// Rounds, oldest first.
    mut rounds: Vec<RoundLine>,
    /// When tasks are due: moment and task's name.
    due: Vec<(Timestamp, String)>,
    /// When the data was read.
    now: Timestamp,
) -> impl IntoView {
    let offset = viewer_offset(now);
    // Where they lie above each other, the one that needs to be seen lies on top.
    rounds.sort_by_key(|round| match round_tone(round.state).0 {
        Tone::Calm => 0,
        Tone::Good => 1,
        Tone::Warn => 2,
        Tone::Bad => 3,
        Tone::Busy => 4,
    });
    let rounds = rounds.into_iter().map(|round| view! { <Past round now/> }).collect_view();
    let due = due.into_iter().map(|(at, task)| {
        let told = format!("{task}, due {}", super::when::relative(at, now));
        view! { <g class="due"><rect x=percent(at, now) y="18" width="10" height="16" rx="5"></rect><title>{told}</title></g> }
    });
    let ticks = move || {
        let ticks = ticks(now, offset.get().unwrap_or(Offset::UTC)).into_iter();
        ticks
            .enumerate()
            .map(|(i, (at, word))| view! { <text class:minor=i % 2 == 1 x=percent(at, now) y="54">{word}</text> })
            .collect_view()
    };
    view! {
        <svg class="strip" role="group" aria-label="Rounds of the last 24 hours, and those due in the next 12">
            <line class="ground" x1="0" x2="100%" y1="26" y2="26"></line>
            {due.collect_view()}
            {rounds}
            <line class="now" x1=percent(now, now) x2=percent(now, now) y1="6" y2="42"></line>
            <svg class="now" x=percent(now, now) overflow="visible"><text x="6" y="11">"now"</text></svg>
            {ticks}
        </svg>
    }
}

#[component]
fn Past(round: RoundLine, now: Timestamp) -> impl IntoView {
    let (tone, _, word) = round_tone(round.state);
    let end = round.ended_at.unwrap_or(now);
    let lasted = super::lasted(round.began_at, end);
    let servers = crate::pages::task::list(&round.server_names());
    let told = format!("{} on {servers}: {}, {}, {lasted}", round.task_name, word, super::when::relative(round.began_at, now));
    let width = format!("{:.3}%", share(end, now) - share(round.began_at, now));
    // Spread, because links of pictures have no such attribute otherwise.
    let there = attr::href(format!("/rounds/{}", round.id));
    view! {
        <g class=format!("round {}", tone.class())>
            <a {..there} aria-label=told.clone()>
                // A short round is seen, and hit, as a dot.
                <rect x=percent(end, now) transform="translate(-10 0)" y="18" width="10" height="16" rx="5"></rect>
                <rect x=percent(round.began_at, now) y="18" width=width height="16" rx="5"></rect>
                <title>{told.clone()}</title>
            </a>
        </g>
    }
}

/// How far to the right a moment lies, from 0 to 100.
fn share(at: Timestamp, now: Timestamp) -> f64 {
    let hours = at.duration_since(now).as_secs_f64() / 3600.0;
    ((hours + BEFORE as f64) / (BEFORE + AFTER) as f64 * 98.0).clamp(0.0, 98.0) + 1.0
}

fn percent(at: Timestamp, now: Timestamp) -> String {
    format!("{:.3}%", share(at, now))
}

/// Every third full hour of the viewer's clocks.
fn ticks(now: Timestamp, offset: Offset) -> Vec<(Timestamp, String)> {
    let first = now.saturating_sub(SignedDuration::from_hours(BEFORE)).unwrap_or(now);
    let Ok(begin) = offset.to_datetime(first).round(Unit::Hour) else { return vec![] };
    let hours = (0..=BEFORE + AFTER).filter_map(|hour| begin.checked_add(SignedDuration::from_hours(hour)).ok());
    hours
        .filter(|time| time.hour() % 3 == 0)
        .filter_map(|time| Some((offset.to_timestamp(time).ok()?, time.strftime("%H:%M").to_string())))
        .filter(|(at, _)| (3.0..97.0).contains(&share(*at, now)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_two_thirds_to_the_right_and_hours_are_those_of_the_viewer() {
        let now: Timestamp = "2026-11-24T15:20:00Z".parse().unwrap();
        assert!((share(now, now) - 66.33).abs() < 0.01);
        let words = |offset| ticks(now, offset).into_iter().map(|(_, word)| word).collect::<Vec<_>>();
        assert_eq!(words(Offset::UTC)[..3], ["18:00", "21:00", "00:00"]);
        assert!(words(Offset::from_seconds(19_800).unwrap()).iter().all(|word| word.ends_with(":00")));
    }
}
