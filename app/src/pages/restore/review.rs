//! Everything once more, and the start.

use super::{Draft, Wrong, step::Step};
use crate::keyring;
use crate::{
    address,
    api::restore::StartRestore,
    components::{
        Button, ButtonKind, Card, Count, Fact, Facts, Faults, FormProblem, Glyph, LinkButton, Notice, Problem, Size, Tone, VerifiedBadge,
        When, counted, may,
    },
};
use domain::{
    RestoreForm, Role,
    form::is_on,
    view::{backup::PointLine, restore::RestoreReview},
};
use leptos::prelude::*;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// What will happen, and the button that makes it happen.
#[component]
pub(super) fn Review(draft: Draft) -> impl IntoView {
    let start = ServerAction::<StartRestore>::new();
    let faults = Faults::of(start.value());
    let errors = draft.errors(&[]);
    let data_key = draft.data_key.clone().map(|key| view! { <input type="hidden" name="data_key" value=key/> });
    // What was opened was opened for this restore: once that has begun, it goes with the page.
    let (opened, begun) = (keyring::opened(), Arc::new(AtomicBool::new(false)));
    let watching = Arc::clone(&begun);
    Effect::new(move |_| watching.fetch_or(start.value().with(|answer| matches!(answer, Some(Ok(())))), Ordering::Relaxed));
    on_cleanup(move || {
        if begun.load(Ordering::Relaxed) {
            opened.forget();
        }
    });
    let hidden = address::pairs(&draft.form).into_iter().map(|(name, value)| view! { <input type="hidden" name=name value=value/> });
    let forbidden = (!may(Role::Administrator))
        .then(|| "Restoring needs the role administrator. Ask one: the address of this page holds everything.".to_owned());
    let (back, word) = (Draft::to(Step::Target, &draft.form), format!("Restore {}", draft.form.database));
    let notes = draft.preview.review.iter().flat_map(|review| review.notes.clone());
    let notes = notes.map(|note| view! { <Notice tone=Tone::Warn title=note/> }).collect_view();
    let review = draft.preview.review.clone();
    let (can_start, obstacle) = (review.is_some(), review.as_ref().and_then(|review| review.obstacle.clone()));
    let facts = review.map(|review| view! { <What draft=draft.clone() review/> });
    let reason = forbidden.clone().or_else(|| obstacle.as_ref().map(|_| "The server lacks what is told above.".into()));
    view! {
        <Wrong errors/>
        <Card title="What will happen">
            <div class="stack">
                {facts}
                {notes}
                {obstacle.map(|told| view! { <Problem told/> })}
                <ActionForm action=start attr:class="stack">
                    <FormProblem faults/>
                    {hidden.collect_view()}
                    {data_key}
                    {forbidden.map(|reason| view! { <Notice title=reason/> })}
                    <div class="actions ways">
                        <LinkButton href=back icon=Glyph::Left>"Back"</LinkButton>
                        {can_start.then(|| view! {
                            <Button kind=ButtonKind::Primary icon=Glyph::Restore reason=Signal::stored(reason) busy=start.pending()>{word}</Button>
                        })}
                    </div>
                </ActionForm>
            </div>
        </Card>
    }
}

#[component]
fn What(draft: Draft, review: RestoreReview) -> impl IntoView {
    let now = draft.preview.now;
    let (destination, server) = (draft.destination().unwrap_or_default().to_owned(), draft.server().unwrap_or_default().to_owned());
    let (point, moment) = (draft.point().cloned(), draft.moment());
    let RestoreForm { database, name, no_owner, create_roles, origin, .. } = draft.form;
    let versions = match review.into_version {
        Some(into) if into == review.from_version => format!("{into} on both sides"),
        Some(into) => format!("{} into {into}", review.from_version),
        None => format!("{} into one that is not known yet", review.from_version),
    };
    let files = counted(review.files, "file", "files");
    view! {
        <Facts>
            <Fact label="From"><code>{database}</code>{(!origin.is_empty()).then(|| format!(" of {origin}"))}", at "{destination}</Fact>
            {point.map(|PointLine { at, verified, .. }| view! {
                <Fact label="Moment">{match moment {
                    Some(moment) => view! { <code>{moment.to_string()}</code>", out of the backup of "<When at now/> }.into_any(),
                    None => view! { <When at now/> }.into_any(),
                }}" "<VerifiedBadge verified/></Fact>
            })}
            <Fact label="Into">{server}", new database "<code>{name}</code></Fact>
            <Fact label="Reads">{files}", "<Size bytes=review.size_bytes/></Fact>
            <Fact label="Writes"><Count of=review.rows/>" rows, about "<Size bytes=review.plain_bytes/>" before indexes"</Fact>
            <Fact label="Versions">{versions}</Fact>
            {is_on(&no_owner).then(|| view! { <Fact label="Owners">"Left out, privileges too"</Fact> })}
            {is_on(&create_roles).then(|| view! { <Fact label="Roles">"Missing ones are made, without the right to log in"</Fact> })}
        </Facts>
    }
}
