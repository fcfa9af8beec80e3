//! What loses something asks twice.

use super::{Button, ButtonKind, Glyph, Icon};
use leptos::prelude::*;

/// Folded away until it is wanted: says what is lost, and asks for a name to be typed. Stands inside of a form, whose
/// field `typed_name` it fills.
#[component]
pub fn Confirm(
    /// What is done, such as `Remove this server`.
    #[prop(into)]
    title: String,
    /// What is lost and what stays, a sentence or two.
    #[prop(into)]
    text: String,
    /// The name that has to be typed.
    #[prop(into)]
    name: String,
    /// What is wrong with what was typed.
    #[prop(optional, into)]
    error: Signal<Option<String>>,
    /// More fields, such as a password.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let word = title.clone();
    view! {
        <details class="confirm" open=move || error.read().is_some()>
            <summary><Icon name=Glyph::Trash/>{title}</summary>
            <div class="stack">
                <p>{text}</p>
                <super::Field label="Type its name to confirm" name="typed_name" placeholder=name error/>
                {children.map(|children| children())}
                <div class="actions"><Button kind=ButtonKind::Danger>{word}</Button></div>
            </div>
        </details>
    }
}
