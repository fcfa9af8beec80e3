//! A chain that is pinned, or is to be: it is not deleted until it is released.

use crate::{
    address::{self, segment},
    api::{
        Failure,
        backups::{HoldChain, ReleaseChain, folder},
    },
    components::{Button, ButtonKind, Card, Fact, Facts, Faults, Field, FormProblem, Glyph, Hidden, LinkButton, PageHead, When},
    loaded::loaded_page,
};
use domain::{
    Code, DestinationId, Error,
    view::backup::{ChainView, Held},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// Asks what for, or says who did.
#[component]
pub fn HoldPage() -> impl IntoView {
    let (destination, database) = (address::param::<DestinationId>("destination"), address::name_param("database"));
    let wanted = address::query_value("folder");
    let (hold, release) = (ServerAction::<HoldChain>::new(), ServerAction::<ReleaseChain>::new());
    let chain = Resource::new_blocking(
        move || (destination.get(), database.get(), wanted.get()),
        |(destination, database, wanted)| async move {
            let view = folder(destination?, database).await?;
            let now = view.now;
            let chain = view.chains.into_iter().find(|chain| chain.folder == wanted).ok_or_else(|| {
                Failure::from(Error::new(Code::NotFound, "There is no such chain any more.", "Go back to the backups and choose one."))
            })?;
            Ok::<_, Failure>((view.destination, view.database, chain, now))
        },
    );
    loaded_page(chain, move |(destination, database, chain, now): (DestinationId, String, ChainView, Timestamp)| {
        let back = format!("/backups/{destination}/{}", segment(&database));
        let crumbs = vec![("Backups".into(), "/backups".into()), (database, back.clone())];
        let from = chain.points.last().map(|point| point.at);
        let hidden = vec![("destination", destination.to_string()), ("folder", chain.folder.clone()), ("back", back.clone())];
        let title = if chain.held.is_some() { "Release a chain" } else { "Hold a chain" };
        let form = match chain.held {
            Some(held) => view! { <Release held hidden back release now/> }.into_any(),
            None => view! { <Hold hidden back hold/> }.into_any(),
        };
        view! {
            <PageHead title crumbs>
                <p>"The chain of " <When at=from now/> " " <code>{chain.folder}</code></p>
            </PageHead>
            <Card title icon=Glyph::Lock>{form}</Card>
        }
    })
}

#[component]
fn Hold(hidden: Vec<(&'static str, String)>, back: String, hold: ServerAction<HoldChain>) -> impl IntoView {
    let faults = Faults::of(hold.value());
    view! {
        <ActionForm action=hold attr:class="form">
            <FormProblem faults marked=true/>
            <Hidden values=hidden/>
            <p>"Retention deletes nothing of it, whatever the rules say, until somebody releases it."</p>
            <Field label="What for" name="note" optional=true error=faults.field("note") placeholder="Until the audit is over"/>
            <div class="actions">
                <LinkButton href=back>"Cancel"</LinkButton>
                <Button kind=ButtonKind::Primary icon=Glyph::Lock busy=hold.pending()>"Hold it"</Button>
            </div>
        </ActionForm>
    }
}

#[component]
fn Release(
    held: Held,
    hidden: Vec<(&'static str, String)>,
    back: String,
    release: ServerAction<ReleaseChain>,
    now: Timestamp,
) -> impl IntoView {
    let note = if held.note.is_empty() { "nothing was said".to_owned() } else { held.note };
    view! {
        <ActionForm action=release attr:class="form">
            <FormProblem faults=Faults::of(release.value())/>
            <Hidden values=hidden/>
            <Facts>
                <Fact label="Held by">{held.by}</Fact>
                <Fact label="Since"><When at=held.at now/></Fact>
                <Fact label="What for">{note}</Fact>
            </Facts>
            <p>"Once it is released, it goes as soon as no rule keeps it."</p>
            <div class="actions">
                <LinkButton href=back>"Cancel"</LinkButton>
                <Button kind=ButtonKind::Primary busy=release.pending()>"Release it"</Button>
            </div>
        </ActionForm>
    }
}
