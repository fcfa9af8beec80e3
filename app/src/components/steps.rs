//! The steps of a wizard.

use super::{Glyph, Icon};
use leptos::{either::EitherOf3, prelude::*};

/// How a step of a wizard stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepState {
    /// Not answered yet.
    Open,
    /// The one that is shown.
    Here,
    /// Answered.
    Done,
    /// Answered in a way that cannot stay.
    Wrong,
}

/// A step in the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepLine {
    /// Its name.
    pub title: String,
    /// Its answer, or what is wrong with it; empty for none.
    pub answer: String,
    /// How it stands.
    pub state: StepState,
    /// Its address, or what a form sends to go there; none while it cannot be reached.
    pub href: Option<String>,
}

/// The list of steps: each with its answer, or its error.
#[component]
pub fn Steps(
    /// The steps.
    steps: Vec<StepLine>,
    /// Identifier of the wizard's form, where going to a step sends it, with `href` as the field `step`: so what was typed
    /// is not lost without scripts either.
    #[prop(optional)]
    form: Option<&'static str>,
) -> impl IntoView {
    let lines = steps.into_iter().enumerate().map(|(i, step)| view! { <li><Line number=i + 1 step form/></li> });
    view! { <nav class="steps" aria-label="Steps"><ol>{lines.collect_view()}</ol></nav> }
}

#[component]
fn Line(number: usize, step: StepLine, form: Option<&'static str>) -> impl IntoView {
    let (class, told) = match step.state {
        StepState::Open => ("step", None),
        StepState::Here => ("step", None),
        StepState::Done => ("step done", Some("done")),
        StepState::Wrong => ("step wrong", Some("needs another answer")),
    };
    let sign = match step.state {
        StepState::Done => EitherOf3::A(view! { <Icon name=Glyph::Check/> }),
        StepState::Wrong => EitherOf3::B(view! { <Icon name=Glyph::Alert/> }),
        StepState::Open | StepState::Here => EitherOf3::C(number.to_string()),
    };
    let inside = view! {
        <span class="dot">{sign}</span>
        <span class="words">
            {step.title}
            {told.map(|told| view! { <span class="unseen">{format!(", {told}")}</span> })}
            {(!step.answer.is_empty()).then(|| view! { <small>{step.answer}</small> })}
        </span>
    };
    let here = (step.state == StepState::Here).then_some("step");
    match step.href {
        Some(value) if form.is_some() => {
            view! { <button class=class type="submit" form=form name="step" value=value aria-current=here>{inside}</button> }.into_any()
        }
        Some(href) => view! { <a class=class href=href aria-current=here>{inside}</a> }.into_any(),
        None => view! { <span class=class aria-current=here>{inside}</span> }.into_any(),
    }
}
