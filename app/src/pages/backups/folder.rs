//! One database folder: its restore points as a picture of time, and as a list.

use super::{
    GLOBALS,
    picture::Picture,
    points::{Meanwhile, Points},
    timeline::Span,
};
use crate::{
    address,
    api::backups::folder,
    components::{Badge, ButtonKind, Card, Empty, Glyph, LinkButton, Notice, PageHead, Tone, When, counted, may},
    loaded::loaded_page,
};
use domain::{
    DestinationId, Role,
    view::backup::{ChainView, FolderView, PointLine},
};
use leptos::prelude::*;

/// A database's child folder, or the part of it that came from the server that the address names.
#[component]
pub fn FolderPage() -> impl IntoView {
    let (id, database) = (address::param::<DestinationId>("destination"), address::name_param("database"));
    let (origin, span) = (address::query_value("origin"), address::query_value("span"));
    let view = Resource::new_blocking(move || (id.get(), database.get()), |(id, database)| async move { folder(id?, database).await });
    loaded_page(view, move |view| move || view! { <Folder view=view.clone() origin=origin.get() span=Span::of_word(&span.read())/> })
}

#[component]
fn Folder(view: FolderView, origin: String, span: Span) -> impl IntoView {
    let FolderView { destination, name, root, database, mut chains, now } = view;
    if !origin.is_empty() {
        // What does not say where it comes from may be from there.
        chains.retain(|chain| chain.origin.as_deref().is_none_or(|from| from == origin));
    }
    let (is_globals, whole_root) = (database == GLOBALS, root.clone());
    let points: Vec<PointLine> = chains.iter().flat_map(|chain| chain.points.iter().cloned()).collect();
    let what = if is_globals { "roles and tablespaces" } else { &database };
    let usable = points.iter().filter(|point| point.fault.is_none()).count();
    let unusable = points.len() - usable;
    let title = format!("{} of {what}", counted(usable as u64, "restore point", "restore points"));
    let badge = (unusable > 0).then(|| view! { <Badge tone=Tone::Bad text=format!("{unusable} unusable")/> });
    let crumbs = vec![("Backups".into(), "/backups".into()), (name, format!("/backups/{destination}"))];
    let range = range(&points, now);
    let restore = address::with_pairs(
        "/restore?step=point",
        [("destination", destination.to_string()), ("database", database.clone()), ("origin", origin.clone())],
    );
    let can_restore = !is_globals && may(Role::Administrator) && usable > 0;
    let path = format!("/backups/{destination}/{}", address::segment(&database));
    let spans = Callback::new(move |span: Span| address::with_pairs(&path, [("origin", origin.as_str()), ("span", span.word())]));
    view! {
        <PageHead
            title
            window=database.clone()
            crumbs
            badge=move || badge
            actions=move || can_restore.then(|| view! {
                <LinkButton href=restore kind=ButtonKind::Primary icon=Glyph::Restore>"Restore"</LinkButton>
            })
        >
            <p>{range} " " <code>{whole_root}</code></p>
        </PageHead>
        {is_globals.then(|| view! {
            <Notice title="Roles and tablespaces of the whole server.">
                <p>"They are kept as SQL text in each archive, to be read and run by hand. The restore of a database makes the roles that its server lacks by itself, if you ask for it."</p>
            </Notice>
        })}
        {if points.is_empty() {
            let text = "Its backups may have been removed, or they came from another server.";
            view! { <Card><Empty title="No restore point here" text icon=Glyph::Backups/></Card> }.into_any()
        } else {
            let href = Callback::new(|label: domain::Label| format!("#{label}"));
            let newest = chains.first().and_then(|chain| Some((chain.folder.clone(), chain.points.first()?.clone())));
            let server = chains.first().and_then(|chain| chain.origin.clone()).filter(|_| has_several_origins(&chains));
            let named = (!is_globals).then(|| database.clone());
            view! {
                <Card flush=true><Picture points span chosen=None href spans now/></Card>
                <Shown destination database chains restorable=!is_globals span now/>
                {newest.map(|newest| view! { <Meanwhile root database=named server newest/> })}
            }.into_any()
        }}
    }
}

/// From when to when there are points, in words.
fn range(points: &[PointLine], now: jiff::Timestamp) -> impl IntoView + use<> {
    let usable = || points.iter().filter(|point| point.fault.is_none()).map(|point| point.at);
    let (oldest, newest) = (usable().min(), usable().max());
    (newest.is_some() && oldest != newest).then(|| view! { "From " <When at=oldest now/> " to " <When at=newest now/> "." })
}

/// Whether they come from several servers, which have a database of the same name each.
fn has_several_origins(chains: &[ChainView]) -> bool {
    let mut from = chains.iter().filter_map(|chain| chain.origin.as_deref());
    from.next().is_some_and(|first| from.any(|other| other != first))
}

/// The list, of the span that is shown.
#[component]
fn Shown(
    destination: DestinationId,
    database: String,
    mut chains: Vec<ChainView>,
    restorable: bool,
    span: Span,
    now: jiff::Timestamp,
) -> impl IntoView {
    if let Some(begin) = span.begins(now) {
        chains.retain_mut(|chain| {
            chain.points.retain(|point| point.at >= begin);
            !chain.points.is_empty()
        });
    }
    let origins = has_several_origins(&chains);
    let points: usize = chains.iter().map(|chain| chain.points.len()).sum();
    let count = counted(points as u64, "restore point", "restore points");
    let chained = counted(chains.len() as u64, "chain", "chains");
    let list = if chains.is_empty() {
        let text = "Nothing was backed up in the time that is shown above. Choose a longer one.";
        view! { <Empty title="No restore point in this time" text icon=Glyph::Clock/> }.into_any()
    } else {
        view! { <Points destination database restorable chains origins now/> }.into_any()
    };
    view! { <Card title="Restore points" flush=true actions=move || view! { <span class="dim small">{format!("{count} in {chained}")}</span> }>{list}</Card> }
}
