//! The databases of a task, each with its own state.

use super::one::BackUp;
use crate::{
    address::with_pairs,
    api::task::BackUpNow,
    components::{ButtonKind, Card, Cell, Empty, Glyph, LinkButton, ProtectionBadge, Size, Table, When, may},
    pages::round::words::title_of,
};
use domain::{BackupKind, Role, RunState, ServerId, TaskId, view::task::TaskDatabase};
use jiff::Timestamp;
use leptos::prelude::*;

/// The databases.
#[component]
pub fn Databases(
    /// The task.
    id: TaskId,
    /// The kind of backup that it makes if nobody says which.
    usual: BackupKind,
    /// Its servers.
    servers: Vec<(ServerId, String)>,
    /// What is shown of them.
    databases: Vec<TaskDatabase>,
    /// How many there are.
    total: u64,
    /// When they were read.
    now: Timestamp,
    /// Starts a round of one.
    back_up: ServerAction<BackUpNow>,
) -> impl IntoView {
    let all = |server: &ServerId| format!("/servers/{server}/databases");
    let several = servers.len() > 1;
    if databases.is_empty() {
        let text = if several { "Its servers have" } else { "The server has" };
        let text = format!("{text} none that the task covers. New ones are found at every round, and every few minutes.");
        let href = servers.first().map(|(server, _)| all(server)).unwrap_or_default();
        return view! {
            <Card title="Databases" icon=Glyph::Database>
                <Empty
                    title="No databases"
                    text
                    icon=Glyph::Database
                    action=move || view! { <LinkButton href>"Databases of the server"</LinkButton> }
                />
            </Card>
        }
        .into_any();
    }
    let shown = databases.len() as u64;
    let lines = databases.into_iter().map(move |database| view! { <Line id usual database several now back_up/> });
    let ways =
        servers.into_iter().map(|(server, name)| view! { " " <a href=all(&server)>{if several { name } else { "the server".into() }}</a> });
    let ways =
        (total > shown).then(|| view! { <p>{format!("All {} databases:", domain::display::count(total))} {ways.collect_view()}</p> });
    view! {
        <Card title="Databases" icon=Glyph::Database flush=true>
            <Table label="Databases of this task">
                <thead>
                    <tr>
                        <th scope="col">"Database"</th>
                        <th scope="col" class="right minor">"Size"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Last good backup"</th>
                        <th scope="col" class="minor">"Proven"</th>
                        <th scope="col"><span class="unseen">"Actions"</span></th>
                    </tr>
                </thead>
                <tbody>{lines.collect_view()}</tbody>
            </Table>
            {ways}
        </Card>
    }
    .into_any()
}

#[component]
fn Line(
    id: TaskId,
    usual: BackupKind,
    database: TaskDatabase,
    several: bool,
    now: Timestamp,
    back_up: ServerAction<BackUpNow>,
) -> impl IntoView {
    let TaskDatabase { server, server_name: origin, line: database } = database;
    let (name, shown) = (database.name.clone(), several.then(|| origin.clone()));
    let (run, last) = (database.last_run, database.last_good);
    let state = run.as_ref().map(|run| run.state);
    let href = run.as_ref().map(|run| format!("/runs/{}", run.id));
    // A run that succeeded is seen by its backup.
    let run = run.filter(|run| run.state != RunState::Succeeded).map(|run| {
        let why = match (run.state, run.error) {
            (RunState::Running, _) => "Runs now".into(),
            (RunState::Queued, _) => "Waits for a place".into(),
            (_, Some(told)) => told.sentence,
            (state, None) => format!("Last run {state}"),
        };
        view! { <small><a href=href.clone()>{why}</a></small> }
    });
    let last = match href.filter(|_| state == Some(RunState::Succeeded) && last.is_some()) {
        Some(href) => view! { <a class="plain" href=href><When at=last now/></a> }.into_any(),
        None => view! { <When at=last now/> }.into_any(),
    };
    let restore = database.destination.map(|destination| {
        let href = with_pairs("/restore", [("destination", destination.to_string()), ("database", name.clone()), ("origin", origin)]);
        view! { <LinkButton href kind=ButtonKind::Ghost>"Restore"</LinkButton> }
    });
    let start = (may(Role::Operator) && !database.gone).then(|| {
        view! { <BackUp id database=Some((server, name.clone())) usual back_up/> }
    });
    view! {
        <tr>
            <Cell><b>{title_of(&name)}</b> {shown.map(|name| view! { <small>{name}</small> })} {database.gone.then(|| view! { <small>"no longer on the server"</small> })}</Cell>
            <Cell label="Size" right=true minor=true><Size bytes=database.size_bytes/></Cell>
            <Cell label="State"><ProtectionBadge protection=database.protection/> {run}</Cell>
            <Cell label="Last good backup">{last}</Cell>
            <Cell label="Proven" minor=true><When at=database.last_proven now/></Cell>
            <Cell><div class="actions">{start} {restore}</div></Cell>
        </tr>
    }
}
