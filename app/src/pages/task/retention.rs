//! A task's retention: what it deletes if it is applied now, and the button that does so.

use super::{one::crumbs, plan::Plan};
use crate::{
    api::task::ApplyRetention,
    components::{
        Button, ButtonKind, Card, Cell, Fact, Facts, Faults, FormProblem, Glyph, Hidden, Icon, LinkButton, Notice, PageHead, Size, Table,
        Tone, When, counted, may,
    },
};
use domain::{
    Role, TaskId,
    view::{
        retention::{ExpiredLine, RetentionState, RetentionView},
        task::TaskView,
    },
};
use jiff::Timestamp;
use leptos::prelude::*;

/// The page of a plan.
#[component]
pub fn Apply(
    /// The task.
    task: TaskView,
    /// What goes now.
    plan: RetentionView,
    /// Applies it.
    apply: ServerAction<ApplyRetention>,
) -> impl IntoView {
    let TaskView { line, retention, now, .. } = task;
    let back = format!("/tasks/{}", line.id);
    let (several, mut crumbs) = (line.servers.len() > 1, crumbs(&line));
    crumbs.push((line.name.clone(), back.clone()));
    let rule = plan.rule.clone().unwrap_or_else(|| "Every backup is kept: the task has no rule.".into());
    let (go, seen) = (plan.go, plan.seen.clone());
    let done = move || {
        let freed = apply.value().get()?.ok()?;
        Some(view! { <Notice tone=Tone::Good title=freed.in_words()/> })
    };
    view! {
        <PageHead title=format!("Retention of {}", line.name) crumbs>{rule}</PageHead>
        {done}
        <FormProblem faults=Faults::of(apply.value())/>
        <Card title="What goes if it is applied now" icon=Glyph::Trash>
            <div class="stack">
                <Plan view=plan/>
                {(go > 0 && may(Role::Operator)).then(|| view! {
                    <ActionForm action=apply>
                        <Hidden values=vec![("task", line.id.to_string()), ("seen", seen)]/>
                        <Button kind=ButtonKind::Danger icon=Glyph::Trash busy=apply.pending()>
                            {format!("Delete {} now", counted(go, "chain", "chains"))}
                        </Button>
                    </ActionForm>
                })}
            </div>
        </Card>
        <Deleted expired=retention.expired several now/>
        <div class="actions"><LinkButton href=back icon=Glyph::Left>"Back to the task"</LinkButton></div>
    }
}

/// How a task's retention goes, on its page.
#[component]
pub fn State(
    /// The task.
    id: TaskId,
    /// Whether it covers several servers.
    several: bool,
    /// How it goes.
    state: RetentionState,
    /// When this was read.
    now: Timestamp,
) -> impl IntoView {
    let RetentionState { rule, looked_at, error, expired } = state;
    let has_rule = rule.is_some();
    if !has_rule && expired.is_empty() {
        return ().into_any();
    }
    let error = error.map(|told| view! { <Notice tone=Tone::Bad title=told.sentence><p>{told.next_step}</p></Notice> });
    let plan = format!("/tasks/{id}/retention");
    let last = expired.first().map(|line| line.at);
    view! {
        <Card
            title="Retention"
            icon=Glyph::Trash
            actions=move || has_rule.then(|| view! { <LinkButton href=plan>"See what goes, and apply now"</LinkButton> })
        >
            <div class="stack">
                {error}
                <Facts>
                    <Fact label="Rule">{rule.unwrap_or_else(|| "None: every backup is kept".into())}</Fact>
                    <Fact label="All looked at"><When at=looked_at now none="not yet; it is done once a day, and after each backup"/></Fact>
                    <Fact label="Last deletion"><When at=last now none="none yet"/></Fact>
                </Facts>
            </div>
        </Card>
        <Deleted expired several now/>
    }
    .into_any()
}

/// What was deleted lately.
#[component]
fn Deleted(expired: Vec<ExpiredLine>, several: bool, now: Timestamp) -> impl IntoView {
    if expired.is_empty() {
        return ().into_any();
    }
    let line = move |line: ExpiredLine| {
        view! {
            <tr>
                <Cell><When at=line.at now/></Cell>
                <Cell label="Database"><b>{line.database}</b> {several.then(|| view! { <small>{line.server_name}</small> })}</Cell>
                <Cell label="Chain"><When at=line.from now/> " " <span class="dim">{counted(line.backups, "backup", "backups")}</span></Cell>
                <Cell label="Freed" right=true><Size bytes=line.size_bytes/></Cell>
                <Cell label="Why">
                    {line.reason} " " <small>{if line.actor == "console" { String::new() } else { format!("Asked for by {}.", line.actor) }}</small>
                    {line.error.map(|error| view! { <p class="wrong"><Icon name=Glyph::Alert/>{error}</p> })}
                </Cell>
            </tr>
        }
    };
    view! {
        <Card title="Deleted lately" icon=Glyph::List flush=true>
            <Table label="Chains that were deleted">
                <thead>
                    <tr>
                        <th scope="col">"When"</th>
                        <th scope="col">"Database"</th>
                        <th scope="col">"Chain"</th>
                        <th scope="col" class="right">"Freed"</th>
                        <th scope="col">"Why"</th>
                    </tr>
                </thead>
                <tbody>{expired.into_iter().map(line).collect_view()}</tbody>
            </Table>
        </Card>
    }
    .into_any()
}
