//! The servers, a card for each.

use crate::components::{
    Badge, Bar, Card, Fact, Facts, Glyph, Lasted, Manner, May, RoundBadge, Size, Tag, TallyBadge, Tone, When, counted,
};
use domain::{
    Role, display,
    view::{run::RoundLine, server::ServerLine},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// All servers.
#[component]
pub fn ServerCards(
    /// Every server.
    servers: Vec<ServerLine>,
    /// When this was read.
    now: Timestamp,
) -> impl IntoView {
    view! { <div class="cols">{servers.into_iter().map(|server| view! { <ServerCard server now/> }).collect_view()}</div> }
}

#[component]
fn ServerCard(server: ServerLine, now: Timestamp) -> impl IntoView {
    let version = server.seen.as_ref().and_then(|seen| seen.version.clone()).unwrap_or_default();
    let kind = format!("{} {version}", server.dbms);
    let holds = format!("{} · {}", counted(server.tally.total(), "database", "databases"), display::size(server.size_bytes));
    let unreached = server.seen.as_ref().is_some_and(|seen| seen.error.is_some());
    let tally = server.tally;
    let actions = move || {
        if unreached {
            view! { <Badge tone=Tone::Bad text="Not reached"/> }.into_any()
        } else {
            view! { <TallyBadge tally short=true/> }.into_any()
        }
    };
    let next = server.tasks.iter().filter_map(|task| Some((task.next?.at, task.name.clone()))).min();
    let tasks = server.tasks.into_iter().map(|task| {
        view! {
            <div>
                <a href=format!("/tasks/{}", task.id)>{task.name}</a> " "
                <span class="dim">{task.schedule}</span>
                {(!task.enabled).then(|| view! { " " <Tag text="paused" icon=Glyph::Pause/> })}
            </div>
        }
    });
    let tasks = tasks.collect_view();
    let has_task = !tasks.is_empty();
    view! {
        <Card title=server.name icon=Glyph::Server href=format!("/servers/{}", server.id) actions>
            <Facts>
                <Fact label="Kind">{kind}<div class="dim">{holds}</div></Fact>
                <Fact label="Task">
                    {if has_task {
                        tasks.into_any()
                    } else {
                        view! { <span class="dim">"none"</span> <May role=Role::Administrator>" " <a href=format!("/servers/{}/tasks/new", server.id)>"Add one"</a></May> }.into_any()
                    }}
                </Fact>
                {server.last_round.map(|round| view! { <Last round now/> })}
                {next.map(|(at, _)| view! { <Fact label="Next"><When at now/> " " <span class="dim"><When at now manner=Manner::Relative/></span></Fact> })}
            </Facts>
        </Card>
    }
}

/// The last round, or how far the running one is.
#[component]
pub fn Last(round: RoundLine, now: Timestamp) -> impl IntoView {
    let href = format!("/rounds/{}", round.id);
    if round.state.has_ended() {
        return view! {
            <Fact label="Last">
                <a href=href><When at=round.began_at now manner=Manner::Relative/></a> " " <RoundBadge state=round.state/>
                <div class="dim">
                    <Lasted from=round.began_at to=round.ended_at.unwrap_or(now)/> " · " <Size bytes=round.stored_bytes/> " stored"
                </div>
            </Fact>
        }
        .into_any();
    }
    let done = round.succeeded + round.failed;
    let percent = (done * 100).checked_div(round.runs).and_then(|percent| u8::try_from(percent).ok());
    view! {
        <Fact label="Now">
            <a href=href><RoundBadge state=round.state/></a> " "
            <span class="dim">{format!("{} of {} done", display::count(done), display::count(round.runs))}</span>
            <Bar percent label="Databases that are done"/>
        </Fact>
    }
    .into_any()
}
