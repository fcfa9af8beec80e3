//! The time line of a restore point that covers a range of moments: which of them.

use super::{Draft, step::Step};
use crate::components::{Button, Card, Glyph, Hidden, Icon, When};
use domain::{Covered, RestoreForm};
use jiff::{SignedDuration, Timestamp};
use leptos::prelude::*;
use leptos_router::components::Form;

/// The field for the moment, and with scripts a line to draw along.
#[component]
pub(super) fn TimeLine(draft: Draft, covered: Covered) -> impl IntoView {
    let error = draft.error("at");
    let now = draft.preview.now;
    let RestoreForm { destination, database, origin, point, at, server, name, .. } = draft.form;
    let kept =
        [("destination", destination), ("database", database), ("origin", origin), ("point", point), ("server", server), ("name", name)];
    let moment = RwSignal::new(if at.is_empty() { covered.to.to_string() } else { at });
    let alive = RwSignal::new(false);
    Effect::new(move |_| alive.set(true));
    let chosen = move || moment.get().trim().parse::<Timestamp>().ok();
    let has_error = error.is_some();
    view! {
        <Card title="Time line">
            <Form method="GET" action="/restore" attr:class="form time-line">
                <p>
                    "This backup follows the server's stream of changes: it can restore any moment after "<When at=covered.from now/>" up to "
                    <When at=covered.to now/>", by the server's clock. The last commit at the moment or before it is in."
                </p>
                <Hidden values=kept.into()/>
                <div class="field">
                    <label for="at">"Moment"</label>
                    <input
                        class="code"
                        type="text"
                        id="at"
                        name="at"
                        value=moment.get_untracked()
                        prop:value=move || moment.get()
                        on:input=move |typed| moment.set(event_target_value(&typed))
                        autocomplete="off"
                        spellcheck="false"
                        aria-invalid=has_error.then_some("true")
                        aria-describedby="at-hint"
                    />
                    {error.map(|error| view! { <p class="wrong" id="at-error"><Icon name=Glyph::Alert/>{error}</p> })}
                    <p class="hint" id="at-hint">"With its offset from UTC: 2026-11-22T03:10:12.5Z or 2026-11-22T04:10:12.5+01:00."</p>
                </div>
                {move || alive.get().then(|| view! {
                    <input
                        type="range"
                        aria-label="Moment on the time line"
                        min="0"
                        max=seconds(covered).to_string()
                        prop:value=move || chosen().map_or(0, |at| place(covered, at)).to_string()
                        aria-valuetext=move || moment.get()
                        on:input=move |drawn| {
                            if let Ok(place) = event_target_value(&drawn).parse() {
                                moment.set(moment_at(covered, place).to_string());
                            }
                        }
                    />
                })}
                <div class="actions">
                    <Button name="step" value=Step::Point.word()>"Use this moment"</Button>
                </div>
            </Form>
        </Card>
    }
}

/// Seconds of a range, the begun one counted.
fn seconds(covered: Covered) -> i64 {
    covered.to.duration_since(covered.from).as_secs().saturating_add(1).max(1)
}

/// The moment so many seconds after the beginning of a range, which itself is not in it.
fn moment_at(covered: Covered, place: i64) -> Timestamp {
    let moment = covered.from.checked_add(SignedDuration::from_secs(place)).unwrap_or(covered.to);
    let first = covered.from.checked_add(SignedDuration::from_micros(1)).unwrap_or(covered.to);
    // A range may be a single moment.
    moment.clamp(first.min(covered.to), covered.to)
}

/// Where on the line a moment is.
fn place(covered: Covered, at: Timestamp) -> i64 {
    at.duration_since(covered.from).as_secs().clamp(0, seconds(covered))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_on_the_line_is_a_moment_that_is_covered() {
        let moment = |text: &str| text.parse::<Timestamp>().unwrap();
        let covered = Covered { from: moment("2026-11-22T03:00:00.25Z"), to: moment("2026-11-22T03:00:09.75Z") };
        assert_eq!(seconds(covered), 10);
        let all: Vec<_> = (0..=10).map(|place| moment_at(covered, place)).collect();
        assert!(all.iter().all(|at| covered.holds(*at)) && all.windows(2).all(|pair| pair[0] < pair[1]), "{all:?}");
        assert_eq!(all.last(), Some(&covered.to));
        assert_eq!(all.iter().map(|at| place(covered, *at)).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9]);
        let instant = Covered { from: covered.to, to: covered.to };
        assert_eq!((seconds(instant), moment_at(instant, 0)), (1, covered.to));
    }
}
