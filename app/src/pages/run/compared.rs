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
    let all = counted(view.tables.len() as u64, "table", "tables");
    let notice = match (view.line.proven, view.line.state) {
        _ if !restored => None,
        (Some(true), _) => {
            let text = format!("{all} read back from it: every row and every digest is that of the backup.");
            let title = "Proven: the new database is equal to its backup.";
            Some(view! { <Notice tone=Tone::Good title><p>{text}</p></Notice> }.into_any())
        }
        (Some(false), _) => {
            let title = "Not proven, and not kept: the server has no new database.";
            let text = differing(&view.tables);
            Some(view! { <Notice tone=Tone::Bad title><p>{text}</p></Notice> }.into_any())
        }
        (None, RunState::Succeeded) => {
            let title = "Restored, but not all of it is proven: the notes say what could not be compared.";
            Some(view! { <Notice tone=Tone::Warn title/> }.into_any())
        }
        (None, _) => None,
    };
    view! {
        {notice}
        {(!view.tables.is_empty()).then(|| view! { <Tables tables=view.tables/> })}
    }
}

/// Whether rows or something else differ, a sentence. The reason above it names each difference.
fn differing(tables: &[ComparedTable]) -> String {
    let all = counted(tables.len() as u64, "table", "tables");
    match tables.iter().filter(|table| !table.equal).count() as u64 {
        0 if tables.is_empty() => "What differs from the backup is told above.".into(),
        0 => format!("The rows of {all} are those of the backup. What differs is something else, and is told above."),
        1 => format!("1 of {all} has other rows than the backup."),
        different => format!("{} of {all} have other rows than the backup.", display::count(different)),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_not_blamed_for_what_else_differs() {
        let table = |name: &str, equal| ComparedTable { table: name.into(), rows: 1, equal };
        let said = |tables: &[ComparedTable]| differing(tables);
        assert!(said(&[table("a", true), table("b", true)]).starts_with("The rows of 2 tables are those of the backup."));
        assert_eq!(said(&[table("a", false), table("b", true)]), "1 of 2 tables has other rows than the backup.");
        assert_eq!(said(&[table("a", false), table("b", false)]), "2 of 2 tables have other rows than the backup.");
        assert!(said(&[]).starts_with("What differs"));
    }
}
