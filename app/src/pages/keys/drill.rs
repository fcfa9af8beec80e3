//! The drill: somebody proves that a key is at hand, without sending it.

use crate::{
    api::{
        Failure,
        keys::{answer_drill, ask_drill},
    },
    components::{Card, Glyph, KeyInput, Notice, Tone},
    keyring::{self, Given, soon},
};
use domain::view::key::{KeyView, KnownKey};
use leptos::{prelude::*, task::spawn_local};

/// Asks for the key, and tells the console that it was there.
#[component]
pub(super) fn Drill(
    /// The key.
    key: KeyView,
    /// Told when it was proven.
    proven: Callback<()>,
) -> impl IntoView {
    let given = Given::nothing();
    let (error, busy) = (RwSignal::new(None), RwSignal::new(false));
    let id = key.id;
    let known =
        vec![KnownKey { fingerprint: key.fingerprint, name: Some(key.name), public_key: Some(key.public_key), derivation: key.derivation }];
    let keys = StoredValue::new(known.clone());
    let end = move |told: Result<(), Failure>| {
        busy.set(false);
        match told {
            Ok(()) => proven.run(()),
            Err(Failure(told)) => error.set(Some(format!("{} {}", told.sentence, told.next_step))),
        }
    };
    let prove = move |_| {
        if busy.get_untracked() {
            return;
        }
        busy.set(true);
        error.set(None);
        spawn_local(async move {
            let question = match ask_drill(id).await {
                Ok(question) => question,
                Err(failure) => return end(Err(failure)),
            };
            soon(move || match keyring::answer(&question, &keys.get_value(), given) {
                Ok(answer) => spawn_local(async move { end(answer_drill(id, answer).await) }),
                Err(failure) => end(Err(failure)),
            });
        });
    };
    view! {
        <Card title="Is the key still at hand?" icon=Glyph::Key>
            <div class="form">
                <p class="dim">
                    "Fetch it from where it is kept and show it here, every 90 days. A key that turns out to be lost today can be replaced; \
                     one that turns out to be lost on the day of a restore cannot."
                </p>
                <KeyInput keys=known given error/>
                <div class="actions">
                    <button class="button" type="button" on:click=prove aria-busy=move || busy.get().then_some("true")>"Prove it"</button>
                </div>
            </div>
        </Card>
    }
}

/// Said after a drill.
#[component]
pub(super) fn Done() -> impl IntoView {
    view! { <Notice tone=Tone::Good title="The key is at hand. You are asked again in 90 days."/> }
}
