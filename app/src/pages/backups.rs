//! The backups browser: destinations, the database folders of a root, the restore points of a folder.

mod folder;
mod picture;
mod points;
mod root;
mod timeline;

pub use folder::FolderPage;
pub(super) use picture::Picture;
pub(super) use points::kind_word;
pub use root::RootPage;
pub(super) use timeline::Span;

use super::destinations;
use crate::{
    components::{Card, Cell, Count, PageHead, Size, Table, counted},
    loaded::loaded_page,
};
use domain::view::{backup::FolderLine, destination::DestinationView};
use leptos::prelude::*;

/// Name of the folder that holds what belongs to a whole server.
pub(super) const GLOBALS: &str = "_globals";

/// The folders of a root, those of databases apart from those of whole servers. Backups whose manifest does not say where
/// they come from are counted with the others of their database, where there are others.
pub(super) fn sorted(folders: Vec<FolderLine>) -> (Vec<FolderLine>, Vec<FolderLine>) {
    let (known, unknown): (Vec<_>, Vec<_>) = folders.into_iter().partition(|folder| folder.origin.is_some());
    let mut all = known;
    for folder in unknown {
        match all.iter_mut().find(|other| other.database == folder.database) {
            Some(other) => {
                other.bad += folder.bad;
                other.stored_bytes += folder.stored_bytes;
            }
            None => all.push(folder),
        }
    }
    all.sort_by(|a, b| (&a.database, &a.origin).cmp(&(&b.database, &b.origin)));
    all.into_iter().partition(|folder| folder.database != GLOBALS)
}

/// Where backups are.
#[component]
pub fn Backups() -> impl IntoView {
    loaded_page(Resource::new_blocking(|| (), |()| crate::api::destinations::destinations()), |all| {
        let backups = all.iter().map(|one| one.backups).sum();
        let title = if backups == 0 {
            "There are no backups yet".into()
        } else {
            format!("{} can be restored", counted(backups, "backup", "backups"))
        };
        let list = if all.is_empty() { view! { <destinations::None/> }.into_any() } else { view! { <List all/> }.into_any() };
        view! {
            <PageHead title window="Backups">
                <p>"Choose a destination to see the database folders under its root."</p>
            </PageHead>
            <Card flush=true>{list}</Card>
        }
    })
}

#[component]
fn List(all: Vec<DestinationView>) -> impl IntoView {
    let lines = all.into_iter().map(|one| {
        view! {
            <tr>
                <Cell><a class="name" href=format!("/backups/{}", one.id)>{one.name}</a></Cell>
                <Cell label="Root"><code>{one.destination.to_string()}</code></Cell>
                <Cell label="Databases" right=true><Count of=one.databases/></Cell>
                <Cell label="Restore points" right=true><Count of=one.backups/></Cell>
                <Cell label="Stored" right=true><Size bytes=one.stored_bytes/></Cell>
            </tr>
        }
    });
    view! {
        <Table label="Destinations">
            <thead>
                <tr>
                    <th scope="col">"Destination"</th>
                    <th scope="col">"Root"</th>
                    <th scope="col" class="right">"Databases"</th>
                    <th scope="col" class="right">"Restore points"</th>
                    <th scope="col" class="right">"Stored"</th>
                </tr>
            </thead>
            <tbody>{lines.collect_view()}</tbody>
        </Table>
    }
}
