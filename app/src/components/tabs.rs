//! Views of one thing, each with its own address.

use leptos::prelude::*;
use leptos_router::hooks::use_location;

/// A row of tabs.
#[component]
pub fn Tabs(
    /// What they are views of.
    #[prop(into)]
    label: String,
    /// The [`Tab`]s.
    children: Children,
) -> impl IntoView {
    view! { <nav class="tabs" aria-label=label>{children()}</nav> }
}

/// One tab; it knows by itself whether it is shown.
#[component]
pub fn Tab(
    /// Its address.
    #[prop(into)]
    href: String,
    /// How many things are there.
    #[prop(optional, into)]
    count: Option<u64>,
    /// Its word.
    children: Children,
) -> impl IntoView {
    let path = use_location().pathname;
    let here = {
        let href = href.clone();
        move || path.with(|path| *path == href).then_some("page")
    };
    view! {
        <a href=href aria-current=here>
            {children()}
            {count.map(|count| view! { <span class="dim number">{domain::display::count(count)}</span> })}
        </a>
    }
}
