//! For whom archives are sealed.

use super::{draft::Draft, fields::fault, step::Step};
use crate::{
    address::with_pairs,
    components::{Choice, Choices, Glyph, LinkButton, Notice, Tone},
};
use domain::view::task::TaskPreview;
use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// None, or one or more keys. The keys are seen while sealing is chosen: the style sheet looks after that, so that it works
/// without scripts.
#[component]
pub(super) fn Encryption(draft: Memo<Draft>, preview: RwSignal<TaskPreview>) -> impl IntoView {
    let form = draft.read_untracked().form();
    let [is_sealed, is_plain] = ["sealed", "none"].map(|word| form.encryption == word);
    let (keys, at_rest) = preview.with_untracked(|preview| (preview.keys.clone(), preview.encrypted_at_rest.clone()));
    let has_keys = !keys.is_empty();
    let lines = keys.into_iter().map(|(id, name, fingerprint)| {
        let value = id.to_string();
        let checked = form.recipients().any(|chosen| chosen == value);
        view! {
            <label class="choice">
                <input type="checkbox" name="recipients" value=value checked=checked/>
                <span>
                    <span class="word">{name}</span>
                    <small><code class="fingerprint">{fingerprint}</code></small>
                </span>
            </label>
        }
    });
    let lines = lines.collect_view();
    let downgrade = at_rest.map(|what| view! { <Downgrade what/> });
    view! {
        <Choices legend="Encryption" error=fault("encryption", draft, preview) id="encryption">
            <Choice
                name="encryption"
                value="sealed"
                checked=is_sealed
                title="Sealed"
                text="Only who has one of the keys can read the archives. The console seals them with public halves, and cannot open them itself."
            />
            <Choice
                name="encryption"
                value="none"
                checked=is_plain
                title="Not encrypted"
                text="Whoever can read the destination can read every row of every backup there."
            />
        </Choices>
        <div class="when-none">{downgrade}</div>
        // None of the boxes ticked is an answer, too.
        <input type="hidden" name="recipients" value=""/>
        <div class="when-sealed stack">
            {has_keys.then(|| view! {
                <Choices legend="Keys" error=fault("recipients", draft, preview) id="recipients">{lines}</Choices>
                <p class="hint">"Each of them opens the backups alone. A second one, kept in another place, is there when the first is lost."</p>
            })}
            {(!has_keys).then(|| view! {
                <Notice title="There is no key yet.">
                    <p>"Make one now: what you filled in here stays, and the key is chosen when you come back."</p>
                </Notice>
            })}
            <NewKey draft has_keys/>
        </div>
        <p class="dim">"Signatures are there in any case: a backup that somebody else changed is noticed before anything of it is restored."</p>
    }
}

/// The ways to one more key, which lead back here.
#[component]
fn NewKey(draft: Memo<Draft>, has_keys: bool) -> impl IntoView {
    let here = use_location();
    let href = move |way: &str| {
        let back = format!("{}?{}", here.pathname.get(), draft.read().search(Step::Encryption));
        with_pairs("/keys/new", [("way", way.to_owned()), ("back", back)])
    };
    let title = if has_keys { "Another key" } else { "Make a key" };
    view! {
        <div class="field">
            <span class="label">{title}</span>
            <div class="actions">
                {move || [("here", "Make one here", Glyph::Plus), ("passphrase", "From a passphrase", Glyph::Key), ("elsewhere", "From elsewhere", Glyph::Folder)]
                    .map(|(way, word, icon)| view! { <LinkButton href=href(way) icon>{word}</LinkButton> })
                    .collect_view()}
            </div>
        </div>
    }
}

/// The server encrypts what the task would not.
#[component]
pub(super) fn Downgrade(what: String) -> impl IntoView {
    let title = format!("The server encrypts its own files ({what}); these backups would not be encrypted.");
    view! {
        <Notice tone=Tone::Warn title>
            <p>"Whoever gets at the destination could read what nobody can read off the server's disks. Seal them, or be sure that the destination is as safe."</p>
        </Notice>
    }
}
