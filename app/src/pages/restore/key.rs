//! The key of a sealed restore point: it opens the archive's envelope here, in the browser.

use super::{Draft, step::Step};
use crate::{
    api::keys::sealed_point,
    components::{Card, Glyph, LinkButton, Notice, Opening, Tone},
    keyring,
    loaded::loaded,
};
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
    let (opened, navigate) = (keyring::opened(), use_navigate());
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
                let navigate = navigate.clone();
                let keep = Callback::new(move |key| {
                    opened.keep(archive.clone(), key);
                    navigate(&next, NavigateOptions::default());
                });
                sealed.map(|sealed| view! {
                    <div class="form">
                        <p>"This backup is sealed. Any one of these keys opens it. The console gets the keys of the archives that this restore needs, for this one restore, and forgets them then."</p>
                        <Opening sealed word="Open the backup" back opened=keep/>
                    </div>
                })
            })}
        </Card>
        <p class="dim">
            "Without scripts, or away from this console: " <code>"rookery restore … --key FILE"</code> " does the same on the command line."
        </p>
    }
    .into_any()
}
