//! What a restore proved: which tables are equal, and which are not.

use crate::components::{Badge, Card, Cell, Count, Glyph, Notice, Table, Tone, counted};
use domain::{
    RunKind, RunState, display,
    view::run::{ComparedTable, RunView},
};
use leptos::prelude::*;

/// Tables that are listed before the rest is folded away.
const MOST: usize = 50;

/// The proof of a restore that has ended.
#[component]
pub fn Proof(
    /// The run.
    view: RunView,
) -> impl IntoView {
    let restored = view.line.kind == RunKind::Restore && view.line.state.has_ended();
    let different = view.tables.iter().filter(|table| !table.equal).count();
    let all = counted(view.tables.len() as u64, "table", "tables");
    let notice = match (view.line.proven, view.line.state) {
        _ if !restored => None,
        (Some(true), _) => {
            let text = format!("{all} read back from it: every row and every digest is that of the backup.");
            let title = "Proven: the new database is equal to its backup.";
            Some(view! { <Notice tone=Tone::Good title><p>{text}</p></Notice> }.into_any())
        }
        (Some(false), _) => {
            let title = format!("{} of {all} are not as they are in the backup.", display::count(different as u64));
            let text = "Do not use the new database before you know why. Verify the backup, then restore it once more under another name.";
            Some(view! { <Notice tone=Tone::Bad title><p>{text}</p></Notice> }.into_any())
        }
        (None, RunState::Succeeded) => {
            let title = "Restored, but not compared: this backup carries nothing to compare with.";
            Some(view! { <Notice tone=Tone::Warn title/> }.into_any())
        }
        (None, _) => None,
    };
    view! {
        {notice}
        {(!view.tables.is_empty()).then(|| view! { <Tables tables=view.tables/> })}
    }
}

#[component]
fn Tables(tables: Vec<ComparedTable>) -> impl IntoView {
    let (first, rest) = match tables.split_at_checked(MOST) {
        Some((first, rest)) => (first.to_vec(), rest.to_vec()),
        None => (tables, vec![]),
    };
    let word = format!("{} more", counted(rest.len() as u64, "table", "tables"));
    view! {
        <Card title="Compared tables" icon=Glyph::Shield flush=true>
            <List tables=first label="Compared tables"/>
            {(!rest.is_empty())
                .then(|| {
                    view! {
                        <details class="more">
                            <summary>{word}</summary>
                            <List tables=rest label="More compared tables"/>
                        </details>
                    }
                })}
        </Card>
    }
}

#[component]
fn List(tables: Vec<ComparedTable>, label: &'static str) -> impl IntoView {
    let lines = tables.into_iter().map(|table| {
        let (tone, text) = if table.equal { (Tone::Good, "Equal") } else { (Tone::Bad, "Different") };
        view! {
            <tr>
                <Cell><b>{table.table}</b></Cell>
                <Cell label="Rows" right=true><Count of=table.rows/></Cell>
                <Cell label="Compared"><Badge tone text/></Cell>
            </tr>
        }
    });
    view! {
        <Table label=label>
            <thead>
                <tr>
                    <th scope="col">"Table"</th>
                    <th scope="col" class="right">"Rows"</th>
                    <th scope="col">"Compared"</th>
                </tr>
            </thead>
            <tbody>{lines.collect_view()}</tbody>
        </Table>
    }
}
