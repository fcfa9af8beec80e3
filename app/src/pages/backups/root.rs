//! The database folders under a root.

use crate::{
    address,
    api::{
        Failure,
        backups::{ReadAgain, root},
        destinations::destination,
    },
    components::{
        Badge, Button, Card, Cell, Count, Empty, Faults, Filter, FormProblem, Glyph, Hidden, Icon, Manner, May, PageHead, Pager, Problem,
        Size, Table, Tag, Tone, When, counted,
    },
    loaded::loaded_page,
};
use domain::{
    DestinationId, Role, Told, display,
    view::{
        Page,
        backup::{FolderLine, FolderQuery, RootView},
        destination::DestinationView,
    },
};
use jiff::Timestamp;
use leptos::prelude::*;

/// Everything under one root.
#[component]
pub fn RootPage() -> impl IntoView {
    let again = ServerAction::<ReadAgain>::new();
    let (id, query) = (address::param::<DestinationId>("destination"), address::query::<FolderQuery>());
    let view = Resource::new_blocking(
        move || (id.get(), query.get(), again.version().get()),
        |(id, query, _)| async move {
            let one = destination(id?).await?;
            Ok((root(one.id, query.clone()).await, one, query))
        },
    );
    loaded_page(view, move |(view, one, query): (Result<RootView, Failure>, DestinationView, FolderQuery)| {
        let view = match view {
            Ok(view) => view,
            Err(Failure(told)) => return view! { <Unread one told again/> }.into_any(),
        };
        let RootView { destination, name, root, folders, all, globals, now } = view;
        let title = match all {
            0 => format!("{name} holds no backups yet"),
            several => format!("{} under {name}", counted(several, "database folder", "database folders")),
        };
        view! {
            <PageHead
                title
                window=name
                crumbs=vec![("Backups".into(), "/backups".into())]
                actions=move || view! { <May role=Role::Operator><Again again destination/></May> }
            >
                <p><code>{root}</code></p>
            </PageHead>
            <FormProblem faults=Faults::of(again.value())/>
            <Folders destination folders globals filter=query.filter now/>
        }
        .into_any()
    })
}

/// It cannot be read now: why, and what was there when it could be.
#[component]
fn Unread(one: DestinationView, told: Told, again: ServerAction<ReadAgain>) -> impl IntoView {
    let DestinationView { id, name, destination, backups, databases, stored_bytes, .. } = one;
    let holds = format!(
        "When it was read last, it held {} of {}, {}.",
        counted(backups, "backup", "backups"),
        counted(databases, "database", "databases"),
        display::size(stored_bytes)
    );
    view! {
        <PageHead
            title=format!("{name} cannot be read")
            window=name
            crumbs=vec![("Backups".into(), "/backups".into())]
            actions=move || view! { <May role=Role::Operator><Again again destination=id/></May> }
        >
            <p><code>{destination.to_string()}</code></p>
        </PageHead>
        <Problem told/>
        {(backups > 0).then(|| view! { <p class="dim">{holds}</p> })}
    }
}

#[component]
fn Again(again: ServerAction<ReadAgain>, destination: DestinationId) -> impl IntoView {
    view! {
        <ActionForm action=again>
            <Hidden values=vec![("destination", destination.to_string())]/>
            <Button icon=Glyph::Refresh busy=again.pending()>"Read again"</Button>
        </ActionForm>
    }
}

#[component]
fn Folders(
    destination: DestinationId,
    folders: Page<FolderLine>,
    globals: Vec<FolderLine>,
    filter: String,
    now: Timestamp,
) -> impl IntoView {
    let path = format!("/backups/{destination}");
    let Page { items, total, number, size } = folders;
    let is_empty = items.is_empty() && globals.is_empty() && filter.is_empty();
    let globals = globals.into_iter().map(|line| view! { <Line href=href(&path, &line) line now/> });
    let globals = globals.collect::<Vec<_>>();
    let found = items.into_iter().map(|line| view! { <Line href=href(&path, &line) line now/> }).collect::<Vec<_>>();
    let pages = address::with_pairs(&path, [("filter", &filter)]);
    let list = if is_empty {
        let text = "Each database gets its child folder here with its first backup, by a task or by the command line.";
        view! { <Empty title="No database folder yet" text icon=Glyph::Folder/> }.into_any()
    } else if found.is_empty() && !filter.is_empty() {
        view! { <Empty title="No database has such a name" text="Try a shorter part of it, or a pattern such as tenant_*." icon=Glyph::Search/> }.into_any()
    } else {
        view! {
            <Lines label="Database folders">{found}</Lines>
            <Pager number total size href=pages one="database folder" many="database folders"/>
        }
        .into_any()
    };
    view! {
        <Card title="Database folders" flush=true actions=move || view! { <Filter action=path value=filter/> }>
            {list}
        </Card>
        {(!globals.is_empty()).then(|| view! {
            <Card title="Roles and tablespaces" flush=true>
                <p class="explained dim">
                    "They belong to a server and to no single database, so they have a folder of their own, as SQL text. A restore makes the roles that its server lacks by itself, if you ask for it."
                </p>
                <Lines label="Roles and tablespaces">{globals}</Lines>
            </Card>
        })}
    }
}

fn href(path: &str, line: &FolderLine) -> String {
    let folder = format!("{path}/{}", address::segment(&line.database));
    address::with_pairs(&folder, [("origin", line.origin.clone().unwrap_or_default())])
}

#[component]
fn Lines(label: &'static str, children: Children) -> impl IntoView {
    view! {
        <Table label>
            <thead>
                <tr>
                    <th scope="col">"Folder"</th>
                    <th scope="col">"From"</th>
                    <th scope="col" class="right">"Points"</th>
                    <th scope="col">"Newest"</th>
                    <th scope="col" class="minor">"Oldest"</th>
                    <th scope="col" class="right">"Stored"</th>
                    <th scope="col">"State"</th>
                </tr>
            </thead>
            <tbody>{children()}</tbody>
        </Table>
    }
}

#[component]
fn Line(line: FolderLine, href: String, now: Timestamp) -> impl IntoView {
    let state = match line.bad {
        0 => view! { <Badge tone=Tone::Good text="Readable"/> }.into_any(),
        bad => view! { <Badge tone=Tone::Bad text=format!("{} unusable", counted(bad, "backup", "backups"))/> }.into_any(),
    };
    let origin = line.origin.unwrap_or_else(|| "not known".into());
    view! {
        <tr>
            <Cell><a class="name" href=href><Icon name=Glyph::Folder/>{line.database}</a></Cell>
            <Cell label="From">{origin} " " {line.dbms.map(|dbms| view! { <Tag text=dbms.to_string()/> })}</Cell>
            <Cell label="Restore points" right=true><Count of=line.points/></Cell>
            <Cell label="Newest"><When at=line.newest now manner=Manner::Relative/></Cell>
            <Cell label="Oldest" minor=true><When at=line.oldest now manner=Manner::Day/></Cell>
            <Cell label="Stored" right=true><Size bytes=line.stored_bytes/></Cell>
            <Cell label="State">{state}</Cell>
        </tr>
    }
}
