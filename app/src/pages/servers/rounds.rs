//! Manage Server, rounds: the newest of all its tasks.

use super::head::head;
use crate::{
    address::param,
    api::servers::{Look, server},
    components::{Card, Cell, Empty, Faults, FormProblem, Glyph, Lasted, RoundBadge, Size, Table, When, keep_fresh},
    loaded::loaded_page,
    pages::round::words::{kind_in_words, why},
};
use domain::{Origin, ServerId, display, view::run::RoundLine};
use jiff::Timestamp;
use leptos::prelude::*;

/// A server's rounds.
#[component]
pub fn ServerRounds() -> impl IntoView {
    let id = param::<ServerId>("id");
    let look = ServerAction::<Look>::new();
    let all = Resource::new_blocking(move || (id.get(), look.version().get()), |(id, _)| async move { server(id?).await });
    keep_fresh(all, |view| view.rounds.first().is_some_and(|round| !round.state.has_ended()));
    view! {
        <FormProblem faults=Faults::of(look.value())/>
        {loaded_page(all, move |view| {
            let top = head(&view, look);
            if view.rounds.is_empty() {
                let text = "A round is made whenever a task of this server is due, or is started by hand.";
                return view! { {top} <Card><Empty title="No rounds yet" text icon=Glyph::List/></Card> }.into_any();
            }
            view! {
                {top}
                <Card flush=true>
                    <RoundTable rounds=view.rounds now=view.now/>
                    <p class="dim">"These are the newest. " <a href="/runs">"All rounds of all servers"</a></p>
                </Card>
            }
            .into_any()
        })}
    }
}

/// Rounds of one server.
#[component]
pub fn RoundTable(
    /// The rounds, newest first.
    rounds: Vec<RoundLine>,
    /// When this was read.
    now: Timestamp,
) -> impl IntoView {
    let lines = rounds.into_iter().map(|round| view! { <Line round now/> }).collect_view();
    view! {
        <Table label="Rounds">
            <thead>
                <tr>
                    <th scope="col">"Began"</th>
                    <th scope="col">"Task"</th>
                    <th scope="col" class="minor">"Kind"</th>
                    <th scope="col">"State"</th>
                    <th scope="col" class="right">"Databases"</th>
                    <th scope="col" class="right minor">"Stored"</th>
                    <th scope="col" class="right">"Took"</th>
                    <th scope="col" class="minor">"Started by"</th>
                </tr>
            </thead>
            <tbody>{lines}</tbody>
        </Table>
    }
}

#[component]
fn Line(round: RoundLine, now: Timestamp) -> impl IntoView {
    let error = why(&round).map(|why| view! { <small>{why}</small> });
    let by = match (round.origin, round.started_by) {
        (Origin::Schedule, _) => "its schedule".into(),
        (Origin::CatchUp, _) => "its schedule, made up for".into(),
        (Origin::User, by) => by.unwrap_or_else(|| "a user".into()),
    };
    view! {
        <tr>
            <Cell><a class="name" href=format!("/rounds/{}", round.id)><When at=round.began_at now/></a></Cell>
            <Cell label="Task">{round.task_name}</Cell>
            <Cell label="Kind" minor=true>{kind_in_words(round.wanted)}</Cell>
            <Cell label="State"><RoundBadge state=round.state/>{error}</Cell>
            <Cell label="Databases" right=true>{format!("{} of {}", display::count(round.succeeded), display::count(round.runs))}</Cell>
            <Cell label="Stored" right=true minor=true><Size bytes=round.stored_bytes/></Cell>
            <Cell label="Took" right=true><Lasted from=round.began_at to=round.ended_at.unwrap_or(now)/></Cell>
            <Cell label="Started by" minor=true>{by}</Cell>
        </tr>
    }
}
