//! Where somebody gives a key. Its fields have no names: no form sends them.

use super::{Glyph, Icon, SecretField};
use crate::{files, keyring::Given};
use domain::{Secret, view::key::KnownKey};
use leptos::{html, prelude::*};

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
    let (unreadable, file) = (RwSignal::new(false), NodeRef::<html::Input>::new());
    // What was read from a file is not shown where a key is typed.
    let from_file = RwSignal::new(false);
    let typed = move || given.text.with(|text| if from_file.get() { String::new() } else { text.expose().clone() });
    // What was used is gone, and is not shown as if it were there.
    Effect::new(move |_| {
        let is_empty = given.text.with(|text| text.expose().is_empty());
        if let Some(file) = file.get().filter(|_| is_empty) {
            file.set_value("");
        }
    });
    let chosen = move |event| {
        files::read(&event, move |text| {
            unreadable.set(text.is_none());
            from_file.set(true);
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
            <input type="file" id="key-file" node_ref=file accept=".txt,.key,text/plain" on:change=chosen aria-describedby="key-error"/>
            {move || unreadable.get().then(|| view! { <p class="wrong" role="alert"><Icon name=Glyph::Alert/>"This file cannot be read as a key."</p> })}
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
                aria-invalid=move || error.read().is_some().then_some("true")
                aria-describedby="key-error"
                prop:value=typed
                on:input:target=move |event| {
                    from_file.set(false);
                    given.text.set(Secret::new(event.target().value()));
                }
            />
        </div>
        <Show when=wants_passphrase>
            <SecretField id="key-passphrase" label="Passphrase" into=given.passphrase described="key-error"/>
            <p class="hint">"Turning a passphrase into a key takes some seconds, on purpose."</p>
        </Show>
        <p class="hint">
            <Icon name=Glyph::Shield/>
            "The key stays in this browser: it is used here and never sent. That needs scripts; without them, the command line does the same."
        </p>
        {move || error.get().map(|error| view! { <p class="wrong" role="alert" id="key-error"><Icon name=Glyph::Alert/>{error}</p> })}
    }
}
