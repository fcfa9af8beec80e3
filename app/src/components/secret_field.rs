//! A field for what must not be sent.

use domain::Secret;
use leptos::prelude::*;

/// A line that is not shown, and that no form sends: it has no name.
#[component]
pub fn SecretField(
    /// Its identifier.
    id: &'static str,
    /// What it asks for.
    label: &'static str,
    /// Where it goes.
    into: RwSignal<Secret<String>>,
    /// Whether it holds code.
    #[prop(optional)]
    code: bool,
    /// Identifier of what is said about it.
    #[prop(optional)]
    described: Option<&'static str>,
) -> impl IntoView {
    view! {
        <div class="field">
            <label for=id>{label}</label>
            <input
                type="password"
                class:code=code
                id=id
                autocomplete="off"
                spellcheck="false"
                aria-describedby=described
                prop:value=move || into.read().expose().clone()
                on:input:target=move |event| into.set(Secret::new(event.target().value()))
            />
        </div>
    }
}
