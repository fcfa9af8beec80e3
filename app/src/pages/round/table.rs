//! Rounds in a list.

use super::words::{kind_in_words, started, why};
use crate::{
    components::{Cell, Lasted, RoundBadge, Size, Table, When},
    pages::task::list,
};
use domain::{display, view::run::RoundLine};
use jiff::Timestamp;
use leptos::prelude::*;

/// Rounds, one a line.
#[component]
pub fn RoundTable(
    /// The rounds.
    rounds: Vec<RoundLine>,
    /// When they were read.
    now: Timestamp,
    /// Whether they are of different tasks.
    #[prop(optional)]
    mixed: bool,
) -> impl IntoView {
    let lines = rounds.into_iter().map(move |round| view! { <Line round now mixed/> });
    view! {
        <Table label="Rounds">
            <thead>
                <tr>
                    <th scope="col">"Began"</th>
                    {mixed.then(|| view! { <th scope="col">"Task"</th> })}
                    <th scope="col" class="minor">"Kind"</th>
                    <th scope="col">"State"</th>
                    <th scope="col" class="right">"Succeeded"</th>
                    <th scope="col" class="right minor">"Stored"</th>
                    <th scope="col" class="right minor">"Took"</th>
                    <th scope="col" class="minor">"Started"</th>
                </tr>
            </thead>
            <tbody>{lines.collect_view()}</tbody>
        </Table>
    }
}

#[component]
fn Line(round: RoundLine, now: Timestamp, mixed: bool) -> impl IntoView {
    let href = format!("/rounds/{}", round.id);
    let done =
        if round.runs == 0 { "–".into() } else { format!("{} of {}", display::count(round.succeeded), display::count(round.runs)) };
    let (why, servers) = (why(&round).map(|why| view! { <small>{why}</small> }), list(&round.server_names()));
    let started = started(round.origin, round.started_by.as_deref());
    view! {
        <tr>
            <Cell><a class="name" href=href><When at=round.began_at now/></a></Cell>
            {mixed.then(|| view! { <Cell label="Task">{round.task_name}<small>{servers}</small></Cell> })}
            <Cell label="Kind" minor=true>{kind_in_words(round.wanted)}</Cell>
            <Cell label="State"><RoundBadge state=round.state/> {why}</Cell>
            <Cell label="Succeeded" right=true><span class="number">{done}</span></Cell>
            <Cell label="Stored" right=true minor=true><Size bytes=(round.stored_bytes > 0).then_some(round.stored_bytes)/></Cell>
            <Cell label="Took" right=true minor=true><Lasted from=round.began_at to=round.ended_at.unwrap_or(now)/></Cell>
            <Cell label="Started" minor=true><span class="dim">{started}</span></Cell>
        </tr>
    }
}
