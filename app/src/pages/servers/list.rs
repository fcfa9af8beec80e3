//! All servers.

use crate::{
    api::servers::servers,
    components::{
        Badge, ButtonKind, Card, Cell, Empty, Glyph, LinkButton, Manner, May, PageHead, RoundBadge, Size, Table, TallyBadge, Tone, When,
        counted, keep_fresh,
    },
    loaded::loaded_page,
};
use domain::{
    Role,
    view::server::{ServerLine, Tally},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// All servers.
#[component]
pub fn Servers() -> impl IntoView {
    let all = Resource::new_blocking(|| (), |()| servers());
    keep_fresh(all, |servers| servers.iter().filter_map(|server| server.last_round.as_ref()).any(|round| !round.state.has_ended()));
    loaded_page(all, |servers| {
        let actions = || view! { <May role=Role::Administrator><Add/></May> };
        if servers.is_empty() {
            let text = "A server is a PostgreSQL server or a folder of SQLite databases. One task backs up all that is on it, and what comes later.";
            return view! {
                <PageHead title="No servers yet" window="Servers"/>
                <Card><Empty title="Nothing to protect yet" text icon=Glyph::Server action=actions/></Card>
            }
            .into_any();
        }
        let lines = servers.iter().cloned().map(|server| view! { <Line server/> }).collect_view();
        view! {
            <PageHead title=answer(&servers) window="Servers" actions>{told(&servers)}</PageHead>
            <Card flush=true>
                <Table label="Servers">
                    <thead>
                        <tr>
                            <th scope="col">"Server"</th>
                            <th scope="col">"State"</th>
                            <th scope="col" class="right">"Databases"</th>
                            <th scope="col" class="right minor">"Size"</th>
                            <th scope="col">"Last round"</th>
                            <th scope="col" class="minor">"Next"</th>
                        </tr>
                    </thead>
                    <tbody>{lines}</tbody>
                </Table>
            </Card>
        }
        .into_any()
    })
}

#[component]
fn Add() -> impl IntoView {
    view! { <LinkButton href="/servers/new" icon=Glyph::Plus kind=ButtonKind::Primary>"Add server"</LinkButton> }
}

fn answer(servers: &[ServerLine]) -> String {
    let whole = servers.iter().filter(|server| server.tally.total() > 0 && server.tally.protected == server.tally.total()).count();
    match (whole, servers.len()) {
        (1, 1) => "Your server is protected".into(),
        (whole, all) if whole == all => format!("All {all} servers are protected"),
        (0, 1) => "Your server is not wholly protected".into(),
        (whole, all) => format!("{whole} of {all} servers are wholly protected"),
    }
}

fn told(servers: &[ServerLine]) -> String {
    let mut tally = Tally::default();
    servers.iter().for_each(|server| tally.merge(server.tally));
    let size = servers.iter().map(|server| server.size_bytes).sum();
    format!("{}, {}.", counted(tally.total(), "database", "databases"), domain::display::size(size))
}

#[component]
fn Line(server: ServerLine) -> impl IntoView {
    let seen = server.seen.as_ref();
    let unreached = seen.is_some_and(|seen| seen.error.is_some());
    let version = seen.and_then(|seen| seen.version.clone()).unwrap_or_default();
    // The list tells no moment of its own; the last look is the latest that is known.
    let now = seen
        .map(|seen| seen.at)
        .into_iter()
        .chain(server.last_round.as_ref().map(|round| round.began_at))
        .max()
        .unwrap_or(Timestamp::UNIX_EPOCH);
    let next = server.tasks.iter().filter_map(|task| task.next).min().map(|next| next.at);
    let no_task = server.tasks.is_empty();
    view! {
        <tr>
            <Cell>
                <a class="name" href=format!("/servers/{}", server.id)>{server.name}</a>
                <small>{format!("{} {version} at {}", server.dbms, server.address)}</small>
            </Cell>
            <Cell label="State">
                {if unreached {
                    view! { <Badge tone=Tone::Bad text="Not reached"/> }.into_any()
                } else {
                    view! { <TallyBadge tally=server.tally/> }.into_any()
                }}
            </Cell>
            <Cell label="Databases" right=true>{domain::display::count(server.tally.total())}</Cell>
            <Cell label="Size" right=true minor=true><Size bytes=server.size_bytes/></Cell>
            <Cell label="Last round">
                {server
                    .last_round
                    .map(|round| {
                        view! { <span class="together"><a href=format!("/rounds/{}", round.id)><When at=round.began_at now/></a> " " <RoundBadge state=round.state/></span> }
                    })}
            </Cell>
            <Cell label="Next" minor=true>
                {if no_task {
                    view! { <span class="dim">"no task"</span> <May role=Role::Administrator>" " <a href=format!("/servers/{}/tasks/new", server.id)>"Add one"</a></May> }.into_any()
                } else {
                    view! { <When at=next now manner=Manner::Moment none="paused"/> }.into_any()
                }}
            </Cell>
        </tr>
    }
}
