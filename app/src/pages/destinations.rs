//! Destinations: the places where backups go.

mod form;
mod one;
pub(super) mod reading;

pub use form::DestinationNew;
pub use one::DestinationPage;

use crate::{
    api::destinations::destinations,
    components::{ButtonKind, Card, Cell, Count, Empty, Glyph, LinkButton, May, PageHead, Size, Table, counted, keep_fresh, may},
    loaded::loaded_page,
};
use domain::{Role, display, view::destination::DestinationView};
use leptos::prelude::*;
use reading::{Reading, Unreadable, answer, is_being_read};

/// Every destination.
#[component]
pub fn Destinations() -> impl IntoView {
    let all = Resource::new_blocking(|| (), |()| destinations());
    keep_fresh(all, |all| is_being_read(all));
    loaded_page(all, |all| {
        let title = answer(&all).unwrap_or_else(|| match all.len() as u64 {
            0 => "There is no destination yet".into(),
            number => {
                let bytes = display::size(all.iter().map(|one| one.stored_bytes).sum());
                format!("{} {bytes} of backups", counted(number, "destination holds", "destinations hold"))
            }
        });
        let unreadable = all.iter().cloned().map(|one| view! { <Unreadable one linked=true/> }).collect_view();
        let list = if all.is_empty() { view! { <None/> }.into_any() } else { view! { <List all/> }.into_any() };
        view! {
            <PageHead title window="Destinations" actions=|| view! { <May role=Role::Administrator><New/></May> }>
                <p>"A destination is a place with a root folder, in which every database gets its child folder."</p>
            </PageHead>
            {unreadable}
            <Card flush=true>{list}</Card>
        }
    })
}

#[component]
fn New() -> impl IntoView {
    view! { <LinkButton href="/destinations/new" kind=ButtonKind::Primary icon=Glyph::Plus>"Add destination"</LinkButton> }
}

/// Shown where a list of destinations would be, and there is none.
#[component]
pub(super) fn None() -> impl IntoView {
    let text = if may(Role::Administrator) {
        "Add the folder that backups go to: on this machine, or on a share that is mounted here."
    } else {
        "An administrator adds the places that backups go to."
    };
    view! { <Empty title="No destination yet" text icon=Glyph::Destination action=|| view! { <May role=Role::Administrator><New/></May> }/> }
}

#[component]
fn List(all: Vec<DestinationView>) -> impl IntoView {
    let lines = all.into_iter().map(|one| {
        let tasks = match one.tasks.len() as u64 {
            0 => "none".into(),
            1 => one.tasks[0].clone(),
            several => counted(several, "task", "tasks"),
        };
        // Before the first reading nothing is known, and that is not nothing.
        let known = one.read_at.map(|_| (one.databases, one.backups, one.stored_bytes));
        let state = one.clone();
        view! {
            <tr>
                <Cell><a class="name" href=format!("/destinations/{}", one.id)>{one.name}</a></Cell>
                <Cell label="Root"><code>{one.destination.to_string()}</code></Cell>
                <Cell label="Tasks" minor=true>{tasks}</Cell>
                <Cell label="State"><Reading one=state/></Cell>
                <Cell label="Databases" right=true minor=true><Count of=known.map(|(databases, ..)| databases)/></Cell>
                <Cell label="Backups" right=true><Count of=known.map(|(_, backups, _)| backups)/></Cell>
                <Cell label="Stored" right=true><Size bytes=known.map(|(.., bytes)| bytes)/></Cell>
                <Cell label="Free" right=true><Size bytes=one.free_bytes/></Cell>
                <Cell><a class="link" href=format!("/backups/{}", one.id)>"Browse"</a></Cell>
            </tr>
        }
    });
    view! {
        <Table label="Destinations">
            <thead>
                <tr>
                    <th scope="col">"Name"</th>
                    <th scope="col">"Root"</th>
                    <th scope="col" class="minor">"Tasks"</th>
                    <th scope="col">"State"</th>
                    <th scope="col" class="right minor">"Databases"</th>
                    <th scope="col" class="right">"Backups"</th>
                    <th scope="col" class="right">"Stored"</th>
                    <th scope="col" class="right">"Free"</th>
                    <th scope="col"><span class="unseen">"Actions"</span></th>
                </tr>
            </thead>
            <tbody>{lines.collect_view()}</tbody>
        </Table>
    }
}
