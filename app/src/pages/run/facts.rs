//! What is known of a run.

use super::words::kind;
use crate::{
    address::segment,
    components::{Card, Count, Fact, Facts, Lasted, Size, When},
    pages::round::words::title_of,
};
use domain::{
    RunKind,
    view::run::{RunLine, RunView},
};
use leptos::prelude::*;

/// What is known of a run, and the ways from here.
#[component]
pub fn RunFacts(
    /// The run.
    view: RunView,
) -> impl IntoView {
    let RunView { line, task_name, started_by, destination, root, from_database, now, .. } = view;
    let RunLine { kind: what, server, server_name, round, began_at, ended_at, queued_at, attempt, .. } = line.clone();
    let source = from_database.clone().unwrap_or_else(|| line.database.clone());
    let place = match destination {
        Some(id) => {
            let href = format!("/backups/{id}/{}", segment(&source));
            view! { <a href=href>{title_of(&source)}</a> " in " <span class="code">{root}</span> }.into_any()
        }
        None => view! { {title_of(&source)} }.into_any(),
    };
    let server = server.map(|id| {
        let label = if what == RunKind::Verify { "Came from" } else { "Server" };
        view! { <Fact label><a href=format!("/servers/{id}")>{server_name}</a></Fact> }
    });
    let round = round.zip(task_name).map(|(id, name)| view! { <Fact label="Round of"><a href=format!("/rounds/{id}")>{name}</a></Fact> });
    view! {
        <Card title="Facts">
            <div class="facts-wide">
                <Facts>
                    <Fact label="Kind">{kind(what)}</Fact>
                    <Fact label=if what == RunKind::Restore { "New database" } else { "Database" }>{title_of(&line.database)}</Fact>
                    {server}
                    <Fact label=if what == RunKind::Backup { "Folder" } else { "Backup of" }>{place}</Fact>
                    {line.label.map(|label| view! { <Fact label="Restore point"><span class="code">{label}</span></Fact> })}
                    {round}
                    {line.wanted.map(|wanted| view! { <Fact label="Asked for a backup">{wanted.as_str()}</Fact> })}
                    {line.reason.map(|reason| view! { <Fact label="Why this kind">{reason}</Fact> })}
                </Facts>
                <Facts>
                    {started_by.map(|name| view! { <Fact label="Started by">{name}</Fact> })}
                    <Fact label="Asked for"><When at=queued_at now/></Fact>
                    <Fact label="Began"><When at=began_at now none="not yet"/></Fact>
                    {began_at.zip(ended_at).map(|(from, to)| view! { <Fact label="Took"><Lasted from to/></Fact> })}
                    {(attempt > 1).then(|| view! { <Fact label="Attempt">{attempt}</Fact> })}
                    {line.stored_bytes.map(|bytes| view! { <Fact label="Stored"><Size bytes/></Fact> })}
                    {line.rows.map(|rows| view! { <Fact label="Rows"><Count of=rows/></Fact> })}
                </Facts>
            </div>
        </Card>
    }
}
