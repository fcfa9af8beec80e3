//! The audit log: every change, who made it, and from where.

use crate::{
    address,
    api::audit::audit,
    components::{Card, Cell, Empty, Filter, Glyph, PageHead, Pager, Table, When},
    loaded::loaded,
};
use domain::view::{
    Page,
    people::{AuditLine, AuditQuery},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// One page of the log, newest first.
#[component]
pub fn Audit() -> impl IntoView {
    let query = address::query::<AuditQuery>();
    let page = Resource::new_blocking(
        move || query.get(),
        |query| async move {
            let filter = query.filter.clone();
            Ok((audit(query).await?, filter))
        },
    );
    view! {
        <PageHead title="Every change is written down here" window="Audit">
            <p>"Who did what, when and from which address. Lines are only ever added."</p>
        </PageHead>
        {loaded(page, |(page, filter)| view! { <Lines page filter/> })}
    }
}

#[component]
fn Lines(page: Page<AuditLine>, filter: String) -> impl IntoView {
    let href = address::with_pairs("/audit", [("filter", &filter)]);
    let (number, total, size) = (page.number, page.total, page.size);
    let newest = page.items.iter().map(|line| line.at).max().unwrap_or_default();
    let lines = if page.items.is_empty() {
        let text = if filter.is_empty() {
            "What users and the console do from now on appears here."
        } else {
            "No line has this in its actor, action or subject. Try a shorter word."
        };
        view! { <Empty title="Nothing found" text icon=Glyph::Audit/> }.into_any()
    } else {
        let lines = page.items.into_iter().map(|line| view! { <Line line now=newest/> }).collect_view();
        view! {
            <Table label="Changes">
                <thead>
                    <tr>
                        <th scope="col">"When"</th>
                        <th scope="col">"Who"</th>
                        <th scope="col">"What"</th>
                        <th scope="col">"To what"</th>
                        <th scope="col" class="minor">"More"</th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </Table>
        }
        .into_any()
    };
    view! {
        <Card title="Log" flush=true actions=move || view! { <Filter action="/audit" value=filter hint="Part of an actor, an action or a subject"/> }>
            {lines}
        </Card>
        <Pager number total size href one="line" many="lines"/>
    }
}

#[component]
fn Line(line: AuditLine, now: Timestamp) -> impl IntoView {
    let subject = match line.path {
        Some(path) => view! { <a class="link" href=path>{line.subject}</a> }.into_any(),
        None => line.subject.into_any(),
    };
    // An entry on a phone has no word for what is not there.
    let more = if line.detail.is_empty() { "" } else { "More" };
    view! {
        <tr>
            <Cell><When at=line.at now/></Cell>
            <Cell label="Who">
                {line.actor}
                {(!line.address.is_empty()).then(|| view! { <small class="dim">" from "{line.address}</small> })}
            </Cell>
            <Cell label="What">{line.action}</Cell>
            <Cell label="To what">{subject}</Cell>
            <Cell label=more minor=true>{line.detail}</Cell>
        </tr>
    }
}
