//! What a test of a connection found.

use crate::{
    api::servers::ProbeServer,
    components::{Notice, Tone, counted},
};
use domain::{display, view::server::ServerProbe};
use leptos::prelude::*;

/// What the last test found, in words.
#[component]
pub fn Probed(
    /// The test.
    probe: ServerAction<ProbeServer>,
) -> impl IntoView {
    view! { <div aria-live="polite">{move || probe.value().get().and_then(Result::ok).map(|found| view! { <Found found/> })}</div> }
}

#[component]
fn Found(found: ServerProbe) -> impl IntoView {
    let title = format!("{} {} answered after {} ms.", found.dbms, found.version, found.answered_ms);
    let holds = format!("It holds {}, {}.", counted(found.databases, "database", "databases"), display::size(found.size_bytes));
    let list = |sentences: Vec<String>| {
        let lines = sentences.into_iter().map(|sentence| view! { <li>{sentence}</li> }).collect_view();
        (!lines.is_empty()).then(|| view! { <ul>{lines}</ul> })
    };
    let tone = if found.obstacles.is_empty() { Tone::Good } else { Tone::Warn };
    let stands = (!found.obstacles.is_empty()).then(|| view! { <p>"In the way of a backup:"</p> });
    view! {
        <Notice tone title>
            <p>{holds}</p>
            {stands}
            {list(found.obstacles)}
            {list(found.notes)}
        </Notice>
    }
}
