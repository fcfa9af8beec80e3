//! The key of a sealed restore point: it opens the archive's envelope here, in the browser.

use super::{Draft, step::Step};
use crate::{
    api::keys::sealed_point,
    components::{Card, Glyph, KeyInput, LinkButton, Notice, Tone},
    keyring::{self, Given, soon},
    loaded::loaded,
};
use domain::view::key::SealedView;
use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::use_navigate};

/// Who opens it.
#[component]
pub(super) fn Key(draft: Draft) -> impl IntoView {
    let (form, back) = (draft.form.clone(), Draft::to(Step::Point, &draft.form));
    let next = Draft::to(Step::Target, &draft.form);
    if draft.data_key.is_some() {
        return view! {
            <Card title="The key">
                <div class="form">
                    <Notice tone=Tone::Good title="The backup is open."><p>"Only in this window, and only until the restore has begun."</p></Notice>
                    <div class="actions ways">
                        <LinkButton href=back icon=Glyph::Left>"Back"</LinkButton>
                        <a class="button primary" href=next>"Continue"</a>
                    </div>
                </div>
            </Card>
        }
        .into_any();
    }
    let archive = Draft::archive(&form);
    let sealed = Resource::new_blocking(
        || (),
        move |()| {
            let form = form.clone();
            async move {
                let destination = form.destination.parse().map_err(crate::api::Failure::from)?;
                sealed_point(destination, form.database, form.point, form.origin).await
            }
        },
    );
    view! {
        <Card title="The key" icon=Glyph::Key>
            {loaded(sealed, move |sealed| {
                let (archive, back, next) = (archive.clone(), back.clone(), next.clone());
                sealed.map(|sealed| view! { <Open sealed archive back next/> })
            })}
        </Card>
        <p class="dim">
            "Without scripts, or away from this console: " <code>"rookery restore … --key FILE"</code> " does the same on the command line."
        </p>
    }
    .into_any()
}

#[component]
fn Open(sealed: SealedView, archive: String, back: String, next: String) -> impl IntoView {
    let (given, opened, navigate) = (Given::nothing(), keyring::opened(), use_navigate());
    let (error, busy) = (RwSignal::new(None), RwSignal::new(false));
    let keys = sealed.keys.clone();
    let sealed = StoredValue::new(sealed);
    let goal = StoredValue::new((archive, next));
    let open = move |_| {
        let navigate = navigate.clone();
        error.set(None);
        busy.set(true);
        soon(move || {
            let result = sealed.with_value(|sealed| keyring::unseal(&sealed.envelope, &sealed.keys, given));
            busy.set(false);
            match result {
                Ok(key) => {
                    given.clear();
                    let (archive, next) = goal.get_value();
                    opened.keep(archive, key);
                    navigate(&next, NavigateOptions::default());
                }
                Err(failure) => error.set(Some(format!("{} {}", failure.0.sentence, failure.0.next_step))),
            }
        });
    };
    view! {
        <div class="form">
            <p>"This backup is sealed. Any one of these keys opens it:"</p>
            <KeyInput keys given error/>
            <p class="dim">"The console gets the key of this one archive, for this one restore, and forgets it then."</p>
            <div class="actions ways">
                <LinkButton href=back icon=Glyph::Left>"Back"</LinkButton>
                <button class="button primary" type="button" on:click=open aria-busy=move || busy.get().then_some("true")>"Open the backup"</button>
            </div>
        </div>
    }
}
