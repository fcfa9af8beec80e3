//! What will happen, beside every step: what was chosen so far, and at the end how the run goes about it.

use super::{Draft, step::Step};
use crate::{
    address,
    components::{Button, ButtonKind, Card, Fact, Facts, Glyph, LinkButton, Size, When, counted},
};
use domain::RestoreForm;
use leptos::prelude::*;
use leptos_router::components::Form;

/// On to the next step, with the moment that is chosen.
#[component]
fn Onwards(form: RestoreForm, next: Step) -> impl IntoView {
    let back = Draft::to(Step::Folder, &form);
    let kept = address::pairs(&form).into_iter().filter(|(_, value)| !value.is_empty());
    view! {
        <Form method="GET" action="/restore">
            {kept.map(|(name, value)| view! { <input type="hidden" name=name value=value/> }).collect_view()}
            <div class="actions ways">
                <LinkButton href=back icon=Glyph::Left>"Back"</LinkButton>
                <Button kind=ButtonKind::Primary name="step" value=next.word()>"Continue"</Button>
            </div>
        </Form>
    }
}

/// What the run does, in its order.
#[component]
fn Course() -> impl IntoView {
    view! {
        <ol class="course">
            <li>"The stored file is proven against its signature."</li>
            <li>"Everything is loaded under a name that nobody uses. If that fails or is stopped, nothing is left."</li>
            <li>"Every table is read back and compared with the backup."</li>
            <li>"Only if all are equal, the new database gets its name."</li>
        </ol>
    }
}

/// What was chosen so far, in words.
#[component]
pub(super) fn Aside(draft: Draft) -> impl IntoView {
    if draft.step == Step::Review {
        return view! { <aside><Card title="How it goes"><Course/></Card></aside> }.into_any();
    }
    let now = draft.preview.now;
    let from = draft.destination().map(String::from);
    let point = draft.point().cloned();
    let database = Some(draft.form.database.clone()).filter(|database| !database.is_empty());
    let into = draft.target().map(|(name, server)| (name.to_owned(), server.to_owned()));
    let onwards = (draft.step == Step::Point && point.is_some()).then(|| {
        let next = if draft.is_locked() { Step::Key } else { Step::Target };
        view! { <Onwards form=draft.form.clone() next/> }
    });
    if from.is_none() {
        let text = "Nothing yet: choose step by step. Until you press Restore on the last one, nothing is changed.";
        return view! { <aside><Card title="What will happen"><p class="dim">{text}</p></Card></aside> }.into_any();
    }
    view! {
        <aside>
            <Card title="What will happen">
                <Facts>
                    {from.map(|from| view! { <Fact label="From">{from}</Fact> })}
                    {database.map(|database| view! { <Fact label="Database"><code>{database}</code></Fact> })}
                    {point.map(|point| {
                        let rows = point.rows.map(|rows| format!(", {}", counted(rows, "row", "rows")));
                        view! {
                            <Fact label="Moment"><When at=point.at now/></Fact>
                            <Fact label="Backup"><Size bytes=point.size_bytes/>{rows}</Fact>
                        }
                    })}
                    {into.map(|(name, server)| view! { <Fact label="Into">{server}", new database "<code>{name}</code></Fact> })}
                </Facts>
                {onwards}
            </Card>
        </aside>
    }
    .into_any()
}
