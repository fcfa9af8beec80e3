//! A part of a page.

use super::{Glyph, Icon};
use leptos::{prelude::*, text_prop::TextProp};

/// A part of a page, with a title and what can be done with it.
#[component]
pub fn Card(
    /// Its title; none for one that needs no words.
    #[prop(optional, into)]
    title: Option<TextProp>,
    /// A sign before the title.
    #[prop(optional, into)]
    icon: Option<Glyph>,
    /// Where the title leads.
    #[prop(optional, into)]
    href: Option<String>,
    /// What stands beside the title: badges, buttons.
    #[prop(optional, into)]
    actions: Option<ViewFnOnce>,
    /// Whether the contents reach its edges, as tables do.
    #[prop(optional)]
    flush: bool,
    /// Its contents.
    children: Children,
) -> impl IntoView {
    let title = title.map(|title| {
        let words = move || title.get();
        let words = match href {
            Some(href) => view! { <a href=href>{words}</a> }.into_any(),
            None => words.into_any(),
        };
        view! { <h2>{icon.map(|name| view! { <Icon name/> })}{words}</h2> }
    });
    let head = (title.is_some() || actions.is_some()).then(|| {
        view! {
            <header>
                {title}
                {actions.map(|actions| view! { <div class="actions">{actions.run()}</div> })}
            </header>
        }
    });
    view! {
        <section class="card">
            {head}
            <div class=if flush { "flush" } else { "body" }>{children()}</div>
        </section>
    }
}
