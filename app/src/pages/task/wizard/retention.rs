//! The step that asks how long backups are kept, with what that means for those that lie there.

use super::{draft::Draft, fields::fault, step::Step};
use crate::{
    api::Failure,
    components::{Choice, Choices, Field, Notice},
    pages::task::plan::Plan,
};
use domain::{
    TaskForm,
    form::keep::{ALL, OWN, PRESETS},
    retention::Rule,
    view::{retention::RetentionView, task::TaskPreview},
};
use leptos::{prelude::*, task::spawn_local};

/// The form whose rule is to be previewed, on a step that shows that.
pub(super) fn question(draft: &Draft) -> Option<TaskForm> {
    matches!(draft.step, Step::Retention | Step::Review).then(|| draft.form())
}

/// Keeps the plan true to what the address says: the first one came with the page, each newer one is asked for.
pub(super) fn follow_plan<F>(
    draft: Memo<Draft>,
    first: Option<RetentionView>,
    ask: impl Fn(TaskForm) -> F + Clone + Send + Sync + 'static,
) -> RwSignal<Option<RetentionView>>
where
    F: Future<Output = Result<Option<RetentionView>, Failure>> + 'static,
{
    let plan = RwSignal::new(first);
    let asked = StoredValue::new(0_u32);
    let form = Memo::new(move |_| question(&draft.read()));
    Effect::watch(
        move || form.get(),
        move |form, _, _| {
            let Some(form) = form.clone() else { return };
            let (number, answer) = (asked.get_value() + 1, ask(form));
            asked.set_value(number);
            spawn_local(async move {
                // An answer that comes after a newer question is not looked at.
                if let Ok(newest) = answer.await
                    && asked.try_get_value() == Some(number)
                {
                    plan.set(newest);
                }
            });
        },
        false,
    );
    plan
}

/// Titles of the numbers of a rule of one's own, in their order.
const NUMBERS: [&str; 6] = ["Days", "Newest chains", "Daily", "Weekly", "Monthly", "Yearly"];

/// Everything, a proposed rule, or numbers of one's own. The numbers are seen while that is chosen: the style sheet looks after it,
/// so that it works without scripts.
#[component]
pub(super) fn Retention(draft: Memo<Draft>, preview: RwSignal<TaskPreview>, plan: RwSignal<Option<RetentionView>>) -> impl IntoView {
    let form = draft.read_untracked().form();
    let how = if form.keep_how.is_empty() { ALL.to_owned() } else { form.keep_how.clone() };
    let presets = PRESETS.into_iter().map(|(rule, title)| {
        let text = rule.parse::<Rule>().map(|rule| rule.in_words()).unwrap_or_default();
        view! { <Choice name="keep_how" value=rule checked=how == rule title text/> }
    });
    let presets = presets.collect_view();
    let numbers = form.keep_numbers().into_iter().zip(NUMBERS).map(|((_, field, number), label)| {
        view! { <Field label name=field value=number.to_owned() kind="number" error=fault(field, draft, preview)/> }
    });
    let numbers = numbers.collect_view();
    let words = move || draft.read().form().rule().ok().flatten().map(|rule| rule.in_words());
    let chosen = move || !draft.read().form().destination.is_empty();
    view! {
        <Choices legend="What is kept" error=fault("keep_how", draft, preview) id="keep">
            <Choice
                name="keep_how"
                value=ALL
                checked=how == ALL
                title="Every backup"
                text="Nothing is ever deleted: keep an eye on the free room of the destination."
            />
            {presets}
            <Choice
                name="keep_how"
                value=OWN
                checked=how == OWN
                title="By numbers of my own"
                text="A chain stays as long as any of the numbers wants it."
            />
        </Choices>
        <div class="keep-numbers stack">
            <div class="numbers">{numbers}</div>
            <p class="hint">
                "Days: everything that is younger. Newest chains: so many, however old. Daily, weekly, monthly, yearly: the newest chain of each of so many that have one, by the clocks of the schedule."
            </p>
            <p class="hint" aria-live="polite">{words}</p>
        </div>
        {move || match plan.get() {
            Some(view) => view! { <Plan view/> }.into_any(),
            None if chosen() => ().into_any(),
            None => {
                view! {
                    <Notice title="What this means for backups that are there already">
                        <p>"is shown here, and on the last step, once the destination is chosen."</p>
                    </Notice>
                }
                .into_any()
            }
        }}
    }
}
