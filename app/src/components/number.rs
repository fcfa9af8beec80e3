//! Numbers as people write them.

use domain::display;
use jiff::Timestamp;
use leptos::prelude::*;
use std::time::Duration;

/// A size; a dash where it is not known.
#[component]
pub fn Size(
    /// Bytes.
    #[prop(into)]
    bytes: Option<u64>,
) -> impl IntoView {
    match bytes {
        Some(bytes) => {
            view! { <span class="number" title=format!("{} bytes", display::count(bytes))>{display::size(bytes)}</span> }.into_any()
        }
        None => view! { <span class="dim">"–"</span> }.into_any(),
    }
}

/// A count; a dash where it is not known.
#[component]
pub fn Count(
    /// The count.
    #[prop(into)]
    of: Option<u64>,
) -> impl IntoView {
    match of {
        Some(of) => view! { <span class="number">{display::count(of)}</span> }.into_any(),
        None => view! { <span class="dim">"–"</span> }.into_any(),
    }
}

/// A count with its word: `1 database`, `3 databases`.
#[must_use]
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", display::count(number), if number == 1 { one } else { many })
}

/// How long something took, or takes already.
#[component]
pub fn Lasted(
    /// When it began.
    from: Timestamp,
    /// When it ended, or the moment that is shown.
    to: Timestamp,
) -> impl IntoView {
    view! { <span class="number">{lasted(from, to)}</span> }
}

/// The time between two moments, in words.
pub fn lasted(from: Timestamp, to: Timestamp) -> String {
    let lasted = Duration::try_from(to.duration_since(from)).unwrap_or_default();
    if lasted < Duration::from_millis(100) { "under 0.1 s".into() } else { display::duration(lasted) }
}
