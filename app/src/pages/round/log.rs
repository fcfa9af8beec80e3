//! The end of a log.

use super::words::title_of;
use crate::components::{Card, Glyph, Manner, When};
use domain::view::run::LogLine;
use jiff::Timestamp;
use leptos::{html, prelude::*};
use std::collections::HashMap;

/// Pixels from the end within which a reader counts as being there.
const NEAR: i32 = 24;

/// A log that stays at its end while it grows, unless it was scrolled back.
#[component]
pub fn Log(
    /// Its lines, oldest first.
    #[prop(into)]
    lines: Signal<Vec<LogLine>>,
    /// When they were read.
    now: Timestamp,
    /// Whether lines say which database they are about.
    #[prop(optional)]
    named: bool,
) -> impl IntoView {
    let list = NodeRef::<html::Div>::new();
    let at_end = StoredValue::new(true);
    let look = move |_| {
        if let Some(list) = list.get_untracked() {
            at_end.set_value(list.scroll_height() - list.client_height() - list.scroll_top() <= NEAR);
        }
    };
    Effect::new(move |_| {
        lines.track();
        let Some(list) = list.get().filter(|_| at_end.get_value()) else { return };
        // Once the new lines are on the page.
        request_animation_frame(move || list.set_scroll_top(list.scroll_height()));
    });
    let line = move |(_, LogLine { at, server, database, text, bad, .. })| {
        let server = (!server.is_empty()).then(|| format!("on {server}: "));
        let name = (named && !database.is_empty()).then(|| view! { <b>{title_of(&database)}</b> " " {server} });
        view! { <li class:bad=bad><When at now manner=Manner::Clock/> " " {name} <span>{text}</span></li> }
    };
    view! {
        <Card title="Log" icon=Glyph::List flush=true>
            <Show when=move || lines.with(Vec::is_empty)>
                <p class="log-none">"What happens is written down here, line by line."</p>
            </Show>
            <div class="lines" tabindex="0" role="log" aria-live="off" aria-label="Log" node_ref=list on:scroll=look>
                <ol class="log">
                    <For each=move || keyed(lines.get()) key=|(key, _)| key.clone() children=line/>
                </ol>
            </div>
        </Card>
    }
}

/// Each line with a key of its own, also where two say the same.
fn keyed(lines: Vec<LogLine>) -> Vec<(String, LogLine)> {
    let mut seen = HashMap::<String, usize>::new();
    let key = |line: &LogLine| format!("{} {} {} {}", line.at, line.server, line.database, line.text);
    let lines = lines.into_iter().map(|line| {
        let key = key(&line);
        let count = seen.entry(key.clone()).or_default();
        *count += 1;
        (format!("{count} {key}"), line)
    });
    lines.collect()
}
