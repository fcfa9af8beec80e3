//! Where somebody gives a key. Its fields have no names: no form sends them.

use super::{Glyph, Icon};
use crate::{files, keyring::Given};
use domain::{Secret, view::key::KnownKey};
use leptos::prelude::*;

/// The keys that open something, and the fields for one of them.
#[component]
pub fn KeyInput(
    /// The keys that open it.
    keys: Vec<KnownKey>,
    /// What was given.
    given: Given,
    /// What is wrong with it.
    #[prop(into)]
    error: Signal<Option<String>>,
) -> impl IntoView {
    let from_passphrase = keys.iter().any(|key| key.derivation.is_some());
    let wants_passphrase = move || from_passphrase || given.wants_passphrase();
    let unreadable = RwSignal::new(false);
    let chosen = move |event| {
        files::read(&event, move |text| {
            unreadable.set(text.is_none());
            given.text.set(text.unwrap_or_else(|| Secret::new(String::new())));
        });
    };
    let lines = keys.into_iter().map(|key| {
        let name = key.name.unwrap_or_else(|| "A key that this console does not know".into());
        view! { <li><Icon name=Glyph::Key/><span><b>{name}</b><code class="fingerprint">{key.fingerprint}</code></span></li> }
    });
    view! {
        <ul class="keys">{lines.collect_view()}</ul>
        <div class="field">
            <label for="key-file">"Key file"</label>
            <input type="file" id="key-file" accept=".txt,.key,text/plain" on:change=chosen/>
            {move || unreadable.get().then(|| view! { <p class="wrong"><Icon name=Glyph::Alert/>"This file cannot be read as a key."</p> })}
        </div>
        <div class="field">
            <label for="key-text">"or the key itself"</label>
            <input
                type="password"
                id="key-text"
                class="code"
                autocomplete="off"
                spellcheck="false"
                placeholder="rookery-key1-…"
                on:input:target=move |event| given.text.set(Secret::new(event.target().value()))
            />
        </div>
        <Show when=wants_passphrase>
            <div class="field">
                <label for="key-passphrase">"Passphrase"</label>
                <input
                    type="password"
                    id="key-passphrase"
                    autocomplete="off"
                    on:input:target=move |event| given.passphrase.set(Secret::new(event.target().value()))
                />
                <p class="hint">"Turning a passphrase into a key takes some seconds, on purpose."</p>
            </div>
        </Show>
        <p class="hint">
            <Icon name=Glyph::Shield/>
            "The key stays in this browser: it is used here and never sent."
        </p>
        {move || error.get().map(|error| view! { <p class="wrong" role="alert"><Icon name=Glyph::Alert/>{error}</p> })}
    }
}
