//! Fields of forms: label, hint and error belong to the field for those who listen, too.

use super::{Glyph, Icon};
use leptos::prelude::*;

/// What describes a field: identifiers of its hint and its error.
fn described(id: &str, hint: bool, error: Signal<Option<String>>) -> impl Fn() -> Option<String> + Send + 'static + use<> {
    let id = id.to_owned();
    move || {
        let error = error.read().is_some().then(|| format!("{id}-error"));
        let hint = hint.then(|| format!("{id}-hint"));
        let ids: Vec<_> = [error, hint].into_iter().flatten().collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }
}

fn invalid(error: Signal<Option<String>>) -> impl Fn() -> Option<&'static str> + Send + 'static {
    move || error.read().is_some().then_some("true")
}

/// Label above, error and hint below.
#[component]
fn Around(
    id: String,
    label: String,
    optional: bool,
    hint: Option<String>,
    error: Signal<Option<String>>,
    children: Children,
) -> impl IntoView {
    view! {
        <div class="field">
            <label for=id.clone()>{label}{optional.then(|| view! { <span class="dim">" optional"</span> })}</label>
            {children()}
            <Wrong id=id.clone() error/>
            {hint.map(|hint| view! { <p class="hint" id=format!("{id}-hint")>{hint}</p> })}
        </div>
    }
}

#[component]
fn Wrong(id: String, error: Signal<Option<String>>) -> impl IntoView {
    move || error.get().map(|error| view! { <p class="wrong" id=format!("{id}-error")><Icon name=Glyph::Alert/>{error}</p> })
}

/// A line of text.
#[component]
pub fn Field(
    /// What it asks for.
    #[prop(into)]
    label: String,
    /// Its name in the form.
    name: &'static str,
    /// What it holds at first.
    #[prop(optional, into)]
    value: String,
    /// What is wrong with it.
    #[prop(optional, into)]
    error: Signal<Option<String>>,
    /// What helps to fill it in, a sentence.
    #[prop(optional, into)]
    hint: Option<String>,
    /// `text`, `password`, `number`, …
    #[prop(default = "text")]
    kind: &'static str,
    /// What it would look like, or what is used where it stays empty.
    #[prop(optional, into)]
    placeholder: Option<String>,
    /// What the browser may fill in; nothing unless told.
    #[prop(default = "off")]
    autocomplete: &'static str,
    /// Whether it may stay empty.
    #[prop(optional)]
    optional: bool,
    /// Whether it holds a path or code.
    #[prop(optional)]
    code: bool,
    /// Identifier of a list of proposals.
    #[prop(optional)]
    list: Option<&'static str>,
    /// Its identifier, where its name is there twice.
    #[prop(optional, into)]
    id: Option<String>,
) -> impl IntoView {
    let id = id.unwrap_or_else(|| name.into());
    let describedby = described(&id, hint.is_some(), error);
    view! {
        <Around id=id.clone() label optional hint error>
            <input
                class:code=code
                type=kind
                id=id
                name=name
                value=value
                placeholder=placeholder
                autocomplete=autocomplete
                list=list
                spellcheck="false"
                aria-invalid=invalid(error)
                aria-describedby=describedby
            />
        </Around>
    }
}

/// Several lines of text.
#[component]
pub fn TextArea(
    /// What it asks for.
    #[prop(into)]
    label: String,
    /// Its name in the form.
    name: &'static str,
    /// What it holds at first.
    #[prop(optional, into)]
    value: String,
    /// What is wrong with it.
    #[prop(optional, into)]
    error: Signal<Option<String>>,
    /// What helps to fill it in, a sentence.
    #[prop(optional, into)]
    hint: Option<String>,
    /// What it would look like.
    #[prop(optional, into)]
    placeholder: Option<String>,
    /// Lines that are seen at once.
    #[prop(default = 3)]
    rows: u32,
    /// Whether it may stay empty.
    #[prop(optional)]
    optional: bool,
    /// Whether it holds names or code.
    #[prop(optional)]
    code: bool,
    /// Its identifier, where its name is there twice.
    #[prop(optional, into)]
    id: Option<String>,
) -> impl IntoView {
    let id = id.unwrap_or_else(|| name.into());
    let describedby = described(&id, hint.is_some(), error);
    view! {
        <Around id=id.clone() label optional hint error>
            <textarea
                class:code=code
                id=id
                name=name
                rows=rows.to_string()
                placeholder=placeholder
                spellcheck="false"
                aria-invalid=invalid(error)
                aria-describedby=describedby
            >
                {value}
            </textarea>
        </Around>
    }
}

/// One of several words.
#[component]
pub fn Select(
    /// What it asks for.
    #[prop(into)]
    label: String,
    /// Its name in the form.
    name: &'static str,
    /// What is chosen at first.
    #[prop(optional, into)]
    value: String,
    /// What can be chosen: value and word.
    options: Vec<(String, String)>,
    /// What is wrong with it.
    #[prop(optional, into)]
    error: Signal<Option<String>>,
    /// What helps to choose, a sentence.
    #[prop(optional, into)]
    hint: Option<String>,
    /// Its identifier, where its name is there twice.
    #[prop(optional, into)]
    id: Option<String>,
) -> impl IntoView {
    let id = id.unwrap_or_else(|| name.into());
    let describedby = described(&id, hint.is_some(), error);
    let options = options
        .into_iter()
        .map(|(option, word)| {
            let selected = option == value;
            view! { <option value=option selected=selected>{word}</option> }
        })
        .collect_view();
    view! {
        <Around id=id.clone() label optional=false hint error>
            <select id=id name=name aria-invalid=invalid(error) aria-describedby=describedby>
                {options}
            </select>
        </Around>
    }
}

/// Yes or no; sends `on` for yes, and nothing for no.
#[component]
pub fn Check(
    /// What is said yes to.
    #[prop(into)]
    label: String,
    /// Its name in the form.
    name: &'static str,
    /// Whether it is yes at first.
    checked: bool,
    /// What that means, a sentence.
    #[prop(optional, into)]
    hint: Option<String>,
    /// Its identifier, where its name is there twice.
    #[prop(optional, into)]
    id: Option<String>,
) -> impl IntoView {
    let id = id.unwrap_or_else(|| name.into());
    let describedby = described(&id, hint.is_some(), Signal::stored(None));
    view! {
        <div class="check">
            <input type="checkbox" id=id.clone() name=name value="on" checked=checked aria-describedby=describedby/>
            <label for=id.clone()>{label}</label>
            {hint.map(|hint| view! { <p class="hint" id=format!("{id}-hint")>{hint}</p> })}
        </div>
    }
}

/// A group of [`Choice`]s, of which one is made.
#[component]
pub fn Choices(
    /// What is chosen.
    #[prop(into)]
    legend: String,
    /// Whether the choices are single words in a row, and not cards.
    #[prop(optional)]
    row: bool,
    /// What is wrong with the choice.
    #[prop(optional, into)]
    error: Signal<Option<String>>,
    /// Identifier of the group, for its error.
    #[prop(default = "choices")]
    id: &'static str,
    /// The choices.
    children: Children,
) -> impl IntoView {
    view! {
        <fieldset class="field" id=id aria-describedby=described(id, false, error)>
            <legend>{legend}</legend>
            <div class=if row { "choices row" } else { "choices" }>{children()}</div>
            <Wrong id=id.into() error/>
        </fieldset>
    }
}

/// One choice.
#[component]
pub fn Choice(
    /// The field's name in the form.
    name: &'static str,
    /// What is sent if this one is made.
    #[prop(into)]
    value: String,
    /// Whether it is made at first.
    checked: bool,
    /// Its word.
    #[prop(into)]
    title: String,
    /// What it means, a sentence; or why it cannot be made.
    #[prop(optional, into)]
    text: Option<String>,
    /// Whether it cannot be made; `text` says why.
    #[prop(optional)]
    disabled: bool,
    /// More that belongs to it.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    view! {
        <label class="choice" class:off=disabled>
            <input type="radio" name=name value=value checked=checked disabled=disabled/>
            <span>
                <span class="word">{title}</span>
                {text.map(|text| view! { <small>{text}</small> })}
                {children.map(|children| children())}
            </span>
        </label>
    }
}
