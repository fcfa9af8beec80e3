//! What needs attention, each with the one action that mends it.

use super::group::Entry;
use crate::{
    address::{segment, with_pairs},
    api::task::BackUpNow,
    components::{Badge, Button, Card, Cell, Glyph, Hidden, LinkButton, Manner, ProtectionBadge, Table, Tone, When, counted, may},
};
use domain::{
    Protection, Role, display,
    view::overview::{Attention, Trouble},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// What needs attention; nothing, if nothing does.
#[component]
pub fn AttentionCard(
    /// What is wrong with more than databases.
    troubles: Vec<Trouble>,
    /// The worst first.
    entries: Vec<Entry>,
    /// How many more there are.
    more: u64,
    /// When this was read.
    now: Timestamp,
    /// Starts a backup.
    back_up: ServerAction<BackUpNow>,
) -> impl IntoView {
    (!entries.is_empty() || !troubles.is_empty()).then(|| {
        let whole = troubles.into_iter().map(|trouble| view! { <Whole trouble now/> }).collect_view();
        let lines = entries.into_iter().map(|entry| match entry {
            Entry::One(attention) => view! { <Line attention now back_up/> }.into_any(),
            Entry::Many(first, number) => view! { <Lines first number back_up/> }.into_any(),
        });
        let lines = lines.collect_view();
        view! {
            <Card title="Needs attention" flush=true>
                <Table label="What needs attention" class="attention">
                    <thead class="unseen">
                        <tr><th scope="col">"State"</th><th scope="col">"What"</th><th scope="col">"Why"</th><th scope="col">"Do"</th></tr>
                    </thead>
                    <tbody>{whole}{lines}</tbody>
                </Table>
                {(more > 0).then(|| view! { <p class="dim">"There is more: see the databases of each server."</p> })}
            </Card>
        }
    })
}

/// What is wrong with a task or a destination as a whole.
#[component]
fn Whole(trouble: Trouble, now: Timestamp) -> impl IntoView {
    let (state, name, told, href, word, at, error) = match trouble {
        Trouble::Round { id, task_name, server_name, at, error } => {
            let name = format!("{server_name} / {task_name}");
            ("Round failed", name, "No database had its turn, ", format!("/rounds/{id}"), "See the round", at, error)
        }
        Trouble::Destination { id, name, at, error } => {
            ("Unreadable", name, "A destination, tried last ", format!("/destinations/{id}"), "See the destination", at, error)
        }
        Trouble::Suspicious { destination, name, database, at, why } => {
            let href = format!("/backups/{destination}/{}", segment(&database));
            let why = domain::Error::new(
                domain::Code::Damaged,
                why,
                "It does not count as a good one, and nothing is deleted for it. If that much was really removed, it becomes usual by itself.",
            );
            ("Suspicious", format!("{name} / {database}"), "Its newest backup, made ", href, "See the backups", at, why.told().clone())
        }
        Trouble::Key { id, name, at } => {
            let why = domain::Error::new(
                domain::Code::KeyNeeded,
                "Nobody has shown for 90 days that the key is still at hand.",
                "Fetch it, and prove it on its page.",
            );
            ("Key not proven", name, "A key, proven last ", format!("/keys/{id}"), "See the key", at, why.told().clone())
        }
    };
    let page = href.clone();
    view! {
        <tr>
            <td class="narrow"><Badge tone=Tone::Bad text=state/></td>
            <Cell><a class="name" href=page>{name}</a> <small>{told} <When at now manner=Manner::Relative/></small></Cell>
            <Cell>{error.sentence} " " <small>{error.next_step}</small></Cell>
            <Cell><div class="actions"><LinkButton href>{word}</LinkButton></div></Cell>
        </tr>
    }
}

#[component]
fn Line(attention: Attention, now: Timestamp, back_up: ServerAction<BackUpNow>) -> impl IntoView {
    let Attention { server, server_name, database, protection, last_good, promise, error, run, task } = attention;
    let whole_server = database.is_empty();
    let out_of_reach = whole_server && error.is_some();
    let badge = if out_of_reach {
        view! { <Badge tone=Tone::Bad text="Not reached"/> }.into_any()
    } else if protection == Protection::Protected {
        view! { <Badge tone=Tone::Warn text="Last run failed"/> }.into_any()
    } else {
        view! { <ProtectionBadge protection/> }.into_any()
    };
    let page = format!("/servers/{server}");
    let (name, href) = if whole_server {
        (server_name, page.clone())
    } else {
        let href = with_pairs(&format!("{page}/databases"), [("filter", database.as_str())]);
        (format!("{server_name} / {database}"), href)
    };
    let told = match (whole_server, last_good, promise) {
        (true, ..) if out_of_reach => view! { "Its databases cannot be backed up." }.into_any(),
        (true, ..) => view! { "No task backs it up." }.into_any(),
        (_, None, Some(promise)) => view! { {format!("No backup yet; due {}.", display::lower(&promise))} }.into_any(),
        (_, None, None) => view! { "No task covers it." }.into_any(),
        (_, Some(last), promise) => view! {
            "Last good backup " <When at=last now manner=Manner::Relative/>
            {promise.map_or_else(|| ".".into(), |promise| format!("; promised {}.", display::lower(&promise)))}
        }
        .into_any(),
    };
    let why = error.map(|error| view! { {error.sentence} <small>{error.next_step}</small> });
    let action = match (task, run) {
        _ if out_of_reach && may(Role::Administrator) => {
            view! { <LinkButton href=format!("{page}/settings")>"Check its settings"</LinkButton> }.into_any()
        }
        (Some(task), _) if may(Role::Operator) => view! {
            {run.map(|run| view! { <LinkButton href=format!("/runs/{run}")>"See the run"</LinkButton> })}
            <ActionForm action=back_up>
                <Hidden values=vec![("task", task.to_string()), ("database", database)]/>
                <Button icon=Glyph::Play>"Back up now"</Button>
            </ActionForm>
        }
        .into_any(),
        (_, Some(run)) => view! { <LinkButton href=format!("/runs/{run}")>"See the run"</LinkButton> }.into_any(),
        (None, None) if may(Role::Administrator) && whole_server => {
            view! { <LinkButton href=format!("{page}/tasks/new") icon=Glyph::Plus>"Add a task"</LinkButton> }.into_any()
        }
        _ => view! { <LinkButton href=page>"See the server"</LinkButton> }.into_any(),
    };
    view! {
        <tr>
            <td class="narrow">{badge}</td>
            <Cell><a class="name" href=href>{name}</a> <small>{told}</small></Cell>
            <Cell>{why}</Cell>
            <Cell><div class="actions">{action}</div></Cell>
        </tr>
    }
}

/// Databases of one server that are all in the same state.
#[component]
fn Lines(first: Attention, number: u64, back_up: ServerAction<BackUpNow>) -> impl IntoView {
    let Attention { server, server_name, protection, promise, task, .. } = first;
    let href = format!("/servers/{server}/databases?only=attention&sort=state");
    let told = match (protection, promise) {
        (Protection::Uncovered, _) => "No task covers them.".into(),
        (Protection::Never, Some(promise)) => format!("No backups yet; due {}.", display::lower(&promise)),
        (_, Some(promise)) => format!("Older than promised: {}.", display::lower(&promise)),
        (_, None) => String::new(),
    };
    let all = href.clone();
    let action = task.filter(|_| may(Role::Operator)).map(|task| {
        view! {
            <ActionForm action=back_up>
                <Hidden values=vec![("task", task.to_string())]/>
                <Button icon=Glyph::Play>"Back up now"</Button>
            </ActionForm>
        }
    });
    view! {
        <tr>
            <td class="narrow"><ProtectionBadge protection/></td>
            <Cell><a class="name" href=href>{format!("{server_name}: {}", counted(number, "database", "databases"))}</a> <small>{told}</small></Cell>
            <td></td>
            <Cell><div class="actions"><LinkButton href=all>"See which"</LinkButton>{action}</div></Cell>
        </tr>
    }
}
