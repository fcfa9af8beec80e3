//! What forms have in common.

use super::{Button, ButtonKind, Notice, Problem, Tone, counted};
use crate::api::Failure;
use domain::{Code, FieldError, Told};
use leptos::prelude::*;

/// What went wrong with the form that was sent last, if anything did.
#[derive(Clone, Copy)]
pub struct Faults(Signal<Option<Told>>);

impl Faults {
    /// Those of an action's last answer: `Faults::of(action.value())`.
    pub fn of<T: Send + Sync + 'static>(answer: impl Into<Signal<Option<Result<T, Failure>>>>) -> Self {
        let answer = answer.into();
        Self(Signal::derive(move || answer.with(|answer| Some(answer.as_ref()?.as_ref().err()?.0.clone()))))
    }

    /// What is wrong with one field.
    #[must_use]
    pub fn field(self, name: &'static str) -> Signal<Option<String>> {
        Signal::derive(move || self.0.with(|told| Some(told.as_ref()?.field(name)?.to_owned())))
    }

    /// Everything that is told.
    #[must_use]
    pub fn told(self) -> Signal<Option<Told>> {
        self.0
    }

    /// These, or if there are none, others.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self(Signal::derive(move || self.0.get().or_else(|| other.0.get())))
    }

    /// Number of the edit that a form is sent with: the one that it was begun from, or the newest after the console has told
    /// what somebody else changed since.
    #[must_use]
    pub fn version(self, begun: i64) -> Signal<String> {
        let newest = self.field("version");
        Signal::derive(move || newest.get().unwrap_or_else(|| begun.to_string()))
    }

    /// Whether somebody else changed meanwhile what the form changes.
    #[must_use]
    pub fn conflict(self) -> bool {
        self.0.with(|told| told.as_ref().is_some_and(|told| told.code == Code::Conflict))
    }
}

/// What went wrong with a form as a whole, above its fields.
#[component]
pub fn FormProblem(
    /// What went wrong.
    faults: Faults,
    /// Whether each of its fields tells itself what is wrong with it, so that it is not said twice.
    #[prop(optional)]
    marked: bool,
) -> impl IntoView {
    move || {
        faults.told().get().map(|told| match (told.code, told.fields.len()) {
            (Code::Conflict, _) => view! { <Notice tone=Tone::Warn title=told.sentence><p>{told.next_step}</p></Notice> }.into_any(),
            (_, number @ 1..) if marked => {
                let title = counted(number as u64, "field needs another value.", "fields need another value.");
                view! { <Notice tone=Tone::Bad title/> }.into_any()
            }
            _ => view! { <Problem told/> }.into_any(),
        })
    }
}

/// Values that a form carries along.
#[component]
pub fn Hidden(
    /// Names and values.
    values: Vec<(&'static str, String)>,
) -> impl IntoView {
    values.into_iter().map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect_view()
}

/// Two people changed the same thing: both values, and the two ways on. Stands inside of the form, which carries the number
/// of the edit that it was begun from as `version`; the button sends the newest one instead.
#[component]
pub fn Conflict(
    /// Number of the newest edit.
    version: i64,
    /// What differs: the field's label, what is stored now, what was typed.
    differences: Vec<(String, String, String)>,
    /// Where the form is begun anew from what is stored.
    #[prop(into)]
    again: String,
) -> impl IntoView {
    let lines = differences
        .into_iter()
        .map(|(label, theirs, mine)| {
            view! {
                <tr>
                    <th scope="row">{label}</th>
                    <super::Cell label="Stored now">{theirs}</super::Cell>
                    <super::Cell label="Yours">{mine}</super::Cell>
                </tr>
            }
        })
        .collect_view();
    view! {
        <Notice tone=Tone::Warn title="Somebody else changed this while you did.">
            <super::Table label="What differs">
                <thead><tr><th scope="col">"Field"</th><th scope="col">"Stored now"</th><th scope="col">"Yours"</th></tr></thead>
                <tbody>{lines}</tbody>
            </super::Table>
            <div class="actions">
                <Button kind=ButtonKind::Primary name="version" value=version.to_string()>"Keep mine"</Button>
                <super::LinkButton href=again>"Take what is stored"</super::LinkButton>
            </div>
        </Notice>
    }
}

/// What is wrong with one field, from a list.
impl From<&[FieldError]> for Faults {
    fn from(errors: &[FieldError]) -> Self {
        let told = (!errors.is_empty()).then(|| domain::Error::invalid(errors.to_vec()).told().clone());
        Self(Signal::stored(told))
    }
}
