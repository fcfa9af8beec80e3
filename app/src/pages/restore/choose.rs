//! The first steps: which destination, and which database folder.

use super::{super::destinations, Draft, Wrong, step::Step};
use crate::{
    address::{self, with_pairs},
    components::{Card, Cell, Count, Empty, Filter, Glyph, Icon, Manner, May, Pager, Size, Table, Tag, When},
};
use domain::{
    Role,
    view::{Page, backup::FolderLine},
};
use leptos::prelude::*;

/// Which destination.
#[component]
pub(super) fn Where(draft: Draft) -> impl IntoView {
    let errors = draft.errors(&[]);
    let lines = draft.preview.destinations.into_iter().map(|(id, name, root)| {
        let id = id.to_string();
        let here = id == draft.form.destination;
        // Another place holds other folders: what was chosen after this step is chosen anew.
        let next = if here { draft.form.clone() } else { domain::RestoreForm { destination: id, ..Default::default() } };
        view! {
            <tr aria-current=here.then_some("true")>
                <Cell><a class="name" href=Draft::to(Step::Folder, &next)><Icon name=Glyph::Destination/>{name}</a></Cell>
                <Cell label="Root"><code>{root}</code></Cell>
            </tr>
        }
    });
    let lines = lines.collect::<Vec<_>>();
    let list = if lines.is_empty() {
        view! { <destinations::None/> }.into_any()
    } else {
        view! {
            <Table label="Destinations">
                <thead>
                    <tr>
                        <th scope="col">"Destination"</th>
                        <th scope="col">"Root"</th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </Table>
        }
        .into_any()
    };
    view! {
        <Wrong errors/>
        <Card title="Destinations" flush=true>{list}</Card>
        <May role=Role::Administrator>
            <p class="dim">
                "The backup lies somewhere else, or another console made it? "
                <a class="link" href="/destinations/new">"Add the place as a destination"</a> " first: that writes nothing there."
            </p>
        </May>
    }
}

/// Which database folder.
#[component]
pub(super) fn Folder(draft: Draft) -> impl IntoView {
    let filter = address::query_value("filter").get_untracked();
    let errors = draft.errors(&[]);
    let now = draft.preview.now;
    let Page { items, total, number, size } = draft.preview.folders;
    let keep = vec![("step", Step::Folder.word().to_owned()), ("destination", draft.form.destination.clone())];
    let pages = with_pairs("/restore", keep.iter().cloned().chain([("filter", filter.clone())]));
    let lines = items.into_iter().map(|folder| view! { <Line folder form=draft.form.clone() now/> }).collect::<Vec<_>>();
    let list = if lines.is_empty() && filter.is_empty() {
        let text = "No database has been backed up to this destination yet. Choose another one.";
        view! { <Empty title="No database folder here" text icon=Glyph::Folder/> }.into_any()
    } else if lines.is_empty() {
        view! { <Empty title="No database has such a name" text="Try a shorter part of it, or a pattern such as tenant_*." icon=Glyph::Search/> }.into_any()
    } else {
        view! {
            <Table label="Database folders">
                <thead>
                    <tr>
                        <th scope="col">"Database"</th>
                        <th scope="col">"From"</th>
                        <th scope="col" class="right">"Points"</th>
                        <th scope="col">"Newest"</th>
                        <th scope="col" class="right minor">"Stored"</th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </Table>
            <Pager number total size href=pages one="database folder" many="database folders"/>
        }
        .into_any()
    };
    view! {
        <Wrong errors/>
        <Card title="Database folders" flush=true actions=move || view! { <Filter action="/restore" value=filter keep/> }>
            {list}
        </Card>
        {draft.preview.has_globals.then(|| view! {
            <p class="dim">"Roles and tablespaces have a folder of their own and are no database: missing roles can be made on the step Target."</p>
        })}
    }
}

#[component]
fn Line(folder: FolderLine, form: domain::RestoreForm, now: jiff::Timestamp) -> impl IntoView {
    let origin = folder.origin.unwrap_or_default();
    let here = folder.database == form.database && (form.origin.is_empty() || form.origin == origin);
    let mut next = domain::RestoreForm { database: folder.database.clone(), origin: origin.clone(), ..form };
    if !here {
        // The moments and the proposed name of another database are other ones.
        (next.point, next.at, next.server, next.name) = Default::default();
    }
    let bad = (folder.bad > 0).then(|| view! { <small class="dim">{format!("{} more unusable", folder.bad)}</small> });
    view! {
        <tr aria-current=here.then_some("true")>
            <Cell><a class="name" href=Draft::to(Step::Point, &next)><Icon name=Glyph::Folder/>{folder.database}</a></Cell>
            <Cell label="From">{origin} " " {folder.dbms.map(|dbms| view! { <Tag text=dbms.to_string()/> })}</Cell>
            <Cell label="Restore points" right=true><Count of=folder.points/>{bad}</Cell>
            <Cell label="Newest"><When at=folder.newest now manner=Manner::Relative/></Cell>
            <Cell label="Stored" right=true minor=true><Size bytes=folder.stored_bytes/></Cell>
        </tr>
    }
}
