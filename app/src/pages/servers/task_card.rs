//! A task on its server's page.

use crate::{
    api::task::{BackUpNow, EnableTask},
    components::{
        Badge, Button, ButtonKind, Card, Fact, Facts, Glyph, Hidden, Lasted, LinkButton, Manner, May, RoundBadge, Size, Tag, Tone, When,
    },
    pages::task::list,
};
use domain::{Due, Role, RoundState, Selection, ServerId, view::task::TaskLine};
use jiff::Timestamp;
use leptos::prelude::*;

/// A task: when, what, where to, and what can be done.
#[component]
pub fn TaskCard(
    /// The server of the page.
    server: ServerId,
    /// The task.
    task: TaskLine,
    /// When this was read.
    now: Timestamp,
    /// Starts a round.
    back_up: ServerAction<BackUpNow>,
    /// Pauses and resumes.
    enable: ServerAction<EnableTask>,
) -> impl IntoView {
    let (id, enabled, running) = (task.id, task.enabled, task.running);
    let actions = move || {
        view! {
            {match running {
                Some(round) => view! { <a href=format!("/rounds/{round}")><RoundBadge state=RoundState::Running/></a> }.into_any(),
                None if !enabled => view! { <Badge tone=Tone::Calm icon=Glyph::Pause text="Paused"/> }.into_any(),
                None => ().into_any(),
            }}
            <May role=Role::Operator>
                <ActionForm action=back_up>
                    <Hidden values=vec![("task", id.to_string())]/>
                    <Button icon=Glyph::Play reason=running.map(|_| "A round of this task is under way.".to_owned())>"Back up now"</Button>
                </ActionForm>
            </May>
            <May role=Role::Administrator>
                <ActionForm action=enable>
                    <Hidden values=vec![("task", id.to_string()), ("enabled", (!enabled).to_string())]/>
                    <Button kind=ButtonKind::Ghost>{if enabled { "Pause" } else { "Resume" }}</Button>
                </ActionForm>
                <LinkButton href=format!("/tasks/{id}/edit") kind=ButtonKind::Ghost>"Edit"</LinkButton>
            </May>
        }
    };
    let others: Vec<_> = task.servers.iter().filter(|(id, _)| *id != server).map(|(_, name)| name.clone()).collect();
    let also = (!others.is_empty()).then(|| view! { <span class="dim">{format!("; and those of {}", list(&others))}</span> });
    view! {
        <Card title=task.name.clone() icon=Glyph::Clock href=format!("/tasks/{id}") actions>
            <div class="facts-wide">
                <Facts>
                    <Fact label="When">{task.schedule} " " <Tag text=task.time_zone/></Fact>
                    <Fact label="Next">
                        <When at=task.next.map(|next| next.at) now none="not while it is paused"/>
                        " "
                        {task.next.map(|Due { at, kind }| view! { <Tag text=kind.as_str()/> " " <span class="dim"><When at now manner=Manner::Relative/></span> })}
                    </Fact>
                    <Fact label="Last">
                        {match task.last_round {
                            Some(round) => view! {
                                <a href=format!("/rounds/{}", round.id)><When at=round.began_at now/></a> " " <RoundBadge state=round.state/> " "
                                <span class="dim"><Lasted from=round.began_at to=round.ended_at.unwrap_or(now)/> " · " <Size bytes=round.stored_bytes/></span>
                            }
                                .into_any(),
                            None => view! { <span class="dim">"never"</span> }.into_any(),
                        }}
                    </Fact>
                </Facts>
                <Facts>
                    <Fact label="Databases">{covered(&task.selection)} {also}</Fact>
                    <Fact label="Type">"Backup " <Tag text="logical"/></Fact>
                    <Fact label="To"><a href=format!("/backups/{}", task.destination_id)>{task.destination}</a> " " <code>{task.root}</code></Fact>
                </Facts>
            </div>
        </Card>
    }
}

/// Which databases a task covers, in words.
fn covered(selection: &Selection) -> impl IntoView + use<> {
    const MOST: usize = 3;
    let excluded: Vec<_> = selection.left_out().collect();
    if let Some(only) = &selection.only {
        return view! { <code>{only.clone()}</code> " alone" }.into_any();
    }
    if excluded.is_empty() {
        return view! { "all, and new ones too" }.into_any();
    }
    let names = excluded.iter().take(MOST).cloned().map(|name| view! { " " <code>{name}</code> }).collect_view();
    let more = excluded.len().saturating_sub(MOST);
    view! { "all, and new ones too, but not" {names} {(more > 0).then(|| format!(" and {more} more"))} }.into_any()
}
