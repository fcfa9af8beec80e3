//! What is pressed.

use super::{Glyph, Icon};
use leptos::prelude::*;

/// How much a button asks for attention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ButtonKind {
    /// The one thing to do on the page.
    Primary,
    /// Any other thing to do.
    #[default]
    Plain,
    /// A thing beside, in a row of others.
    Ghost,
    /// What loses something.
    Danger,
}

impl ButtonKind {
    fn class(self) -> &'static str {
        match self {
            Self::Primary => "button primary",
            Self::Plain => "button",
            Self::Ghost => "button ghost",
            Self::Danger => "button danger",
        }
    }
}

/// A button of a form; it submits unless told otherwise.
#[component]
pub fn Button(
    /// How much it asks for attention.
    #[prop(optional)]
    kind: ButtonKind,
    /// A sign before its word.
    #[prop(optional, into)]
    icon: Option<Glyph>,
    /// `submit`, or `button` for one that only scripts hear.
    #[prop(default = "submit")]
    action: &'static str,
    /// Name of the field that it sets when it submits.
    #[prop(optional)]
    name: Option<&'static str>,
    /// That field's value.
    #[prop(optional, into)]
    value: Option<String>,
    /// Another address for the form than its own.
    #[prop(optional, into)]
    formaction: Option<String>,
    /// Identifier of its form, where it does not stand inside of it.
    #[prop(optional, into)]
    form: Option<String>,
    /// Why it cannot be pressed now, a sentence; it can be pressed if there is none.
    #[prop(optional, into)]
    reason: Signal<Option<String>>,
    /// Whether what it started is still under way.
    #[prop(optional, into)]
    busy: Signal<bool>,
    /// What it says to those who listen, where its word alone would be the same as that of others.
    #[prop(optional, into)]
    label: Option<String>,
    /// Its word.
    children: Children,
) -> impl IntoView {
    view! {
        <button
            type=action
            class=kind.class()
            name=name
            value=value
            formaction=formaction
            form=form
            aria-label=label
            disabled=move || reason.read().is_some()
            title=move || reason.get()
            aria-busy=move || busy.get().then_some("true")
        >
            {icon.map(|name| view! { <Icon name/> })}
            {children()}
            <span class="unseen">{move || reason.get()}</span>
        </button>
    }
}

/// A link that looks like a button: it goes somewhere and changes nothing.
#[component]
pub fn LinkButton(
    /// Where it goes.
    #[prop(into)]
    href: String,
    /// How much it asks for attention.
    #[prop(optional)]
    kind: ButtonKind,
    /// A sign before its word.
    #[prop(optional, into)]
    icon: Option<Glyph>,
    /// Its word.
    children: Children,
) -> impl IntoView {
    view! {
        <a class=kind.class() href=href>
            {icon.map(|name| view! { <Icon name/> })}
            {children()}
        </a>
    }
}
