//! One database of a round.

use super::words::{amounts, next_attempt, phase, result, title_of};
use crate::{
    api::run::AbortRun,
    components::{Badge, Bar, Button, ButtonKind, Cell, Glyph, Hidden, Manner, Tone, When, may},
};
use domain::{
    Role, RunAction, RunState,
    view::run::{Progress, RunLine},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// What the state of a run means, and its sign.
pub fn sign_of(state: RunState) -> (Tone, Glyph) {
    match state {
        RunState::Queued => (Tone::Calm, Glyph::Clock),
        RunState::Running => (Tone::Busy, Glyph::Busy),
        RunState::Succeeded => (Tone::Good, Glyph::Check),
        RunState::Failed => (Tone::Bad, Glyph::Cross),
        RunState::Aborted => (Tone::Warn, Glyph::Stop),
        RunState::Interrupted => (Tone::Warn, Glyph::Alert),
    }
}

/// A line of the table.
#[component]
pub fn Row(
    /// The run.
    run: ArcRwSignal<RunLine>,
    /// Whether the round has several servers, so that each is named.
    several: bool,
    /// When it was read.
    now: RwSignal<Timestamp>,
    /// Stops it.
    abort: ServerAction<AbortRun>,
) -> impl IntoView {
    let first = run.get_untracked();
    let (href, name) = (format!("/runs/{}", first.id), title_of(&first.database));
    let server = several.then(|| view! { <small>{first.server_name}</small> });
    let (told, how) = (run.clone(), run.clone());
    let stop = may(Role::Operator).then(move || view! { <StopRun run abort/> });
    view! {
        <tr>
            <Cell><a class="name" href=href>{name}</a> {server}</Cell>
            <Cell label="State">{move || view! { <State run=told.get()/> }}</Cell>
            <Cell label="Progress">{move || view! { <How run=how.get() now=now.get()/> }}</Cell>
            <Cell>{stop}</Cell>
        </tr>
    }
}

/// What it does, or how it ended.
#[component]
fn State(run: RunLine) -> impl IntoView {
    let (tone, icon) = sign_of(run.state);
    view! { <Badge tone icon text=phase(&run)/> }
}

/// How far it is, what it waits for, what it brought, or why it failed.
#[component]
fn How(run: RunLine, now: Timestamp) -> impl IntoView {
    let why = run.error.as_ref().map(|told| told.sentence.clone());
    match (run.state, run.retry_at) {
        (RunState::Running, _) => {
            let percent = run.progress.as_ref().and_then(Progress::percent);
            let amounts = run.progress.as_ref().map(amounts).unwrap_or_default();
            view! { <div class="how"><Bar percent=Signal::stored(percent) label=phase(&run)/><small>{amounts}</small></div> }.into_any()
        }
        (RunState::Queued, Some(at)) if why.is_none() => view! { <small>"Until " <When at now manner=Manner::Clock/></small> }.into_any(),
        (RunState::Queued, Some(at)) => {
            view! { <small>{why} " Next try " <When at now manner=Manner::Clock/> ", " {next_attempt(&run)} "."</small> }.into_any()
        }
        (RunState::Queued, None) => view! { <small>{run.waits_for}</small> }.into_any(),
        (RunState::Succeeded, _) => view! { <small>{result(&run)}</small> }.into_any(),
        (RunState::Failed | RunState::Aborted | RunState::Interrupted, _) => view! { <small>{why}</small> }.into_any(),
    }
}

/// Stops this run and lets the others go on.
#[component]
fn StopRun(run: ArcRwSignal<RunLine>, abort: ServerAction<AbortRun>) -> impl IntoView {
    let first = run.get_untracked();
    let (id, label) = (first.id, StoredValue::new(format!("Abort {}", title_of(&first.database))));
    let can = Memo::new(move |_| run.read().state.allows(RunAction::Abort).is_ok());
    view! {
        <Show when=move || can.get()>
            <ActionForm action=abort attr:class="actions">
                <Hidden values=vec![("run", id.to_string())]/>
                <Button kind=ButtonKind::Ghost icon=Glyph::Stop label=label.get_value()>"Abort"</Button>
            </ActionForm>
        </Show>
    }
}
