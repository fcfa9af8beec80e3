//! The moment: a picture of time, and the exact list below it.

use super::{
    super::backups::{Picture, Span, kind_word},
    Draft, Wrong,
    moment::TimeLine,
    step::Step,
};
use crate::{
    address,
    components::{Card, Cell, Count, Glyph, Icon, Notice, Size, Table, Tag, VerifiedBadge, When, counted},
};
use domain::{
    Label, RestoreForm,
    view::{
        backup::{FolderLine, PointLine},
        restore::RestorePreview,
    },
};
use jiff::Timestamp;
use leptos::prelude::*;
use std::collections::HashMap;

/// Which restore point, newest first. Choosing one shows beside the list what would come of it.
#[component]
pub(super) fn Point(draft: Draft) -> impl IntoView {
    let span = Span::of_word(&address::query_value("span").get_untracked());
    let errors = draft.errors(&["at"]);
    let time_line = draft.point().and_then(|point| point.covers).map(|covered| view! { <TimeLine draft=draft.clone() covered/> });
    let only_points = !draft.preview.points.iter().any(|point| point.covers.is_some());
    let (now, chosen) = (draft.preview.now, draft.point().map(|point| (point.label, point.origin.clone())));
    let (origins, others) = (draft.has_several_origins(), others(&draft));
    let form = StoredValue::new(draft.form);
    let points = draft.preview.points;
    let begin = span.begins(now);
    let shown = points.iter().filter(|point| begin.is_none_or(|begin| point.at >= begin));
    let lines = shown.map(|point| {
        let is_chosen = chosen == Some((point.label, point.origin.clone()));
        view! { <Line point=point.clone() form span is_chosen origins now/> }
    });
    let lines = lines.collect::<Vec<_>>();
    let count = counted(lines.len() as u64, "restore point", "restore points");
    let whose: HashMap<_, _> = points.iter().rev().map(|point| (point.label, point.origin.clone().unwrap_or_default())).collect();
    let href = Callback::new(move |label: Label| {
        let origin = whose.get(&label).cloned().unwrap_or_default();
        chosen_is(&RestoreForm { origin, ..form.get_value() }, label, span)
    });
    let chosen = chosen.map(|(label, _)| label);
    let spans = Callback::new(move |span: Span| address::with_pairs(&Draft::to(Step::Point, &form.get_value()), [("span", span.word())]));
    view! {
        <Wrong errors/>
        {(origins && chosen.is_none()).then(|| view! {
            <Notice title="Several servers have a database of this name.">
                <p>"The column From tells which backup is whose. Choose one of the server that you mean."</p>
            </Notice>
        })}
        <Card flush=true><Picture points span chosen href spans now/></Card>
        {time_line}
        <Card title="Restore points" flush=true actions=move || view! { <span class="dim small">{count}</span> }>
            <Table label="Restore points">
                <thead>
                    <tr>
                        <th scope="col">"Moment"</th>
                        {origins.then(|| view! { <th scope="col">"From"</th> })}
                        <th scope="col">"Kind"</th>
                        <th scope="col" class="right">"Size"</th>
                        <th scope="col" class="right" class:minor=origins>"Rows"</th>
                        <th scope="col">"Verified"</th>
                    </tr>
                </thead>
                <tbody>{lines}</tbody>
            </Table>
        </Card>
        {others}
        {only_points.then(|| view! {
            <p class="dim">"These are all the moments there are: those in between need a chain that follows the server's stream of changes."</p>
        })}
    }
}

/// The way to the backups of other servers' databases of the same name, where only those of one server are listed.
fn others(draft: &Draft) -> Option<impl IntoView + use<>> {
    let RestorePreview { folders, .. } = &draft.preview;
    let origin = draft.form.origin.clone();
    let is_other = |folder: &FolderLine| folder.database == draft.form.database && folder.origin.as_ref() != Some(&origin);
    // Not all folders may be known here.
    let may_be_others = folders.total > folders.items.len() as u64 || folders.items.iter().any(is_other);
    (!origin.is_empty() && may_be_others && !draft.has_several_origins()).then(|| {
        let all = RestoreForm { origin: String::new(), point: String::new(), ..draft.form.clone() };
        view! {
            <p class="dim">
                {format!("Shown are the backups that came from {origin}. ")}
                <a class="link" href=Draft::to(Step::Point, &all)>"Show those of every server"</a>
            </p>
        }
    })
}

/// Address of this step with another choice.
fn chosen_is(form: &RestoreForm, label: Label, span: Span) -> String {
    let form = RestoreForm { point: label.to_string(), at: String::new(), ..form.clone() };
    address::with_pairs(&Draft::to(Step::Point, &form), [("span", span.word())])
}

#[component]
fn Line(point: PointLine, form: StoredValue<RestoreForm>, span: Span, is_chosen: bool, origins: bool, now: Timestamp) -> impl IntoView {
    // Which server a backup came from tells two of the same second apart.
    let form = RestoreForm { origin: point.origin.clone().unwrap_or_default(), ..form.get_value() };
    let glyph = if is_chosen { Glyph::Check } else { Glyph::Clock };
    let when = view! { <When at=point.at now/> };
    let moment = if point.fault.is_some() {
        view! { <span class="name off">{when}</span> }.into_any()
    } else {
        view! { <a class="name" href=chosen_is(&form, point.label, span) data-noscroll=""><Icon name=glyph/>{when}</a> }.into_any()
    };
    view! {
        <tr aria-current=is_chosen.then_some("true")>
            <Cell>
                {moment}
                {point.fault.map(|fault| view! { <p class="wrong"><Icon name=Glyph::Alert/>{fault}</p> })}
            </Cell>
            {origins.then(|| view! { <Cell label="From">{point.origin.unwrap_or_else(|| "not known".into())}</Cell> })}
            <Cell label="Kind">{kind_word(point.kind)} " " {point.sealed.then(|| view! { <Tag text="sealed" icon=Glyph::Lock/> })}</Cell>
            <Cell label="Size" right=true><Size bytes=point.size_bytes/></Cell>
            <Cell label="Rows" right=true minor=origins><Count of=point.rows/></Cell>
            <Cell label="Verified"><VerifiedBadge verified=point.verified/></Cell>
        </tr>
    }
}
