//! The fields of each step.

use super::{draft::Draft, encryption::Encryption, retention::Retention, review::Answers, schedule::Times, step::Step};
use crate::{
    components::{Choice, Choices, Empty, Fact, Facts, Field, Glyph, LinkButton, Select, TextArea, counted},
    pages::task::words::list,
};
use domain::view::{retention::RetentionView, task::TaskPreview};
use leptos::prelude::*;
use std::collections::BTreeSet;

/// What is wrong with a field, once it is due to be said.
pub(super) fn fault(field: &'static str, draft: Memo<Draft>, preview: RwSignal<TaskPreview>) -> Signal<Option<String>> {
    Signal::derive(move || draft.read().error(field, &preview.read()))
}

/// The fields of one step.
#[component]
pub(super) fn Fields(
    step: Step,
    draft: Memo<Draft>,
    preview: RwSignal<TaskPreview>,
    plan: RwSignal<Option<RetentionView>>,
) -> impl IntoView {
    match step {
        Step::Name => view! { <Name draft preview/> }.into_any(),
        Step::Type => view! { <Type/> }.into_any(),
        Step::Schedule => view! { <Times draft preview/> }.into_any(),
        Step::Retention => view! { <Retention draft preview plan/> }.into_any(),
        Step::Encryption => view! { <Encryption draft preview/> }.into_any(),
        Step::Destination => view! { <Destination draft preview/> }.into_any(),
        Step::Review => view! { <Answers draft preview plan/> }.into_any(),
    }
}

#[component]
fn Name(draft: Memo<Draft>, preview: RwSignal<TaskPreview>) -> impl IntoView {
    let (form, once) = (draft.read_untracked().form(), draft.read_untracked().once);
    let mut databases: Vec<String> = preview.with_untracked(|preview| {
        let names: BTreeSet<_> = preview.servers.iter().flat_map(|server| &server.databases).collect();
        names.into_iter().cloned().collect()
    });
    // One that is gone is still the one that the task is for.
    if !form.only.is_empty() && !databases.contains(&form.only) {
        databases.push(form.only.clone());
    }
    let all = (String::new(), "All, new ones too".to_owned());
    let options = std::iter::once(all).chain(databases.into_iter().map(|name| (name.clone(), name))).collect();
    let patterns = move || {
        let lines = preview.read().patterns.clone().into_iter().map(|(pattern, fits)| {
            let told = match fits.as_slice() {
                [] => " fits no database today; what it fits later is left out, too".to_owned(),
                fits => format!(" fits {}: {}", counted(fits.len() as u64, "database", "databases"), list(fits)),
            };
            view! { <li><code>{pattern}</code> {told}</li> }
        });
        lines.collect_view()
    };
    view! {
        {(!once).then(|| {
            view! { <Field label="Name" name="name" value=form.name.clone() error=fault("name", draft, preview) placeholder="Nightly"/> }
        })}
        <Servers draft preview/>
        <div class="covers stack">
            <Select label="Databases" name="only" value=form.only options error=fault("only", draft, preview)/>
            <div class="field when-all">
                <TextArea
                    label="Databases to leave out"
                    name="excluded"
                    value=form.excluded
                    optional=true
                    code=true
                    error=fault("excluded", draft, preview)
                    hint="One name a line, or a pattern: * stands for any characters, ? for one. A \\ before them takes them as they are."
                />
                <div class="hint matches" aria-live="polite">
                    <p>{move || left_out(&preview.read())}</p>
                    <ul>{patterns}</ul>
                </div>
            </div>
        </div>
    }
}

/// The servers, of which at least one is ticked. There is nothing to choose while there is one.
#[component]
fn Servers(draft: Memo<Draft>, preview: RwSignal<TaskPreview>) -> impl IntoView {
    let form = draft.read_untracked().form();
    let all = preview.read_untracked().all_servers.clone();
    let boxes = all.into_iter().map(|(id, name, place)| {
        let value = id.to_string();
        let checked = form.servers().any(|chosen| chosen == value);
        view! {
            <label class="choice">
                <input type="checkbox" name="servers" value=value checked=checked/>
                <span><span class="word">{name}</span><small class="code">{place}</small></span>
            </label>
        }
    });
    let boxes = boxes.collect::<Vec<_>>();
    // The one that it was begun from is chosen without a question.
    if boxes.len() == 1 && form.servers().count() == 1 {
        return ().into_any();
    }
    view! {
        // None of the boxes ticked is an answer, too.
        <input type="hidden" name="servers" value=""/>
        <Choices legend="Servers" error=fault("servers", draft, preview) id="servers">{boxes}</Choices>
    }
    .into_any()
}

/// What is left out of all databases, in a sentence.
fn left_out(preview: &TaskPreview) -> String {
    let unknown = &preview.unknown;
    let (included, excluded): (Vec<_>, Vec<_>) = (preview.included().collect(), preview.excluded().cloned().collect());
    let all = counted((included.len() + excluded.len()) as u64, "database", "databases");
    let mut told = match excluded.len() {
        0 => format!("Nothing is left out: all {all} that are there today are covered."),
        1 => format!("Leaves 1 of {all} out: {}.", excluded[0]),
        _ => format!("Leaves {} of {all} out: {}.", excluded.len(), list(&excluded)),
    };
    if !unknown.is_empty() {
        told.push_str(&format!(" Not there today, and left out if it comes: {}.", list(unknown)));
    }
    told
}

#[component]
fn Type() -> impl IntoView {
    view! {
        <input type="hidden" name="backup_type" value="logical"/>
        <div class="only">
            <h3>"Backup (logical)"</h3>
            <p class="dim">"Every row and every definition, as text that can be read without Rookery."</p>
            <Facts>
                <Fact label="Holds">"Tables with their rows, views, functions, indexes, keys, owners and privileges"</Fact>
                <Fact label="Restores into">"The same version of the server or a newer one, under any name, compared table by table"</Fact>
                <Fact label="Disturbs">"Nobody: it reads one consistent moment beside whoever works"</Fact>
            </Facts>
        </div>
        <p class="dim">"Snapshots, which copy a server's files and come back faster, come with a later version."</p>
    }
}

#[component]
fn Destination(draft: Memo<Draft>, preview: RwSignal<TaskPreview>) -> impl IntoView {
    let chosen = draft.read_untracked().form().destination;
    let destinations = preview.read_untracked().destinations.clone();
    if destinations.is_empty() {
        let text = "A destination is a folder in which backups are kept. Add one, then come back with your browser's back button: \
                    what you filled in is still here.";
        let add = || view! { <LinkButton href="/destinations/new" icon=Glyph::Plus>"Add destination"</LinkButton> };
        return view! { <Empty title="No destinations yet" text icon=Glyph::Destination action=add/> }.into_any();
    }
    let choices = destinations.into_iter().map(move |(id, name, root)| {
        let value = id.to_string();
        let checked = value == chosen;
        view! { <Choice name="destination" value checked title=name><small class="code">{root}</small></Choice> }
    });
    view! {
        <Choices legend="Destination" error=fault("destination", draft, preview)>{choices.collect_view()}</Choices>
        <p class="dim">
            "Another place? "
            <a href="/destinations/new">"Add a destination"</a>
            ", then come back with your browser's back button."
        </p>
    }
    .into_any()
}
