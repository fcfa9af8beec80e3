//! The backups browser: destinations, the database folders of a root, the restore points of a folder.

mod download;
mod folder;
mod hold;
mod picture;
mod points;
mod root;
mod timeline;
mod verify;

pub use download::DownloadPage;
pub use folder::FolderPage;
pub use hold::HoldPage;
pub(super) use picture::Picture;
pub(super) use points::kind_word;
pub use root::RootPage;
pub(super) use timeline::Span;
pub use verify::VerifyPage;

use super::destinations::{
    self,
    reading::{Reading, Unreadable, answer, is_being_read},
};
use crate::{
    components::{Card, Cell, Count, PageHead, Size, Table, counted, keep_fresh},
    loaded::loaded_page,
};
use domain::view::destination::DestinationView;
use leptos::prelude::*;

/// Name of the folder that holds what belongs to a whole server.
pub(super) const GLOBALS: &str = "_globals";

/// Where backups are.
#[component]
pub fn Backups() -> impl IntoView {
    let all = Resource::new_blocking(|| (), |()| crate::api::destinations::destinations());
    keep_fresh(all, |all| is_being_read(all));
    loaded_page(all, |all| {
        let backups = all.iter().map(|one| one.backups).sum();
        let title = match (answer(&all), backups) {
            (Some(answer), _) => answer,
            (None, 0) if is_being_read(&all) => "No backups are known yet".into(),
            (None, 0) => "There are no backups yet".into(),
            (None, _) => format!("{} can be restored", counted(backups, "backup", "backups")),
        };
        let unreadable = all.iter().cloned().map(|one| view! { <Unreadable one linked=true/> }).collect_view();
        let list = if all.is_empty() { view! { <destinations::None/> }.into_any() } else { view! { <List all/> }.into_any() };
        view! {
            <PageHead title window="Backups">
                <p>"Choose a destination to see the database folders under its root."</p>
            </PageHead>
            {unreadable}
            <Card flush=true>{list}</Card>
        }
    })
}

#[component]
fn List(all: Vec<DestinationView>) -> impl IntoView {
    let lines = all.into_iter().map(|one| {
        // Before the first reading nothing is known, and that is not nothing.
        let known = one.read_at.map(|_| (one.databases, one.backups, one.stored_bytes));
        let state = one.clone();
        view! {
            <tr>
                <Cell><a class="name" href=format!("/backups/{}", one.id)>{one.name}</a></Cell>
                <Cell label="Root"><code>{one.destination.to_string()}</code></Cell>
                <Cell label="State"><Reading one=state/></Cell>
                <Cell label="Databases" right=true><Count of=known.map(|(databases, ..)| databases)/></Cell>
                <Cell label="Restore points" right=true><Count of=known.map(|(_, backups, _)| backups)/></Cell>
                <Cell label="Stored" right=true><Size bytes=known.map(|(.., bytes)| bytes)/></Cell>
            </tr>
        }
    });
    view! {
        <Table label="Destinations">
            <thead>
                <tr>
                    <th scope="col">"Destination"</th>
                    <th scope="col">"Root"</th>
                    <th scope="col">"State"</th>
                    <th scope="col" class="right">"Databases"</th>
                    <th scope="col" class="right">"Restore points"</th>
                    <th scope="col" class="right">"Stored"</th>
                </tr>
            </thead>
            <tbody>{lines.collect_view()}</tbody>
        </Table>
    }
}
