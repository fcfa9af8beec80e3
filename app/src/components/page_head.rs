//! The head of a page: where it is, its answer, and the one thing to do.

use leptos::{prelude::*, text_prop::TextProp};
use leptos_meta::Title;

/// The head of a page. Its first line is an answer where the page has one.
#[component]
pub fn PageHead(
    /// The answer, or the name of what is shown.
    #[prop(into)]
    title: TextProp,
    /// Title of the window, where it should be another one.
    #[prop(optional, into)]
    window: Option<TextProp>,
    /// The way here: words and addresses, from the top.
    #[prop(optional)]
    crumbs: Vec<(String, String)>,
    /// What stands right behind the title: badges.
    #[prop(optional, into)]
    badge: Option<ViewFnOnce>,
    /// What can be done: buttons, the primary one last.
    #[prop(optional, into)]
    actions: Option<ViewFnOnce>,
    /// A line below the title.
    #[prop(optional)]
    children: Option<Children>,
) -> impl IntoView {
    let crumbs = (!crumbs.is_empty()).then(|| {
        let crumbs = crumbs.into_iter().map(|(word, href)| view! { <li><a href=href>{word}</a></li> }).collect_view();
        view! { <nav class="crumbs" aria-label="Where this is"><ol>{crumbs}</ol></nav> }
    });
    let window = window.unwrap_or_else(|| title.clone());
    view! {
        <Title text=move || window.get()/>
        <header class="page-head">
            <div>
                {crumbs}
                <div class="page-title">
                    <h1>{move || title.get()}</h1>
                    {badge.map(|badge| badge.run())}
                </div>
                {children.map(|children| view! { <div class="lede">{children()}</div> })}
            </div>
            {actions.map(|actions| view! { <div class="actions">{actions.run()}</div> })}
        </header>
    }
}
