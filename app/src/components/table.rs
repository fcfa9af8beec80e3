//! Tables: a line for each thing; on a phone, an entry for each thing.

use super::{Glyph, Icon};
use crate::address::with_pairs;
use leptos::prelude::*;

/// A table. Its children are a `<thead>` and a `<tbody>`, of [`Cell`]s.
#[component]
pub fn Table(
    /// What it lists, for those who listen.
    #[prop(into)]
    label: String,
    /// A class for the widths of its columns.
    #[prop(default = "")]
    class: &'static str,
    /// Head and body.
    children: Children,
) -> impl IntoView {
    view! { <div class="table"><table class=class aria-label=label>{children()}</table></div> }
}

/// A cell of a table's body.
#[component]
pub fn Cell(
    /// The column's title, shown before the value where the table has become a list of entries; empty for a value that
    /// needs no word, such as a name or a button.
    #[prop(default = "")]
    label: &'static str,
    /// Whether it holds numbers, which are aligned to the right.
    #[prop(optional)]
    right: bool,
    /// Whether the column goes first where room is short.
    #[prop(optional)]
    minor: bool,
    /// The value.
    children: Children,
) -> impl IntoView {
    view! { <td class:right=right class:minor=minor data-label=(!label.is_empty()).then_some(label)>{children()}</td> }
}

/// The head of a column by which the list can be sorted.
#[component]
pub fn SortHead(
    /// The column's title.
    label: &'static str,
    /// Its word in the address.
    key: &'static str,
    /// How the list is sorted: a column's word, with `-` in front for the other way round.
    #[prop(into)]
    sort: String,
    /// Address of the list with its filter, without the order.
    #[prop(into)]
    href: String,
    /// Whether the column holds numbers.
    #[prop(optional)]
    right: bool,
    /// Whether the column goes first where room is short.
    #[prop(optional)]
    minor: bool,
) -> impl IntoView {
    let (order, next, icon) = match sort.strip_prefix('-') {
        Some(column) if column == key => (Some("descending"), key.to_owned(), Some(Glyph::Down)),
        None if sort == key => (Some("ascending"), format!("-{key}"), Some(Glyph::Up)),
        _ => (None, key.to_owned(), None),
    };
    view! {
        <th scope="col" class:right=right class:minor=minor aria-sort=order>
            <a href=with_pairs(&href, [("sort", next)]) data-noscroll="">
                {label}
                {icon.map(|name| view! { <Icon name/> })}
            </a>
        </th>
    }
}

/// A field to filter a list with; it works with the key Enter and without scripts.
#[component]
pub fn Filter(
    /// Path of the list.
    #[prop(into)]
    action: String,
    /// What is filtered by now.
    #[prop(into)]
    value: String,
    /// What else the address says: names and values, such as the order.
    #[prop(optional)]
    keep: Vec<(&'static str, String)>,
    /// What can be typed.
    #[prop(default = "Part of a name, or a pattern")]
    hint: &'static str,
) -> impl IntoView {
    let kept = keep.into_iter().filter(|(_, value)| !value.is_empty());
    let kept = kept.map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect_view();
    view! {
        <leptos_router::components::Form method="GET" action=action noscroll=true attr:class="filter" attr:role="search">
            <Icon name=Glyph::Search/>
            <input type="search" name="filter" value=value placeholder="Filter" aria-label=hint title=hint autocomplete="off"/>
            {kept}
            <button class="unseen" type="submit">"Filter"</button>
        </leptos_router::components::Form>
    }
}

/// One of a few views of the same list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its word.
    pub word: String,
    /// Its address.
    pub href: String,
    /// Whether it is shown.
    pub here: bool,
}

/// A choice between a few views of the same list.
#[component]
pub fn Segments(
    /// What is chosen.
    #[prop(into)]
    label: String,
    /// The views.
    segments: Vec<Segment>,
) -> impl IntoView {
    let links = segments.into_iter().map(|segment| {
        view! { <a href=segment.href aria-current=segment.here.then_some("true") data-noscroll="">{segment.word}</a> }
    });
    view! { <nav class="segments" aria-label=label>{links.collect_view()}</nav> }
}
