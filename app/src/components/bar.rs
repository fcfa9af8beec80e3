//! Shares of a whole.

use domain::view::server::Tally;
use leptos::prelude::*;

/// How far something is.
#[component]
pub fn Bar(
    /// From 0 to 100; none while it cannot be known.
    #[prop(into)]
    percent: Signal<Option<u8>>,
    /// What it measures, for those who listen.
    #[prop(into)]
    label: String,
    /// Whether it ended well.
    #[prop(optional, into)]
    good: Signal<bool>,
) -> impl IntoView {
    view! { <progress class="bar" class:good=move || good.get() max="100" value=move || percent.get().map(|percent| percent.to_string()) aria-label=label></progress> }
}

/// How many databases are how safe, as parts of one bar.
#[component]
pub fn TallyBar(
    /// How many.
    tally: Tally,
) -> impl IntoView {
    let total = tally.total().max(1) as f64;
    let mut x = 0.0;
    let parts = [(tally.protected, "good"), (tally.overdue, "warn"), (tally.never, "bad"), (tally.uncovered, "calm")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, class)| {
            // One of two thousand is seen too.
            let width = (count as f64 / total * 100.0).max(0.6);
            let from = x;
            x += width;
            (from, width, class)
        })
        .collect::<Vec<_>>();
    let whole = x.max(100.0);
    let label = format!(
        "{} protected, {} overdue, {} never backed up, {} without a task",
        tally.protected, tally.overdue, tally.never, tally.uncovered
    );
    view! {
        <svg class="tally" role="img" aria-label=label>
            {parts
                .into_iter()
                .map(|(from, width, class)| {
                    let share = |part: f64| format!("{:.2}%", part / whole * 100.0);
                    view! { <rect class=class x=share(from) width=share(width) height="100%"></rect> }
                })
                .collect_view()}
        </svg>
    }
}
