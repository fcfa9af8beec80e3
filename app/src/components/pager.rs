//! Pages of a long list.

use super::{Glyph, Icon};
use crate::address::with_pairs;
use domain::{display, view::Page};
use leptos::{either::Either, prelude::*};

/// Leads through the pages of a list; shows nothing but the count while everything fits on one.
#[component]
pub fn Pager(
    /// Number of the page that is shown, from 1.
    number: u64,
    /// How many items all pages have.
    total: u64,
    /// Most items on a page.
    size: u64,
    /// Address of the list with its filter, without the page's number.
    #[prop(into)]
    href: String,
    /// Word for one item.
    #[prop(default = "entry")]
    one: &'static str,
    /// Word for several.
    #[prop(default = "entries")]
    many: &'static str,
) -> impl IntoView {
    let pages = Page::<()> { items: vec![], total, number, size }.count();
    let first = (number.saturating_sub(1) * size + 1).min(total);
    let last = (number * size).min(total);
    let text = if pages > 1 {
        format!("{}–{} of {}", display::count(first), display::count(last), super::counted(total, one, many))
    } else {
        super::counted(total, one, many)
    };
    let to = move |page: u64| with_pairs(&href, [("page", page.to_string())]);
    let step = move |page: Option<u64>, icon, word: &'static str| match page {
        Some(page) => {
            Either::Left(view! { <a class="button" rel=word href=to(page) aria-label=format!("To page {page}")><Icon name=icon/></a> })
        }
        None => Either::Right(view! { <span class="button off" aria-hidden="true"><Icon name=icon/></span> }),
    };
    view! {
        <nav class="pager" aria-label="Pages">
            <span class="number">{text}</span>
            {(pages > 1)
                .then(move || {
                    view! {
                        <span class="actions">
                            {step((number > 1).then(|| number - 1), Glyph::Left, "prev")}
                            <span class="number">{format!("Page {number} of {pages}")}</span>
                            {step((number < pages).then_some(number + 1), Glyph::Right, "next")}
                        </span>
                    }
                })}
        </nav>
    }
}
