//! Whether a page follows what happens.

use crate::{
    components::{Badge, ButtonKind, Glyph, LinkButton, Tone},
    live::Line,
};
use leptos::prelude::*;

/// Says whether the page follows by itself; where it does not, there is a link that shows what is new.
#[component]
pub fn Following(
    /// The connection.
    line: ReadSignal<Line>,
    /// Address of the page.
    #[prop(into)]
    path: String,
) -> impl IntoView {
    move || match line.get() {
        Line::Silent => {
            let href = path.clone();
            view! { <LinkButton href kind=ButtonKind::Ghost icon=Glyph::Refresh>"Refresh"</LinkButton> }.into_any()
        }
        Line::Open => view! { <Badge tone=Tone::Busy text="Live"/> }.into_any(),
        Line::Broken | Line::Refused => view! { <Badge tone=Tone::Warn text="Connection lost, trying again"/> }.into_any(),
    }
}
