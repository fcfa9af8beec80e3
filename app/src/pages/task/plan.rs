//! What retention would do: numbers, and why each chain stays or goes.

use crate::{
    components::{Badge, Cell, Glyph, Notice, Problem, Size, Table, Tone, When, counted},
    pages::task::words::list,
};
use domain::{
    display,
    view::retention::{ChainPlan, DatabasePlan, RetentionView},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// The plan in a sentence.
pub fn outlook(view: &RetentionView) -> String {
    let all = counted(view.stay + view.go, "chain", "chains");
    if view.error.is_some() {
        return "The destination cannot be read at the moment: nothing goes.".into();
    }
    match (view.stay + view.go, view.go) {
        (0, _) => format!("There is no backup of its databases at {} yet.", view.destination_name),
        (_, 0) => format!("All {all} that are at {} stay.", view.destination_name),
        (_, go) => {
            let freed = display::size(view.freed_bytes);
            format!("{} of {all} at {} would go: {freed} are freed.", display::count(go), view.destination_name)
        }
    }
}

/// The plan with everything that it says.
#[component]
pub fn Plan(
    /// The plan.
    view: RetentionView,
) -> impl IntoView {
    let title = outlook(&view);
    let RetentionView { others, databases, total, error, now, .. } = view;
    let shown = databases.len() as u64;
    let others = (!others.is_empty()).then(|| {
        let text = format!("A chain goes only if every task that covers its database lets it go: {} has a word, too.", list(&others));
        view! { <p class="dim small">{text}</p> }
    });
    let mut servers: Vec<_> = databases.iter().map(|one| &one.server_name).collect();
    servers.dedup();
    let several = servers.len() > 1;
    let (problem, few) = (error.map(|told| view! { <Problem told/> }), databases.len() <= 3);
    view! {
        <div class="plan stack" aria-live="polite">
            {problem}
            <Notice tone=Tone::Calm title=title/>
            {others}
            {databases.into_iter().map(|one| view! { <Database one several open=few now/> }).collect_view()}
            {(total > shown).then(|| view! { <p class="dim">{format!("And {} more, which are counted above.", counted(total - shown, "database", "databases"))}</p> })}
        </div>
    }
}

#[component]
fn Database(one: DatabasePlan, several: bool, open: bool, now: Timestamp) -> impl IntoView {
    let DatabasePlan { server_name, database, chains, go, freed_bytes } = one;
    let stay = chains.len() as u64 - go;
    let told = match go {
        0 => format!("{} stay", counted(stay, "chain", "chains")),
        _ => format!("{} of {} go, {} freed", display::count(go), counted(stay + go, "chain", "chains"), display::size(freed_bytes)),
    };
    let label = format!("Chains of {database}");
    view! {
        <details class="plan-of" open=open && (go > 0 || stay < 10)>
            <summary><b>{database}</b> {several.then(|| format!(" on {server_name}"))} " " <span class="dim">{told}</span></summary>
            <Table label>
                <thead>
                    <tr>
                        <th scope="col">"Chain"</th>
                        <th scope="col" class="right">"Backups"</th>
                        <th scope="col" class="right">"Size"</th>
                        <th scope="col">"Then"</th>
                        <th scope="col">"Why"</th>
                    </tr>
                </thead>
                <tbody>{chains.into_iter().map(|chain| view! { <Chain chain now/> }).collect_view()}</tbody>
            </Table>
        </details>
    }
}

#[component]
fn Chain(chain: ChainPlan, now: Timestamp) -> impl IntoView {
    let ChainPlan { from, to, backups, size_bytes, keep, reason } = chain;
    let badge = match keep {
        true => view! { <Badge tone=Tone::Good text="Stays"/> },
        false => view! { <Badge tone=Tone::Warn text="Goes" icon=Glyph::Trash/> },
    };
    view! {
        <tr>
            <Cell><When at=from now/> {(to != from).then(|| view! { " to " <When at=to now/> })}</Cell>
            <Cell label="Backups" right=true>{display::count(backups)}</Cell>
            <Cell label="Size" right=true><Size bytes=size_bytes/></Cell>
            <Cell label="Then">{badge}</Cell>
            <Cell label="Why">{reason}</Cell>
        </tr>
    }
}
