//! What somebody should read before going on.

use super::{Icon, Tone};
use domain::Told;
use leptos::prelude::*;

/// A sentence that stands out.
#[component]
pub fn Notice(
    /// What it means.
    #[prop(default = Tone::Busy)]
    tone: Tone,
    /// The sentence.
    #[prop(into)]
    title: String,
    /// More, if there is more.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let icon = if tone == Tone::Busy { super::Glyph::Info } else { tone.glyph() };
    view! {
        <div class=format!("notice {}", tone.class()) role=(tone == Tone::Bad).then_some("alert")>
            <Icon name=icon/>
            <div>
                <p><strong>{title}</strong></p>
                {children.map(|children| children())}
            </div>
        </div>
    }
}

/// What went wrong and what to do now.
#[component]
pub fn Problem(
    /// What a person is told.
    told: Told,
) -> impl IntoView {
    view! {
        <Notice tone=Tone::Bad title=told.sentence>
            <p>{told.next_step}</p>
        </Notice>
    }
}
