//! All rounds, or all restores and verifications.

use super::words::kind;
use crate::{
    address::{query, with_pairs},
    api::{round::rounds, run::runs},
    components::{Badge, Card, Cell, Empty, Glyph, Lasted, LinkButton, PageHead, Pager, RunBadge, Segment, Segments, Table, Tone, When},
    loaded::loaded,
    pages::round::{RoundTable, words::title_of},
};
use domain::{
    RunKind,
    view::{
        Page,
        run::{RoundLine, RunLine, RunQuery},
    },
};
use jiff::Timestamp;
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// A page of either list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Listed {
    Rounds(Page<RoundLine>),
    Runs(Page<RunLine>),
}

/// Address of a list, at its first page.
fn address(show: &str, only: &str) -> String {
    with_pairs("/runs", [("show", show), ("only", only)])
}

/// What was done: rounds of backups, restores and verifications.
#[component]
pub fn Runs() -> impl IntoView {
    let query = query::<RunQuery>();
    let list = Resource::new_blocking(
        move || query.get(),
        |query| async move {
            if query.show == "runs" {
                let (page, now) = runs(query.clone()).await?;
                return Ok((query, Listed::Runs(page), now));
            }
            let (page, now) = rounds(query.clone()).await?;
            Ok((query, Listed::Rounds(page), now))
        },
    );
    view! {
        <PageHead title="Runs">"Every round of backups, every restore and every verification, newest first."</PageHead>
        {move || view! { <Choose query=query.get()/> }}
        {loaded(list, |(query, listed, now)| match listed {
            Listed::Rounds(page) => view! { <Rounds query page now/> }.into_any(),
            Listed::Runs(page) => view! { <RunTable query page now/> }.into_any(),
        })}
    }
}

/// Which list, and whether what ended well is left out.
#[component]
fn Choose(query: RunQuery) -> impl IntoView {
    let show = if query.show == "runs" { "runs" } else { "" };
    let segment =
        |word: &str, to: &str, only: &str| Segment { word: word.into(), href: address(to, only), here: show == to && query.only == only };
    let lists = vec![segment("Rounds", "", &query.only), segment("Restores and verifications", "runs", &query.only)];
    let kinds = vec![segment("All", show, ""), segment("Went wrong", show, "failed")];
    view! {
        <div class="row apart">
            <Segments label="List" segments=lists/>
            <Segments label="Show" segments=kinds/>
        </div>
    }
}

#[component]
fn Rounds(query: RunQuery, page: Page<RoundLine>, now: Timestamp) -> impl IntoView {
    if page.items.is_empty() {
        let text = "A round begins when a task is due, or when you press “Back up now” on the page of a task.";
        return view! { <Nothing query title="No rounds yet" text href="/servers" word="To the servers"/> }.into_any();
    }
    view! {
        <Card flush=true>
            <RoundTable rounds=page.items now mixed=true/>
            <Pager number=page.number total=page.total size=page.size href=address("", &query.only) one="round" many="rounds"/>
        </Card>
    }
    .into_any()
}

#[component]
fn RunTable(query: RunQuery, page: Page<RunLine>, now: Timestamp) -> impl IntoView {
    if page.items.is_empty() {
        let text = "A restore makes a new database from a backup and compares the two; a verification reads a backup back and proves it.";
        return view! { <Nothing query title="No restores and no verifications yet" text href="/restore" word="Restore a database"/> }
            .into_any();
    }
    let lines = page.items.into_iter().map(move |run| view! { <Line run now/> });
    view! {
        <Card flush=true>
            <Table label="Restores and verifications">
                <thead>
                    <tr>
                        <th scope="col">"Database"</th>
                        <th scope="col">"Kind"</th>
                        <th scope="col">"State"</th>
                        <th scope="col">"Asked for"</th>
                        <th scope="col" class="right minor">"Took"</th>
                        <th scope="col" class="minor">"Server"</th>
                    </tr>
                </thead>
                <tbody>{lines.collect_view()}</tbody>
            </Table>
            <Pager number=page.number total=page.total size=page.size href=address("runs", &query.only) one="run" many="runs"/>
        </Card>
    }
    .into_any()
}

#[component]
fn Line(run: RunLine, now: Timestamp) -> impl IntoView {
    let href = format!("/runs/{}", run.id);
    let state = match (run.kind, run.proven) {
        (RunKind::Restore, Some(true)) => view! { <Badge tone=Tone::Good text="Proven" icon=Glyph::Shield/> }.into_any(),
        (RunKind::Restore, Some(false)) => view! { <Badge tone=Tone::Bad text="Different"/> }.into_any(),
        _ => view! { <RunBadge state=run.state/> }.into_any(),
    };
    let why = run.error.map(|told| view! { <small>{told.sentence}</small> });
    let took = run.began_at.map(|from| view! { <Lasted from to=run.ended_at.unwrap_or(now)/> });
    view! {
        <tr>
            <Cell><a class="name" href=href>{title_of(&run.database)}</a></Cell>
            <Cell label="Kind">{kind(run.kind)}</Cell>
            <Cell label="State">{state} {why}</Cell>
            <Cell label="Asked for"><When at=run.queued_at now/></Cell>
            <Cell label="Took" right=true minor=true>{took}</Cell>
            <Cell label="Server" minor=true>{run.server_name}</Cell>
        </tr>
    }
}

/// Nothing is there at all, or nothing that went wrong.
#[component]
fn Nothing(query: RunQuery, title: &'static str, text: &'static str, href: &'static str, word: &'static str) -> impl IntoView {
    if query.only == "failed" {
        let href = address(&query.show, "");
        return view! {
            <Empty
                title="Nothing went wrong"
                text="Every one of them ended well, or has not ended yet."
                icon=Glyph::Check
                action=move || view! { <LinkButton href>"Show all"</LinkButton> }
            />
        }
        .into_any();
    }
    view! { <Empty title text icon=Glyph::List action=move || view! { <LinkButton href>{word}</LinkButton> }/> }.into_any()
}
