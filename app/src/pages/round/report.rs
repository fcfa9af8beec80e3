//! What went wrong in a round: a sentence and the next step for each, the raw text one click away.

use super::words::title_of;
use crate::components::{Card, Glyph, Icon, Manner, When};
use domain::{
    RunState, Told,
    view::run::{LogLine, RunLine},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// Failures that are told in full; more are in the table.
const MOST: usize = 50;

/// Those that did not end well, and those whose last attempt did not.
pub fn failures(runs: &[RunLine]) -> Vec<RunLine> {
    let wrong = |run: &&RunLine| match run.state {
        RunState::Failed | RunState::Interrupted => true,
        RunState::Queued => run.error.is_some(),
        RunState::Running | RunState::Succeeded | RunState::Aborted => false,
    };
    // Only what is said of them counts here, so that progress does not draw the report again.
    runs.iter().filter(wrong).map(|run| RunLine { progress: None, waits_for: None, ..run.clone() }).collect()
}

/// The report.
#[component]
pub fn Report(
    /// What went wrong.
    failures: RwSignal<Vec<RunLine>>,
    /// Whether the round has several servers, so that each is named.
    several: bool,
    /// The round's log.
    log: RwSignal<Vec<LogLine>>,
    /// When it was read.
    now: Timestamp,
) -> impl IntoView {
    move || {
        let failures = failures.get();
        let more = failures.len().saturating_sub(MOST);
        (!failures.is_empty()).then(|| {
            let lines = failures.into_iter().take(MOST).map(move |run| {
                let lines = log.with_untracked(|log| log.iter().filter(|line| line.bad && line.run == Some(run.id)).cloned().collect());
                view! { <Failure run several lines now/> }
            });
            view! {
                <Card title="What went wrong" icon=Glyph::Alert flush=true>
                    <ul class="failures">{lines.collect_view()}</ul>
                    {(more > 0).then(|| view! { <p class="dim">{format!("{more} more went wrong; the table below has them.")}</p> })}
                </Card>
            }
        })
    }
}

#[component]
fn Failure(run: RunLine, several: bool, lines: Vec<LogLine>, now: Timestamp) -> impl IntoView {
    let again = (run.state == RunState::Queued).then_some(run.retry_at).flatten();
    let href = format!("/runs/{}", run.id);
    view! {
        <li>
            <p><Icon name=Glyph::Cross/> " " <a class="name" href=href>{title_of(&run.database)}</a> {several.then(|| format!(" on {}", run.server_name))}</p>
            {run.error.map(|told| view! { <Reason told lines now/> })}
            {again.map(|at| view! { <p class="dim">"It is tried again by itself at " <When at now manner=Manner::Clock/> "."</p> })}
        </li>
    }
}

/// Why something failed: the sentence, the next step, and behind it what was written down.
#[component]
pub fn Reason(
    /// What is told.
    told: Told,
    /// What the log says of it.
    lines: Vec<LogLine>,
    /// When it was read.
    now: Timestamp,
) -> impl IntoView {
    let lines = lines.into_iter().map(|line| view! { <li><When at=line.at now manner=Manner::Clock/> " " {line.text}</li> });
    view! {
        <p>{told.sentence.clone()}</p>
        <p class="next">{told.next_step}</p>
        <details class="raw">
            <summary>"Raw text"</summary>
            <ol class="log"><li>{format!("{}: {}", told.code, told.sentence)}</li>{lines.collect_view()}</ol>
        </details>
    }
}
