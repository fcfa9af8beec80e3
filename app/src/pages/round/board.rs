//! A round as it goes on.

use super::{
    actions::{PutOffRound, RetryRound, StopRound},
    follow::Following,
    log::Log,
    report::{Report, failures},
    row::Row,
    runs::{Runs, Shown, renew},
    words::{answer, started},
};
use crate::{
    address::{query_value, with_pairs},
    api::{
        round::{AbortRound, DelayRound, RetryFailed, round},
        run::AbortRun,
    },
    components::{Card, Faults, FormProblem, Notice, PageHead, Problem, RoundBadge, Segment, Segments, Table, Tone, When, lasted, may},
    live::{is_outdated, live},
    pages::task::list,
};
use domain::{
    Role, RoundId, RoundState, RunState, Told,
    view::run::{RoundLine, RoundServer, RoundView},
};
use leptos::prelude::*;

/// More runs than this can be looked at by kind.
const MANY: usize = 8;

/// A round, and what becomes of it while the page is open.
#[component]
pub fn Board(
    /// How the page was loaded.
    view: RoundView,
    /// Stops the round.
    abort: ServerAction<AbortRound>,
    /// Does what went wrong again.
    retry: ServerAction<RetryFailed>,
    /// Puts the round off.
    delay: ServerAction<DelayRound>,
) -> impl IntoView {
    let RoundView { line, runs, log, now } = view;
    let (id, ended) = (line.id, line.state.has_ended());
    let news = live(move || (!ended).then(|| format!("/live/rounds/{id}")), move || round(id));
    let said = RwSignal::new(answer(&line, &runs));
    let wrong = RwSignal::new(failures(&runs));
    let (line, log, begun, now) = (RwSignal::new(line), RwSignal::new(log), now, RwSignal::new(now));
    let runs = Runs::new(runs);
    Effect::new(move |_| {
        if let Some(view) = news.newest.get().filter(|view| !is_outdated(begun, view.now)) {
            renew(&said, answer(&view.line, &view.runs));
            renew(&wrong, failures(&view.runs));
            renew(&log, view.log);
            renew(&line, view.line);
            now.set(view.now);
            runs.take(view.runs);
        }
    });
    let stop = ServerAction::<AbortRun>::new();
    let state = Memo::new(move |_| line.read().state);
    let operates = may(Role::Operator);
    let actions = move || {
        let follow = move || (!state.get().has_ended()).then(|| view! { <Following line=news.line path=format!("/rounds/{id}")/> });
        let doing = move || match state.get() {
            _ if !operates => ().into_any(),
            RoundState::Preparing | RoundState::Running => view! { <PutOffRound id delay/> <StopRound id abort/> }.into_any(),
            RoundState::Partly | RoundState::Failed | RoundState::Aborted => view! { <RetryRound id retry/> }.into_any(),
            RoundState::Succeeded | RoundState::Skipped => ().into_any(),
        };
        view! { {follow} {doing} }
    };
    let several = line.read_untracked().servers.len() > 1;
    let window = format!("Round of {}", line.read_untracked().task_name);
    view! {
        <PageHead
            title=move || said.get()
            window=window
            crumbs=crumbs(&line.get_untracked())
            badge=move || view! { {move || view! { <RoundBadge state=state.get()/> }} }
            actions=actions
        >
            {move || view! { <Origins line=line.get() now=now.get()/> }}
        </PageHead>
        <FormProblem faults=Faults::of(abort.value())/>
        <FormProblem faults=Faults::of(retry.value())/>
        <FormProblem faults=Faults::of(delay.value())/>
        <FormProblem faults=Faults::of(stop.value())/>
        {move || view! { <Whole line=line.get()/> }}
        <Report failures=wrong several log now=begun/>
        <Databases runs several id now abort=stop/>
        <Log lines=log now=begun named=true/>
    }
}

/// The way here.
fn crumbs(line: &RoundLine) -> Vec<(String, String)> {
    let task = line.task.map(|task| (line.task_name.clone(), format!("/tasks/{task}")));
    std::iter::once(("Runs".into(), "/runs".into())).chain(task).collect()
}

/// When it began, how long it took, and who started it.
#[component]
fn Origins(line: RoundLine, now: jiff::Timestamp) -> impl IntoView {
    let lasting = match line.ended_at {
        Some(end) => format!("took {}", lasted(line.began_at, end)),
        None => format!("for {}", lasted(line.began_at, now)),
    };
    let started = started(line.origin, line.started_by.as_deref());
    let is_put_off = line.state == RoundState::Preparing && line.error.is_none();
    let put_off = line.retry_at.filter(|_| is_put_off).map(|at| view! { " · until " <When at now/> });
    let (kind, servers) = (line.wanted.as_str(), list(&line.server_names()));
    let rest = format!(" · {lasting} · {kind}, started {started}");
    view! { {line.task_name} " on " {servers} " · began " <When at=line.began_at now/> {rest} {put_off} }
}

/// What concerns the round as a whole.
#[component]
fn Whole(line: RoundLine) -> impl IntoView {
    let unread = line.clone();
    match (line.state, line.error) {
        // Why is the page's answer.
        (RoundState::Skipped, Some(told)) => view! { <Notice tone=Tone::Calm title=told.next_step/> }.into_any(),
        (_, Some(told)) => view! { <Problem told/> }.into_any(),
        (_, None) => view! { <Unread line=unread/> }.into_any(),
    }
}

/// Servers that could not be looked at, each with why.
#[component]
fn Unread(line: RoundLine) -> impl IntoView {
    let again = line.retry_at.filter(|_| !line.state.has_ended()).is_some();
    let of_one = |(server, told): (&RoundServer, &Told)| {
        let title = format!("{} could not be looked at: {}", server.name, told.sentence);
        let then = match server.state {
            RunState::Queued if again => "It will be tried again by itself; the other servers go on.".to_owned(),
            _ => told.next_step.clone(),
        };
        view! { <Notice tone=Tone::Bad title><p>{then}</p></Notice> }
    };
    line.unread().map(of_one).collect_view()
}

/// Its databases.
#[component]
fn Databases(runs: Runs, several: bool, id: RoundId, now: RwSignal<jiff::Timestamp>, abort: ServerAction<AbortRun>) -> impl IntoView {
    let href = move |kind: Shown| with_pairs(&format!("/rounds/{id}"), [("show", kind.word())]);
    let word = query_value("show");
    let shown = Memo::new(move |_| Shown::of_word(&word.read()));
    let segments = move || {
        let here = shown.get();
        let kinds = Shown::ALL.into_iter().filter(|kind| *kind == here || runs.count(*kind) > 0);
        let segment =
            |kind: Shown| Segment { word: format!("{} {}", kind.title(), runs.count(kind)), href: href(kind), here: kind == here };
        let segments: Vec<_> = kinds.map(segment).collect();
        (runs.count(Shown::All) > MANY).then(|| view! { <Segments label="Show" segments/> })
    };
    let cut = move || {
        let links = runs.cut().into_iter().map(|(kind, more)| {
            view! { <a class="link" href=href(kind)>{format!("{more} more: {}", kind.title().to_lowercase())}</a> }
        });
        (shown.get() == Shown::All).then(|| links.collect_view())
    };
    let row = move |id| runs.line(id).map(|run| view! { <Row run several now abort/> });
    view! {
        <Show when=move || runs.count(Shown::All) != 0>
            <Card title="Databases" flush=true actions=move || view! { {segments} }>
                <Table label="Databases of this round">
                    <thead>
                        <tr>
                            <th scope="col">"Database"</th>
                            <th scope="col">"State"</th>
                            <th scope="col" class="progress">"Progress"</th>
                            <th scope="col"><span class="unseen">"Actions"</span></th>
                        </tr>
                    </thead>
                    <tbody>
                        <For each=move || runs.shown(shown.get()) key=|id| id.to_string() children=row/>
                    </tbody>
                </Table>
                <p class="row rest">{cut}</p>
            </Card>
        </Show>
    }
}
