//! Everything once more, and the button that keeps it.

use super::{FORM, Sending, draft::Draft, encryption::Downgrade, step::Step};
use crate::components::{Button, ButtonKind, Faults, FormProblem, Glyph, Hidden, Icon, OwnPassword};
use crate::pages::task::{plan::outlook, words::list};
use domain::{
    TaskForm, TaskId,
    view::{retention::RetentionView, task::TaskPreview},
};
use leptos::prelude::*;

/// Every answer, with the way to change it.
#[component]
pub(super) fn Answers(draft: Memo<Draft>, preview: RwSignal<TaskPreview>, plan: RwSignal<Option<RetentionView>>) -> impl IntoView {
    let once = draft.read_untracked().once;
    let line = move |step: Step| {
        let answer = move || step.answer(&draft.read(), &preview.read());
        let more = move || match (step, &*plan.read()) {
            (Step::Retention, Some(plan)) => outlook(plan),
            _ => more_of(step, once, &draft.read().form(), &preview.read()),
        };
        let wrong = move || {
            step.errors(&draft.read(), &preview.read()).into_iter().map(|error| view! { <p class="wrong">{error}</p> }).collect_view()
        };
        let title = step.title_for(once);
        let label = format!("Change {}", title.to_lowercase());
        view! {
            <li>
                <b>{title}</b>
                <div>{answer} <small>{more}</small> {wrong}</div>
                <Button kind=ButtonKind::Ghost name="step" value=step.word() label>"Change"</Button>
            </li>
        }
    };
    let lines = Step::all(once).iter().copied().filter(|step| *step != Step::Review).map(line);
    let downgrade = move || {
        let plain = draft.read().form().encryption == "none";
        preview.read().encrypted_at_rest.clone().filter(|_| plain).map(|what| view! { <Downgrade what/> })
    };
    view! {
        {downgrade}
        <ul class="answers">{lines.collect_view()}</ul>
    }
}

/// What the list of steps has no room for.
fn more_of(step: Step, once: bool, form: &TaskForm, preview: &TaskPreview) -> String {
    match step {
        Step::Name => {
            let servers: Vec<_> = preview.servers.iter().map(|server| server.name.clone()).collect();
            let what = match form.excluded().collect::<Vec<_>>().as_slice() {
                _ if !form.only.is_empty() && once => String::new(),
                _ if !form.only.is_empty() => format!("For the database {} alone", form.only),
                [] => "Leaves nothing out".into(),
                names => format!("Leaves out {}", names.join(", ")),
            };
            [list(&servers), what].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" · ")
        }
        Step::Schedule => [form.time_zone.clone(), chains(form)].join(" · "),
        Step::Destination => preview.root.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// How long chains may grow.
fn chains(form: &TaskForm) -> String {
    let limit = |text: &str, unit: &str| (!text.trim().is_empty()).then(|| format!("{} {unit}", text.trim()));
    let limits: Vec<_> = [limit(&form.chain_incrementals, "incrementals"), limit(&form.chain_days, "days")].into_iter().flatten().collect();
    if limits.is_empty() {
        "chains grow without limit".into()
    } else {
        format!("a new full backup at the latest after {}", limits.join(" or "))
    }
}

/// The form that is kept. It stands below the one that goes from step to step, to which the way back belongs.
#[component]
pub(super) fn Submit(
    task: Option<TaskId>,
    draft: Memo<Draft>,
    newest: Option<i64>,
    preview: RwSignal<TaskPreview>,
    send: Sending,
) -> impl IntoView {
    let conflict = move || draft.read().version != newest;
    let reason = Signal::derive(move || {
        let wrong = preview.with(|preview| !preview.errors.is_empty());
        let reason = if wrong { Some("Correct what is marked first.") } else { conflict().then_some("Choose first whose values count.") };
        reason.map(String::from)
    });
    let needs_password = move || {
        draft
            .read()
            .differences()
            .iter()
            .any(|(field, ..)| matches!(*field, "encryption" | "recipients" | "servers") || field.starts_with("keep_"))
    };
    let fields = move || {
        view! { <Hidden values=fields(&draft.read())/> }
    };
    let (faults, sender) = match task {
        None if draft.read_untracked().once => (
            Faults::of(send.once.value()),
            view! {
                <ActionForm action=send.once>
                    {fields}
                    <Button kind=ButtonKind::Primary icon=Glyph::Play reason busy=send.once.pending()>"Back up now"</Button>
                </ActionForm>
            }
            .into_any(),
        ),
        None => (
            Faults::of(send.add.value()),
            view! {
                <ActionForm action=send.add>
                    {fields}
                    <Button kind=ButtonKind::Primary icon=Glyph::Check reason busy=send.add.pending()>"Create task"</Button>
                </ActionForm>
            }
            .into_any(),
        ),
        Some(task) => (
            Faults::of(send.change.value()),
            view! {
                <ActionForm action=send.change>
                    <Hidden values=vec![("task", task.to_string())]/>
                    {fields}
                    <div class="own">
                        <Show when=needs_password fallback=|| view! { <input type="hidden" name="current_password" value=""/> }>
                            <OwnPassword id="own-task" faults=Faults::of(send.change.value())/>
                        </Show>
                    </div>
                    <Button kind=ButtonKind::Primary icon=Glyph::Check reason busy=send.change.pending()>"Save changes"</Button>
                </ActionForm>
            }
            .into_any(),
        ),
    };
    view! {
        // Whose values count is asked above.
        <Show when=move || !conflict()><FormProblem faults/></Show>
        <div class="actions ways">
            <button class="button" type="submit" form=FORM name="step" value=Step::Destination.word()>
                <Icon name=Glyph::Left/>
                "Back"
            </button>
            {sender}
        </div>
    }
}

fn fields(draft: &Draft) -> Vec<(&'static str, String)> {
    let mut fields = draft.fields();
    fields.extend(draft.version.map(|version| ("version", version.to_string())));
    fields
}
