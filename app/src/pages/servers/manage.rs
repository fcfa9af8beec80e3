//! Manage Server, first tab: its tasks, and what they leave to do.

use super::{
    databases::{BackUpForms, DatabaseRows},
    head::head,
    rounds::RoundTable,
    task_card::TaskCard,
};
use crate::{
    address::param,
    api::{
        servers::{Look, databases, server},
        task::{BackUpNow, EnableTask},
    },
    components::{ButtonKind, Card, Empty, Faults, FormProblem, Glyph, LinkButton, May, Table, keep_fresh},
    loaded::loaded_page,
};
use domain::{
    Role, ServerId,
    view::server::{DatabaseLine, DatabaseQuery, ServerView},
};
use leptos::prelude::*;

/// Databases that are shown here; all are on their own tab.
const MOST: usize = 10;
/// Rounds that are shown here.
const ROUNDS: usize = 5;

/// A server's tasks.
#[component]
pub fn ServerPage() -> impl IntoView {
    let id = param::<ServerId>("id");
    let (look, back_up, enable) = (ServerAction::<Look>::new(), ServerAction::<BackUpNow>::new(), ServerAction::<EnableTask>::new());
    let all = Resource::new_blocking(
        move || (id.get(), look.version().get(), enable.version().get()),
        |(id, ..)| async move {
            let id = id?;
            let only = DatabaseQuery { only: "attention".into(), sort: "state".into(), ..DatabaseQuery::default() };
            Ok((server(id).await?, databases(id, only).await?))
        },
    );
    keep_fresh(all, |(view, _)| view.rounds.first().is_some_and(|round| !round.state.has_ended()));
    let faults = Faults::of(back_up.value()).or(Faults::of(look.value())).or(Faults::of(enable.value()));
    view! {
        <FormProblem faults/>
        {loaded_page(all, move |(view, attention)| {
            view! {
                {head(&view, look)}
                {tasks(&view, back_up, enable)}
                {(!view.line.tasks.is_empty()).then(|| needs_attention(&view, attention.items, attention.total, back_up))}
                {rounds(view)}
            }
        })}
    }
}

fn tasks(view: &ServerView, back_up: ServerAction<BackUpNow>, enable: ServerAction<EnableTask>) -> impl IntoView + use<> {
    if view.line.tasks.is_empty() {
        let new = format!("/servers/{}/tasks/new", view.line.id);
        let text = "One task backs up every database of this server, also those that are added later, into child folders under one root.";
        let action = move || {
            view! {
                <May role=Role::Administrator>
                    <LinkButton href=new kind=ButtonKind::Primary icon=Glyph::Plus>"Add server-wide backup task"</LinkButton>
                </May>
            }
        };
        return view! { <Card><Empty title="Nothing backs this server up yet" text icon=Glyph::Clock action/></Card> }.into_any();
    }
    let (server, now) = (view.line.id, view.now);
    let tasks = view.line.tasks.iter().cloned();
    tasks.map(|task| view! { <TaskCard server task now back_up enable/> }).collect_view().into_any()
}

/// The databases that are not as safe as they should be.
fn needs_attention(
    view: &ServerView,
    mut lines: Vec<DatabaseLine>,
    total: u64,
    back_up: ServerAction<BackUpNow>,
) -> Option<impl IntoView + use<>> {
    if lines.is_empty() {
        return None;
    }
    let all = format!("/servers/{}/databases?only=attention", view.line.id);
    let more = usize::try_from(total).unwrap_or(usize::MAX) > MOST;
    lines.truncate(MOST);
    let (id, server, tasks, now) = (view.line.id, view.line.name.clone(), view.line.tasks.clone(), view.now);
    Some(view! {
        <Card title="Needs attention" flush=true>
            <BackUpForms id tasks=tasks.clone() back_up/>
            <Table label="Databases that need attention">
                <thead>
                    <tr>
                        <th scope="col">"Database"</th>
                        <th scope="col" class="right">"Size"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Last good"</th>
                        <th scope="col" class="minor">"Next"</th>
                        <th scope="col" class="minor right">"Restore points"</th>
                        <th scope="col" class="minor">"Proven"</th>
                        <th scope="col"><span class="unseen">"Actions"</span></th>
                    </tr>
                </thead>
                <DatabaseRows lines id server tasks now/>
            </Table>
            {more.then(|| view! { <p><a href=all>{format!("All {total} that need attention")}</a></p> })}
        </Card>
    })
}

fn rounds(mut view: ServerView) -> Option<impl IntoView> {
    if view.rounds.is_empty() {
        return None;
    }
    let all = format!("/servers/{}/rounds", view.line.id);
    let more = view.rounds.len() > ROUNDS;
    view.rounds.truncate(ROUNDS);
    Some(view! {
        <Card title="Last rounds" flush=true>
            <RoundTable rounds=view.rounds now=view.now/>
            {more.then(|| view! { <p><a href=all>"More rounds"</a></p> })}
        </Card>
    })
}
