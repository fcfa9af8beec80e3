//! What the task will do, in sentences, while it is written.

use super::{draft::Draft, step::sealed_for};
use crate::{
    components::{Card, counted},
    pages::task::words::list,
};
use domain::{
    BackupKind, display,
    form::is_on,
    view::task::{NextTime, ServerPreview, TaskPreview},
};
use leptos::prelude::*;
use std::collections::BTreeSet;

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

/// Which databases, by server.
#[component]
fn Covered(only: String, once: bool, preview: TaskPreview) -> impl IntoView {
    let TaskPreview { servers, unknown, patterns, .. } = preview;
    if servers.is_empty() {
        return view! { <p>"back up " <span class="dim">"databases of a server that is not chosen yet,"</span></p> }.into_any();
    }
    if !only.is_empty() {
        let names = list(&servers.iter().map(|server| server.name.clone()).collect::<Vec<_>>());
        let size = in_brackets(servers.iter().map(|server| server.size_bytes).sum());
        return view! { <p>"back up the database " <b>{only}</b> " of " {names} {size} ","</p> }.into_any();
    }
    // Patterns say it for all that they fit, today and later.
    let by_name = |name: &String| !patterns.iter().any(|(_, fits)| fits.contains(name));
    let excluded = servers.iter().flat_map(|server| &server.excluded).filter(|name| by_name(name)).cloned();
    let mut names: Vec<String> = excluded.chain(unknown).collect();
    names.sort_unstable();
    names.dedup();
    let except: Vec<_> = patterns.iter().map(|(pattern, _)| pattern.clone()).chain(names).collect();
    let last = servers.len() - 1;
    let lines = servers.into_iter().enumerate().map(move |(place, server)| {
        let begin = if place == 0 { "back up " } else { "and " };
        let except = if place == last { list(&except) } else { String::new() };
        view! { <Of server begin new=!once && place == last except/> }
    });
    lines.collect_view().into_any()
}

/// The databases of one server.
#[component]
fn Of(server: ServerPreview, begin: &'static str, new: bool, except: String) -> impl IntoView {
    let ServerPreview { name, included, excluded, size_bytes, .. } = server;
    let count = counted(included.len() as u64, "database", "databases");
    let what = match (included.len(), excluded.len()) {
        (1, 0) => "the one database".into(),
        (_, 0) => format!("all {count}"),
        (some, others) => format!("{count} of {}", some + others),
    };
    let more = included.len().saturating_sub(MOST);
    let except = (!except.is_empty()).then(|| view! { ", except " <b>{except}</b> });
    view! {
        <p>{begin} <b>{what}</b> " of " {name} {in_brackets(size_bytes)} {new.then_some(", and new ones")} {except} ","</p>
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
}

fn in_brackets(size_bytes: u64) -> Option<String> {
    (size_bytes > 0).then(|| format!(" ({})", display::size(size_bytes)))
}

/// Where to, with the first child folders.
#[component]
fn Place(preview: TaskPreview) -> impl IntoView {
    let included: BTreeSet<_> = preview.included().collect();
    let more = included.len().saturating_sub(preview.folders.len());
    let TaskPreview { root, folders, .. } = preview;
    let Some(root) = root else {
        return view! { <p>"to " <span class="dim">"a destination that is not chosen yet."</span></p> }.into_any();
    };
    let base = format!("{}/", root.trim_end_matches('/'));
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
