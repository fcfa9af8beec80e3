//! A run as it goes on.

use super::{
    compared::Proof,
    facts::RunFacts,
    words::{answer, kind},
};
use crate::{
    address::with_pairs,
    api::run::{AbortRun, DelayRun, run},
    components::{
        Bar, Button, ButtonKind, Card, Faults, FormProblem, Glyph, Hidden, Icon, LinkButton, Manner, Notice, PageHead, RunBadge, Tone,
        When, lasted, may,
    },
    live::{is_outdated, live},
    pages::{
        round::{
            Following, Log, Reason, renew,
            words::{amounts, next_attempt, phase, result},
        },
        task::HowLong,
    },
};
use domain::{
    Role, RunAction, RunId, RunKind, RunState,
    view::run::{Progress, RunLine, RunView},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// A run, and what becomes of it while the page is open.
#[component]
pub fn One(
    /// How the page was loaded.
    view: RunView,
    /// Stops it.
    abort: ServerAction<AbortRun>,
    /// Puts it off.
    delay: ServerAction<DelayRun>,
) -> impl IntoView {
    let (id, ended, begun) = (view.line.id, view.line.state.has_ended(), view.now);
    let news = live(move || (!ended).then(|| format!("/live/runs/{id}")), move || run(id));
    let log = RwSignal::new(view.log.clone());
    let crumbs = crumbs(&view);
    let window = format!("{} of {}", kind(view.line.kind), view.line.database);
    // The log has a signal of its own, so that a new line draws nothing else again.
    let view = RwSignal::new(RunView { log: vec![], ..view });
    Effect::new(move |_| {
        if let Some(mut new) = news.newest.get().filter(|new| !is_outdated(begun, new.now)) {
            renew(&log, std::mem::take(&mut new.log));
            renew(&view, new);
        }
    });
    let state = Memo::new(move |_| view.read().line.state);
    // What stays as it is while it works, so that progress draws nothing else again.
    let still = Memo::new(move |_| {
        let view = view.get();
        RunView { line: RunLine { progress: None, waits_for: None, ..view.line }, now: begun, ..view }
    });
    let (operates, of) = (may(Role::Operator), view.read_untracked().line.kind);
    let can = move |action| operates && of.allows(action).is_ok() && state.get().allows(action).is_ok();
    let badge = move || view! { {move || view! { <RunBadge state=state.get()/> }} };
    let actions = move || {
        let follow = move || (!state.get().has_ended()).then(|| view! { <Following line=news.line path=format!("/runs/{id}")/> });
        let put_off = move || can(RunAction::Delay).then(|| view! { <PutOffRun id delay/> });
        let stop = move || can(RunAction::Abort).then(|| view! { <StopRun view=view.get_untracked() abort/> });
        let onwards = move || view! { <Onwards view=still.get()/> };
        view! { {follow} {onwards} {put_off} {stop} }
    };
    view! {
        <PageHead title=move || answer(&still.read()) window crumbs badge actions>
            {move || view! { <Under line=view.get().line now=view.get().now/> }}
        </PageHead>
        <FormProblem faults=Faults::of(abort.value())/>
        <FormProblem faults=Faults::of(delay.value())/>
        {move || view! { <Work line=view.get().line/> }}
        {move || view! { <WentWrong view=still.get() log/> }}
        {move || view! { <Proof view=still.get()/> }}
        {move || view! { <Notes kind=still.read().line.kind notes=still.get().notes/> }}
        {move || view! { <RunFacts view=still.get()/> }}
        <Log lines=log now=begun/>
    }
}

/// The way here.
fn crumbs(view: &RunView) -> Vec<(String, String)> {
    let runs = |word: &str, href: &str| (word.to_owned(), href.to_owned());
    match (view.line.round, &view.task_name) {
        (Some(round), Some(task)) => vec![runs("Runs", "/runs"), (format!("Round of {task}"), format!("/rounds/{round}"))],
        _ => vec![runs("Runs", "/runs"), runs("Restores and verifications", "/runs?show=runs")],
    }
}

/// The line below the answer.
#[component]
fn Under(line: RunLine, now: Timestamp) -> impl IntoView {
    match (line.state, line.retry_at) {
        (RunState::Queued, Some(at)) if line.error.is_none() => view! { "Put off until " <When at now manner=Manner::Clock/> }.into_any(),
        (RunState::Queued, Some(at)) => {
            view! { "Next try at " <When at now manner=Manner::Clock/> {format!(", {}", next_attempt(&line))} }.into_any()
        }
        (RunState::Queued, None) => line.waits_for.unwrap_or_default().into_any(),
        (RunState::Running, _) => {
            let lasting = line.began_at.map(|from| format!(", for {}", lasted(from, now)));
            view! { "Began " <When at=line.began_at now/> {lasting} }.into_any()
        }
        _ => {
            let result = Some(result(&line)).filter(|result| !result.is_empty()).map(|result| format!(" · {result}"));
            view! { "Ended " <When at=line.ended_at now/> {result} }.into_any()
        }
    }
}

/// How far it is, while it works.
#[component]
fn Work(line: RunLine) -> impl IntoView {
    (line.state == RunState::Running).then(|| {
        let percent = line.progress.as_ref().and_then(Progress::percent);
        let detail = line.progress.as_ref().map(amounts).unwrap_or_default();
        let word = phase(&line);
        view! {
            <Card>
                <div class="work">
                    <p><b>{word.clone()}</b> {percent.map(|percent| format!(" {percent} %"))}</p>
                    <p class="dim">{detail}</p>
                    <Bar percent=Signal::stored(percent) label=word/>
                </div>
            </Card>
        }
    })
}

/// Why it failed, or why its last attempt did.
#[component]
fn WentWrong(view: RunView, log: RwSignal<Vec<domain::view::run::LogLine>>) -> impl IntoView {
    let lines = log.with_untracked(|log| log.iter().filter(|line| line.bad).cloned().collect::<Vec<_>>());
    view.line.error.map(|told| {
        view! {
            <Card title="What went wrong" icon=Glyph::Alert>
                <div class="failure"><Reason told lines now=view.now/></div>
            </Card>
        }
    })
}

/// What is left out or special; of a restore first what was compared.
#[component]
fn Notes(kind: RunKind, notes: Vec<String>) -> impl IntoView {
    let title = match (kind, notes.len()) {
        (RunKind::Restore, _) => "What was compared",
        (_, 1) => "One thing is worth knowing",
        _ => "Some things are worth knowing",
    };
    (!notes.is_empty()).then(|| {
        view! {
            <Notice tone=Tone::Calm title>
                <ul>{notes.into_iter().map(|note| view! { <li>{note}</li> }).collect_view()}</ul>
            </Notice>
        }
    })
}

/// What one wants to do next.
#[component]
fn Onwards(view: RunView) -> impl IntoView {
    let RunLine { kind, state, server, label, database, .. } = view.line;
    match (kind, state, view.destination) {
        (RunKind::Backup, RunState::Succeeded, Some(destination)) => {
            let place = [("destination", destination.to_string()), ("database", database), ("point", label.unwrap_or_default())];
            let href = with_pairs("/restore", place);
            view! { <LinkButton href icon=Glyph::Restore>"Restore this"</LinkButton> }.into_any()
        }
        (RunKind::Restore, RunState::Succeeded, _) => {
            let href = server.map(|server| with_pairs(&format!("/servers/{server}/databases"), [("filter", database)]));
            href.map(|href| view! { <LinkButton href icon=Glyph::Database>"See it on its server"</LinkButton> }).into_any()
        }
        _ => ().into_any(),
    }
}

/// Puts the run off.
#[component]
fn PutOffRun(id: RunId, delay: ServerAction<DelayRun>) -> impl IntoView {
    view! {
        <details class="ask">
            <summary class="button"><Icon name=Glyph::Clock/>"Put off"</summary>
            <ActionForm action=delay attr:class="stack tight">
                <HowLong
                    text="If it runs it stops, nothing half-made is kept, and it waits. The rest of its round goes on."
                    values=vec![("run", id.to_string())]
                    busy=delay.pending()
                />
            </ActionForm>
        </details>
    }
}

/// Stops the run; asks once, because hours of work may be lost.
#[component]
fn StopRun(view: RunView, abort: ServerAction<AbortRun>) -> impl IntoView {
    let text = match view.line.kind {
        RunKind::Backup => "The backup stops, and nothing half-made is kept. Older backups stay as they are.",
        RunKind::Restore => "The restore stops, and the half-made database is removed. The backup stays as it is.",
        RunKind::Verify => "The verification stops. The backup stays as it is.",
    };
    view! {
        <details class="ask">
            <summary class="button danger"><Icon name=Glyph::Stop/>"Abort"</summary>
            <ActionForm action=abort attr:class="stack tight">
                <p>{text}</p>
                <Hidden values=vec![("run", view.line.id.to_string())]/>
                <div class="actions"><Button kind=ButtonKind::Danger busy=abort.pending()>"Abort it"</Button></div>
            </ActionForm>
        </details>
    }
}
