//! Everything once more, and the button that keeps it.

use super::{FORM, Sending, draft::Draft, encryption::Downgrade, step::Step};
use crate::components::{Button, ButtonKind, Faults, FormProblem, Glyph, Hidden, Icon, OwnPassword};
use crate::pages::task::plan::outlook;
use domain::{
    ServerId, TaskForm, TaskId,
    view::{retention::RetentionView, task::TaskPreview},
};
use leptos::prelude::*;

/// Every answer, with the way to change it.
#[component]
pub(super) fn Answers(draft: Memo<Draft>, preview: RwSignal<TaskPreview>, plan: RwSignal<Option<RetentionView>>) -> impl IntoView {
    let line = move |step: Step| {
        let answer = move || step.answer(&draft.read(), &preview.read());
        let more = move || match (step, &*plan.read()) {
            (Step::Retention, Some(plan)) => outlook(plan),
            _ => more_of(step, &draft.read().form(), &preview.read()),
        };
        let wrong = move || {
            step.errors(&draft.read(), &preview.read()).into_iter().map(|error| view! { <p class="wrong">{error}</p> }).collect_view()
        };
        let label = format!("Change {}", step.title().to_lowercase());
        view! {
            <li>
                <b>{step.title()}</b>
                <div>{answer} <small>{more}</small> {wrong}</div>
                <Button kind=ButtonKind::Ghost name="step" value=step.word() label>"Change"</Button>
            </li>
        }
    };
    let lines = Step::ALL.into_iter().filter(|step| *step != Step::Review).map(line);
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
fn more_of(step: Step, form: &TaskForm, preview: &TaskPreview) -> String {
    match step {
        Step::Name => match form.excluded().collect::<Vec<_>>().as_slice() {
            [] => "Leaves nothing out".into(),
            names => format!("Leaves out {}", names.join(", ")),
        },
        Step::Schedule => format!("{} · {}", form.cron, form.time_zone),
        Step::Destination => preview.root.clone().unwrap_or_default(),
        _ => String::new(),
    }
}

/// The form that is kept. It stands below the one that goes from step to step, to which the way back belongs.
#[component]
pub(super) fn Submit(
    server: ServerId,
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
        draft.read().differences().iter().any(|(field, ..)| *field == "encryption" || *field == "recipients" || field.starts_with("keep_"))
    };
    let fields = move || {
        let draft = draft.read();
        view! { <Hidden values=fields(&draft.form(), draft.version)/> }
    };
    let (faults, sender) = match task {
        None => (
            Faults::of(send.add.value()),
            view! {
                <ActionForm action=send.add>
                    <Hidden values=vec![("server", server.to_string())]/>
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

fn fields(form: &TaskForm, version: Option<i64>) -> Vec<(&'static str, String)> {
    let TaskForm { name, backup_type, cron, time_zone, catch_up, excluded, encryption, recipients, destination, .. } = form.clone();
    let mut fields = vec![
        ("name", name),
        ("backup_type", backup_type),
        ("cron", cron),
        ("time_zone", time_zone),
        ("catch_up", catch_up),
        ("excluded", excluded),
        ("encryption", encryption),
        ("recipients", recipients),
        ("destination", destination),
    ];
    fields.push(("keep_how", form.keep_how.clone()));
    fields.extend(form.keep_numbers().into_iter().map(|(_, field, number)| (field, number.to_owned())));
    fields.extend(version.map(|version| ("version", version.to_string())));
    fields
}
