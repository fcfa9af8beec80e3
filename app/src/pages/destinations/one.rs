//! One destination.

use super::{
    super::settings::{Save, is_saved},
    form::{Fields, Test, Tested},
    reading::Unreadable,
};
use crate::{
    address,
    api::destinations::{ChangeDestination, ProbeDestination, RemoveDestination, destination},
    components::{
        Card, Confirm, Count, Fact, Facts, Faults, FormProblem, Glyph, Hidden, LinkButton, Manner, May, Notice, PageHead, Size, Tone, When,
        counted,
    },
    done::successes,
    loaded::loaded_page,
};
use domain::{DestinationForm, DestinationId, Role, display, view::destination::DestinationView};
use leptos::prelude::*;

/// A destination: what it holds, and for administrators the forms that change it.
#[component]
pub fn DestinationPage() -> impl IntoView {
    let change = ServerAction::<ChangeDestination>::new();
    let (id, saved) = (address::param::<DestinationId>("id"), successes(change.value()));
    let one = Resource::new_blocking(move || (id.get(), saved.get()), |(id, _)| async move { destination(id?).await });
    loaded_page(one, move |one| {
        let title = answer(&one);
        let (browse, root) = (format!("/backups/{}", one.id), one.destination.to_string());
        let (id, name, tasks, backups) = (one.id, one.name.clone(), one.tasks.clone(), one.backups);
        let (edited, seen) = (one.clone(), one.clone());
        view! {
            <PageHead
                title
                window=name.clone()
                crumbs=vec![("Destinations".into(), "/destinations".into())]
                actions=move || view! { <LinkButton href=browse icon=Glyph::Backups>"Browse the backups"</LinkButton> }
            >
                <p><code>{root}</code></p>
            </PageHead>
            <Unreadable one=seen/>
            <div class="split">
                <div class="stack">
                    <Holds one/>
                    <May role=Role::Administrator><Edit one=edited change/></May>
                </div>
                <div class="stack">
                    <Tasks names=tasks/>
                    <May role=Role::Administrator><Remove id name backups/></May>
                </div>
            </div>
        }
    })
}

/// What it holds, in one sentence without its full stop. One that was not read yet is not empty.
fn answer(one: &DestinationView) -> String {
    let DestinationView { name, backups, .. } = one;
    match (one.read_at, &one.read_error, backups) {
        (None, ..) => format!("{name} is being read for the first time"),
        (_, Some(_), _) => format!("{name} cannot be read"),
        (_, None, 0) => format!("{name} holds no backups yet"),
        (_, None, _) => format!("{name} holds {} of backups", display::size(one.stored_bytes)),
    }
}

#[component]
fn Holds(one: DestinationView) -> impl IntoView {
    let read = if one.read_error.is_some() { "Last tried" } else { "Last read" };
    let known = one.read_at.map(|_| (one.databases, one.backups, one.stored_bytes));
    view! {
        <Card title="What lies there">
            <Facts>
                <Fact label="Databases"><Count of=known.map(|(databases, ..)| databases)/></Fact>
                <Fact label="Backups"><Count of=known.map(|(_, backups, _)| backups)/></Fact>
                <Fact label="Stored"><Size bytes=known.map(|(.., bytes)| bytes)/></Fact>
                <Fact label="Free"><Size bytes=one.free_bytes/></Fact>
                <Fact label=read><When at=one.read_at now=one.now manner=Manner::Relative none="not yet; it is being read"/></Fact>
                {(!one.note.is_empty()).then(|| view! { <Fact label="Note"><span class="note">{one.note}</span></Fact> })}
            </Facts>
        </Card>
    }
}

#[component]
fn Tasks(names: Vec<String>) -> impl IntoView {
    let text = match names.len() as u64 {
        0 => "No task writes here.".into(),
        several => format!("{} here.", counted(several, "task writes", "tasks write")),
    };
    view! {
        <Card title="Tasks">
            <p>{text}</p>
            {(!names.is_empty()).then(|| view! { <ul>{names.into_iter().map(|name| view! { <li>{name}</li> }).collect_view()}</ul> })}
        </Card>
    }
}

#[component]
fn Edit(one: DestinationView, change: ServerAction<ChangeDestination>) -> impl IntoView {
    let (probe, faults) = (ServerAction::<ProbeDestination>::new(), Faults::of(change.value()));
    let form = address::typed(&DestinationForm { name: one.name, root: one.destination.to_string(), note: one.note });
    let again = format!("/destinations/{}", one.id);
    view! {
        <Card title="Change it" icon=Glyph::Edit>
            <ActionForm action=change attr:class="form">
                {move || is_saved(change).then(|| view! { <Notice tone=Tone::Good title="The destination is saved."/> })}
                <FormProblem faults marked=true/>
                <Hidden values=vec![("id", one.id.to_string())]/>
                <Fields form faults/>
                <p class="dim small">"Another root moves no files: tasks write to the new one from their next round on."</p>
                <Tested probe/>
                <Save version=one.version faults again busy=change.pending()><Test probe/></Save>
            </ActionForm>
        </Card>
    }
}

#[component]
fn Remove(id: DestinationId, name: String, backups: u64) -> impl IntoView {
    let remove = ServerAction::<RemoveDestination>::new();
    let faults = Faults::of(remove.value());
    let text = format!(
        "The console forgets this place. Its files stay: {}. Add the same root again, and they are all here again.",
        counted(backups, "backup", "backups")
    );
    view! {
        <ActionForm action=remove attr:class="stack">
            <FormProblem faults marked=true/>
            <Hidden values=vec![("id", id.to_string())]/>
            <Confirm title="Remove this destination" text name error=faults.field("typed_name")/>
        </ActionForm>
    }
}
