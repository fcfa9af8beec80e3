//! Destinations: the places where backups go.

mod form;
mod one;

pub use form::DestinationNew;
pub use one::DestinationPage;

use crate::{
    api::destinations::destinations,
    components::{ButtonKind, Card, Cell, Count, Empty, Glyph, LinkButton, May, PageHead, Size, Table, counted, may},
    loaded::loaded_page,
};
use domain::{Role, display, view::destination::DestinationView};
use leptos::prelude::*;

/// Every destination.
#[component]
pub fn Destinations() -> impl IntoView {
    loaded_page(Resource::new_blocking(|| (), |()| destinations()), |all| {
        let title = match all.as_slice() {
            [] => "There is no destination yet".into(),
            all => {
                let bytes = display::size(all.iter().map(|one| one.stored_bytes).sum());
                format!("{} hold {bytes} of backups", counted(all.len() as u64, "destination", "destinations")).replacen(
                    "1 destination hold",
                    "1 destination holds",
                    1,
                )
            }
        };
        let list = if all.is_empty() { view! { <None/> }.into_any() } else { view! { <List all/> }.into_any() };
        view! {
            <PageHead title window="Destinations" actions=|| view! { <May role=Role::Administrator><New/></May> }>
                <p>"A destination is a place with a root folder, in which every database gets its child folder."</p>
            </PageHead>
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
        view! {
            <tr>
                <Cell><a class="name" href=format!("/destinations/{}", one.id)>{one.name}</a></Cell>
                <Cell label="Root"><code>{one.destination.to_string()}</code></Cell>
                <Cell label="Tasks" minor=true>{tasks}</Cell>
                <Cell label="Databases" right=true minor=true><Count of=one.databases/></Cell>
                <Cell label="Backups" right=true><Count of=one.backups/></Cell>
                <Cell label="Stored" right=true><Size bytes=one.stored_bytes/></Cell>
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
