//! Opens a sealed archive in the browser: somebody gives a key, and its data key comes out of the envelope.

use super::{Glyph, KeyInput, LinkButton};
use crate::keyring::{self, Given, soon};
use domain::{Secret, view::key::SealedView};
use leptos::prelude::*;

/// The keys that open it, the fields for one of them, and the ways back and on.
#[component]
pub fn Opening(
    /// What is sealed.
    sealed: SealedView,
    /// The word of the button.
    word: &'static str,
    /// Whether what is done with the key is under way.
    #[prop(optional, into)]
    pending: Signal<bool>,
    /// Where the way back leads.
    #[prop(into)]
    back: String,
    /// Gets the data keys.
    opened: Callback<Secret<String>>,
) -> impl IntoView {
    let (given, error, busy) = (Given::nothing(), RwSignal::new(None), RwSignal::new(false));
    let keys = sealed.keys.clone();
    let sealed = StoredValue::new(sealed);
    let open = move |_| {
        if busy.get_untracked() || pending.get_untracked() {
            return;
        }
        error.set(None);
        busy.set(true);
        soon(move || {
            // Nothing, if the page was left meanwhile.
            let Some(result) = sealed.try_with_value(|sealed| keyring::unseal(&sealed.envelopes, &sealed.keys, given)) else { return };
            busy.set(false);
            match result {
                Ok(key) => {
                    given.clear();
                    opened.run(key);
                }
                Err(failure) => error.set(Some(format!("{} {}", failure.0.sentence, failure.0.next_step))),
            }
        });
    };
    view! {
        <KeyInput keys given error/>
        <div class="actions ways">
            <LinkButton href=back icon=Glyph::Left>"Back"</LinkButton>
            <button class="button primary" type="button" on:click=open aria-busy=move || (busy.get() || pending.get()).then_some("true")>
                {word}
            </button>
        </div>
    }
}
