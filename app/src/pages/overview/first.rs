//! The first start: nothing is there yet, and one button is enough to see how it works.

use crate::{
    api::overview::AddSample,
    components::{Button, ButtonKind, Card, Empty, Glyph, LinkButton, PageHead, may},
};
use domain::Role;
use leptos::prelude::*;

/// No server yet.
#[component]
pub fn FirstStart(
    /// The folder of sample databases, if there is one.
    sample: Option<String>,
    /// Adds it.
    add: ServerAction<AddSample>,
) -> impl IntoView {
    if !may(Role::Administrator) {
        let text = "An administrator has to add a server first. Then you see here whether everything on it is backed up.";
        return view! {
            <PageHead title="Nothing is backed up yet" window="Overview"/>
            <Card><Empty title="No servers yet" text icon=Glyph::Server/></Card>
        }
        .into_any();
    }
    let has_sample = sample.is_some();
    let text = if has_sample {
        "Add a database server: all its databases, and those to come, are backed up by one task. Or look around first with a folder of sample databases."
    } else {
        "Add a database server: all its databases, and those to come, are backed up by one task."
    };
    let kind = if has_sample { ButtonKind::Plain } else { ButtonKind::Primary };
    let action = move || {
        view! {
            {sample.map(|folder| {
                view! {
                    <ActionForm action=add>
                        <span title=folder>
                            <Button kind=ButtonKind::Primary icon=Glyph::Play busy=add.pending()>"Start with the sample databases"</Button>
                        </span>
                    </ActionForm>
                }
            })}
            <LinkButton href="/servers/new" icon=Glyph::Plus kind>"Add server"</LinkButton>
        }
    };
    view! {
        <PageHead title="Nothing is backed up yet" window="Overview">"Three steps: add a server, give it a task, see its first backup."</PageHead>
        <Card><Empty title="Which server shall be protected?" text icon=Glyph::Rookery action/></Card>
    }
    .into_any()
}
