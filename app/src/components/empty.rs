//! Nothing here yet.

use super::{Glyph, Icon};
use leptos::prelude::*;

/// Says why nothing is here, and what to do next.
#[component]
pub fn Empty(
    /// What is missing, in a few words.
    #[prop(into)]
    title: String,
    /// What it would be good for, or how it comes to be: a sentence or two.
    #[prop(into)]
    text: String,
    /// A sign above the words.
    #[prop(default = Glyph::Rookery)]
    icon: Glyph,
    /// What to do next: a button or two.
    #[prop(optional, into)]
    action: Option<ViewFnOnce>,
) -> impl IntoView {
    view! {
        <div class="empty">
            <Icon name=icon/>
            <p class="title">{title}</p>
            <p>{text}</p>
            {action.map(|action| view! { <div class="actions">{action.run()}</div> })}
        </div>
    }
}
