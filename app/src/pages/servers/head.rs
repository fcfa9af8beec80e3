//! The head of Manage Server: what it is, whether it is reached, and its tabs.

use crate::{
    api::servers::Look,
    components::{
        Badge, Button, ButtonKind, Glyph, Hidden, LinkButton, Manner, May, Notice, PageHead, Tab, Tabs, TallyBadge, Tone, When, counted,
    },
};
use domain::{
    Dbms, Role, display,
    view::server::{ServerLine, ServerView, Sighting},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// The head of every tab.
pub fn head(view: &ServerView, look: ServerAction<Look>) -> impl IntoView + use<> {
    let (line, told) = (&view.line, told(&view.line));
    let (server, name, tally, now, seen) = (line.id, line.name.clone(), line.tally, view.now, line.seen.clone());
    let page = format!("/servers/{server}");
    // Where there is no task yet, the page below asks for one.
    let kind = if line.tasks.is_empty() { ButtonKind::Plain } else { ButtonKind::Primary };
    let actions = {
        let page = page.clone();
        move || {
            view! {
                <May role=Role::Operator>
                    <ActionForm action=look>
                        <Hidden values=vec![("server", server.to_string())]/>
                        <Button icon=Glyph::Refresh busy=look.pending()>"Look again"</Button>
                    </ActionForm>
                </May>
                <May role=Role::Administrator>
                    <LinkButton href=format!("{page}/backup") icon=Glyph::Play>"One-time backup"</LinkButton>
                    <LinkButton href=format!("{page}/tasks/new") icon=Glyph::Plus kind>"Add server-wide backup task"</LinkButton>
                </May>
            }
        }
    };
    let has_slots = line.dbms == Dbms::Postgresql;
    let trouble = seen.as_ref().and_then(|seen| seen.error.clone());
    let settings = format!("{page}/settings");
    let mend = settings.clone();
    view! {
        <PageHead title=name crumbs=vec![("Servers".into(), "/servers".into())] badge=move || view! { <TallyBadge tally/> } actions>
            {told} " · " {seen.map(|seen| view! { <Seen seen now/> })}
        </PageHead>
        {trouble
            .map(|told| {
                view! {
                    <Notice tone=Tone::Bad title=told.sentence>
                        <p>{told.next_step} " " <a href=mend>"Go to its settings"</a></p>
                    </Notice>
                }
            })}
        <Tabs label="Server">
            <Tab href=page.clone()>"Server-wide backup"</Tab>
            <Tab href=format!("{page}/databases") count=tally.total()>"Databases"</Tab>
            <Tab href=format!("{page}/rounds")>"Rounds"</Tab>
            {has_slots.then(|| view! { <Tab href=format!("{page}/slots")>"Slots"</Tab> })}
            <May role=Role::Administrator><Tab href=settings>"Settings"</Tab></May>
        </Tabs>
    }
}

/// What it is, in a line.
fn told(line: &ServerLine) -> String {
    let version = line.seen.as_ref().and_then(|seen| seen.version.as_deref()).map(|version| format!(" {version}")).unwrap_or_default();
    let holds = counted(line.tally.total(), "database", "databases");
    format!("{}{version} at {} · {holds} · {}", line.dbms, line.address, display::size(line.size_bytes))
}

#[component]
fn Seen(seen: Sighting, now: Timestamp) -> impl IntoView {
    let (tone, text) = if seen.error.is_none() { (Tone::Good, "Reached") } else { (Tone::Bad, "Not reached") };
    view! { <span class="together"><Badge tone text icon=Glyph::Plug/> " " <When at=seen.at now manner=Manner::Relative/></span> }
}
