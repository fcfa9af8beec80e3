//! Manage Server, slots: what the server keeps of its log for incrementals, and for whom.

use super::head::head;
use crate::{
    address::{param, segment},
    api::servers::{Look, server, slots},
    components::{
        Badge, ButtonKind, Card, Cell, Empty, Faults, FormProblem, Glyph, LinkButton, Manner, Problem, Size, Table, Tone, When, counted,
        may,
    },
    loaded::loaded_page,
};
use domain::{
    Role, ServerId, display, size,
    view::slot::{SlotLine, SlotOwner, SlotState, SlotsView},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// A server's replication slots.
#[component]
pub fn ServerSlots() -> impl IntoView {
    let id = param::<ServerId>("id");
    let look = ServerAction::<Look>::new();
    let all = Resource::new_blocking(
        move || (id.get(), look.version().get()),
        |(id, _)| async move {
            let id = id?;
            Ok((server(id).await?, slots(id).await?))
        },
    );
    view! {
        <FormProblem faults=Faults::of(look.value())/>
        {loaded_page(all, move |(view, slots)| {
            let id = view.line.id;
            view! { {head(&view, look)} <List id view=slots/> }
        })}
    }
}

#[component]
fn List(id: ServerId, view: SlotsView) -> impl IntoView {
    let SlotsView { slots, error, limit_bytes, now } = view;
    let held: u64 = slots.iter().map(|slot| slot.held_bytes).sum();
    let sum = (!slots.is_empty()).then(|| format!("{}, {} of log", counted(slots.len() as u64, "slot", "slots"), display::size(held)));
    let list = match error {
        Some(told) => view! { <Problem told/> }.into_any(),
        None if slots.is_empty() => {
            let text = "A task with incrementals makes one for each database that it follows by the server's change stream.";
            view! { <Empty title="The server keeps nothing for incrementals" text icon=Glyph::List/> }.into_any()
        }
        None => {
            let lines = slots.into_iter().map(|line| view! { <Line id line limit_bytes now/> }).collect_view();
            view! {
                <Table label="Replication slots">
                    <thead>
                        <tr>
                            <th scope="col">"Database"</th>
                            <th scope="col">"Kept for"</th>
                            <th scope="col" class="right">"Log kept"</th>
                            <th scope="col">"State"</th>
                            <th scope="col">"Last read"</th>
                            <th scope="col"><span class="unseen">"Actions"</span></th>
                        </tr>
                    </thead>
                    <tbody>{lines}</tbody>
                </Table>
            }
            .into_any()
        }
    };
    view! {
        <Card title="Replication slots" flush=true actions=move || view! { <span class="dim small">{sum}</span> }>
            <p class="dim">
                "With a slot the server keeps its log until the next incremental has read it. That log lies on the server's disk, and grows for as long as no backup reads it. A slot that keeps more than "
                {size::exact(limit_bytes)} " is dropped, and the next backup of its database is a full one. "
                {may(Role::Administrator).then(|| view! { <a href=format!("/servers/{id}/settings")>"Change the limit"</a> })}
            </p>
            {list}
        </Card>
    }
}

#[component]
fn Line(id: ServerId, line: SlotLine, limit_bytes: u64, now: Timestamp) -> impl IntoView {
    let (is_near, is_over, reason) = (line.is_near(limit_bytes), line.held_bytes > limit_bytes, line.kept_because());
    let near = (is_near || is_over).then(|| {
        let (tone, text) = if is_over { (Tone::Bad, "Over the limit") } else { (Tone::Warn, "Near the limit") };
        view! { " " <Badge tone text/> }
    });
    let drop = (may(Role::Administrator) && reason.is_none()).then(|| {
        let href = format!("/servers/{id}/slots/{}", segment(&line.name));
        let of = format!(" the slot of {}", line.database);
        view! { <LinkButton kind=ButtonKind::Ghost href icon=Glyph::Trash>"Drop"<span class="unseen">{of}</span></LinkButton> }
    });
    view! {
        <tr>
            <Cell><span class="name" title=line.name>{line.database}</span></Cell>
            <Cell label="Kept for"><Owner owner=line.owner/></Cell>
            <Cell label="Log kept" right=true><Size bytes=line.held_bytes/></Cell>
            <Cell label="State"><State state=line.state/>{near}</Cell>
            <Cell label="Last read"><When at=line.last_read now manner=Manner::Relative none="not known"/></Cell>
            <Cell><span class="actions">{drop}{reason.map(|reason| view! { <small class="dim">{reason}</small> })}</span></Cell>
        </tr>
    }
}

/// For whom a slot is kept.
#[component]
pub fn Owner(
    /// For whom.
    owner: SlotOwner,
) -> impl IntoView {
    match owner {
        SlotOwner::Task { id, name } => view! { <a href=format!("/tasks/{id}")>{name}</a> }.into_any(),
        SlotOwner::Nobody => view! { "no task: will be dropped" }.into_any(),
        SlotOwner::CommandLine => view! { "the command line" }.into_any(),
        SlotOwner::Unknown => view! { "no chain that is known here" }.into_any(),
        SlotOwner::Other => view! { "another installation" }.into_any(),
    }
}

/// How a slot is.
#[component]
pub fn State(
    /// How.
    state: SlotState,
) -> impl IntoView {
    let (tone, text) = match state {
        SlotState::Active => (Tone::Busy, "Being read"),
        SlotState::Reserved => (Tone::Good, "Reserved"),
        SlotState::AtRisk => (Tone::Warn, "At risk"),
        SlotState::Lost => (Tone::Bad, "Lost"),
    };
    view! { <Badge tone text/> }
}
