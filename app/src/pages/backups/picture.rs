//! Restore points on a line of time, drawn by the server.

use super::timeline::{Span, Window};
use crate::components::{Segment, Segments, ZoneName, viewer_offset};
use domain::{
    BackupKind, Label,
    view::backup::{PointLine, Verified},
};
use jiff::{Timestamp, tz::Offset};
use leptos::{attr, prelude::*};

/// A line of time with a mark for each restore point. It is a picture for the eye: the list beside it says the same to
/// everybody, so marks are no stops for the keyboard.
#[component]
pub fn Picture(
    /// Restore points, those outside of the span too.
    points: Vec<PointLine>,
    /// How much of time is shown.
    span: Span,
    /// The point that is chosen, if one is.
    chosen: Option<Label>,
    /// Where the mark of a usable point leads.
    href: Callback<Label, String>,
    /// The page's address with another span.
    spans: Callback<Span, String>,
    /// When the points were read.
    now: Timestamp,
) -> impl IntoView {
    let oldest = points.iter().map(|point| point.at).min();
    let window = Window::new(span, oldest, now);
    let offset = viewer_offset(now);
    let segments: Vec<_> = Span::useful(oldest, now)
        .into_iter()
        .map(|one| Segment { word: one.title().into(), href: spans.run(one), here: one == span })
        .collect();
    // The chosen one is drawn last, above its neighbours.
    let (ours, others): (Vec<_>, Vec<_>) =
        points.into_iter().filter(|point| window.shows(point.at)).partition(|point| Some(point.label) == chosen);
    let marks = others.into_iter().map(|point| view! { <Mark point window chosen=false href/> }).collect_view();
    let chosen = ours.into_iter().map(|point| view! { <Mark point window chosen=true href/> }).collect_view();
    let ticks = move || {
        let ticks = window.ticks(offset.get().unwrap_or(Offset::UTC)).into_iter().enumerate();
        ticks.map(|(i, (x, word))| view! { <text class:minor=i % 2 == 1 x=percent(x) y="78">{word}</text> }).collect_view()
    };
    let end = window.percent(now);
    view! {
        <div class="moments">
            <div class="moments-head">
                {(!segments.is_empty()).then(|| view! { <Segments label="Time shown" segments/> })}
                <span class="dim small">"Times in "<ZoneName/></span>
            </div>
            <svg class="timeline" aria-hidden="true">
                <line class="ground" x1="0" x2="100%" y1="40" y2="40"></line>
                <line class="now" x1=percent(end) x2=percent(end) y1="22" y2="58"></line>
                <text class="now" x=percent(end) y="16">"now"</text>
                {marks}
                {chosen}
                {ticks}
            </svg>
        </div>
    }
}

/// A full is a bar, an incremental a dot.
#[component]
fn Mark(point: PointLine, window: Window, chosen: bool, href: Callback<Label, String>) -> impl IntoView {
    let state = match point.verified {
        _ if point.fault.is_some() => "bad",
        Verified::Damaged => "bad",
        Verified::Untrusted => "warn",
        Verified::Checked { .. } | Verified::Proven { .. } => "good",
    };
    let class = if chosen { format!("mark {state} chosen") } else { format!("mark {state}") };
    let shape = match point.kind {
        BackupKind::Full => view! { <rect x="-4" y="26" width="8" height="28" rx="3"></rect> }.into_any(),
        BackupKind::Incremental => view! { <circle cx="0" cy="40" r="5"></circle> }.into_any(),
    };
    let told = format!("{}, {} UTC", point.kind.as_str(), point.at.strftime("%a %-d %b %Y, %H:%M:%S"));
    let ring = chosen.then(|| view! { <circle class="ring" cx="0" cy="40" r="10"></circle> });
    let inside = view! { {shape} {ring} <title>{told}</title> };
    let x = percent(window.percent(point.at));
    // A picture of its own, because a share of the width can only be given for its place.
    if point.fault.is_some() {
        view! { <svg x=x overflow="visible"><g class=class>{inside}</g></svg> }.into_any()
    } else {
        // Spread, because links of pictures have no attributes by these names otherwise.
        let there = (attr::href(href.run(point.label)), attr::tabindex("-1"));
        view! { <svg x=x overflow="visible"><a {..there} class=class>{inside}</a></svg> }.into_any()
    }
}

fn percent(x: f64) -> String {
    format!("{x:.3}%")
}
