//! What the task will do, in sentences, while it is written.

use super::{draft::Draft, step::sealed_for};
use crate::{
    components::{Card, counted},
    pages::task::words::list,
};
use domain::{
    BackupKind, display,
    form::is_on,
    view::task::{NextTime, TaskPreview},
};
use leptos::prelude::*;

/// Names that are listed behind a count.
const MOST: usize = 200;

/// The side of the wizard.
#[component]
pub(super) fn Aside(draft: Draft, preview: TaskPreview) -> impl IntoView {
    let (form, once) = (draft.form(), draft.once);
    let schedule = match &preview.schedule {
        Some(words) => view! { <b>{display::lower(words)}</b> " by the clocks of " {form.time_zone.clone()} }.into_any(),
        None => view! { <span class="dim">"at times that are not chosen yet"</span> }.into_any(),
    };
    let is_incremental = !once && preview.next.iter().any(|next| next.due.kind == BackupKind::Incremental);
    let sealing = match form.encryption.as_str() {
        "sealed" => display::lower(&sealed_for(&form, &preview)),
        "none" => "not encrypted".into(),
        _ => "encrypted or not, which is not chosen yet".into(),
    };
    let kept = match form.rule() {
        Ok(None) => "every backup".into(),
        Ok(Some(rule)) => display::lower(rule.in_words().trim_end_matches('.')),
        Err(_) => "what is not chosen yet".into(),
    };
    let missed = if is_on(&form.catch_up) { "make up for a time that was missed," } else { "leave a time out that was missed," };
    view! {
        <Card title=if once { "This backup will" } else { "This task will" }>
            <div class="will">
                <Covered only=form.only once preview=preview.clone()/>
                {(!once).then(|| view! {
                    <p>{schedule} ","</p>
                    <p>{missed}</p>
                    <p>"keep " <b>{kept}</b> ", "</p>
                })}
                <p>{once.then_some("fully, now and once, ")} {sealing} ","</p>
                <Place preview=preview.clone()/>
                {(!once).then(|| view! { <Next next=preview.next.clone()/> })}
                {is_incremental.then(|| view! { <p class="dim">"The first backup of each database is a full one."</p> })}
            </div>
        </Card>
    }
}

/// Which databases.
#[component]
fn Covered(only: String, once: bool, preview: TaskPreview) -> impl IntoView {
    let TaskPreview { server_name, included, excluded, unknown, patterns, size_bytes, .. } = preview;
    let size = (size_bytes > 0).then(|| format!(" ({})", display::size(size_bytes)));
    if !only.is_empty() {
        return view! { <p>"back up the database " <b>{only}</b> " of " {server_name} {size} ","</p> }.into_any();
    }
    let count = counted(included.len() as u64, "database", "databases");
    let what = match (included.len(), excluded.len()) {
        (1, 0) => "the one database".into(),
        (_, 0) => format!("all {count}"),
        (some, others) => format!("{count} of {}", some + others),
    };
    // Patterns say it for all that they fit, today and later.
    let by_name = |name: &String| !patterns.iter().any(|(_, fits)| fits.contains(name));
    let names = excluded.into_iter().filter(by_name).chain(unknown);
    let except: Vec<_> = patterns.iter().map(|(pattern, _)| pattern.clone()).chain(names).collect();
    let except = (!except.is_empty()).then(|| view! { ", except " <b>{list(&except)}</b> });
    let more = included.len().saturating_sub(MOST);
    view! {
        <p>"back up " <b>{what}</b> " of " {server_name} {size} {(!once).then_some(", and new ones")} {except} ","</p>
        {(!included.is_empty())
            .then(|| {
                view! {
                    <details>
                        <summary>"Which ones"</summary>
                        <ul class="names">
                            {included.into_iter().take(MOST).map(|name| view! { <li>{name}</li> }).collect_view()}
                            {(more > 0).then(|| view! { <li class="dim">{format!("and {more} more")}</li> })}
                        </ul>
                    </details>
                }
            })}
    }
    .into_any()
}

/// Where to, with the first child folders.
#[component]
fn Place(preview: TaskPreview) -> impl IntoView {
    let TaskPreview { root, folders, included, .. } = preview;
    let Some(root) = root else {
        return view! { <p>"to " <span class="dim">"a destination that is not chosen yet."</span></p> }.into_any();
    };
    let base = format!("{}/", root.trim_end_matches('/'));
    let more = included.len().saturating_sub(folders.len());
    let last = folders.len();
    let branch = |is_last: bool| if is_last { "└ " } else { "├ " };
    let lines = folders.into_iter().enumerate().map(|(i, folder)| {
        let name = folder.strip_prefix(&base).unwrap_or(&folder).to_owned();
        view! { <li><span aria-hidden="true">{branch(i + 1 == last && more == 0)}</span>{name}</li> }
    });
    view! {
        <p>"to"</p>
        <ul class="tree code" aria-label="Folders">
            <li>{base.clone()}</li>
            {lines.collect_view()}
            {(more > 0).then(|| view! { <li><span aria-hidden="true">{branch(true)}</span>{display::count(more as u64)} " more"</li> })}
        </ul>
    }
    .into_any()
}

/// The next times.
#[component]
fn Next(next: Vec<NextTime>) -> impl IntoView {
    (!next.is_empty()).then(|| {
        let lines = next.into_iter().map(|NextTime { due, clock }| {
            let is_full = due.kind == BackupKind::Full;
            view! { <li><time datetime=due.at.to_string()>{clock}</time> " " <span class:full=is_full>{due.kind.as_str()}</span></li> }
        });
        view! {
            <h3>"Next runs"</h3>
            <ol class="next-runs">{lines.collect_view()}</ol>
        }
    })
}
