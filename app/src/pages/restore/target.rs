//! Where to: the server, and the new database's name.

use super::{Draft, Wrong, step::Step};
use crate::components::{Button, ButtonKind, Card, Check, Choice, Choices, Empty, Field, Glyph, Hidden, LinkButton, May};
use domain::{Dbms, Role, form::is_on};
use leptos::prelude::*;
use leptos_router::components::Form;

/// Which server, and under which name.
#[component]
pub(super) fn Target(draft: Draft) -> impl IntoView {
    if draft.preview.targets.is_empty() {
        return view! { <Nowhere draft/> }.into_any();
    }
    let errors = draft.errors(&["server", "name"]);
    let form = draft.form.clone();
    // The origin comes first where nothing was chosen yet.
    let usual = draft.preview.targets.iter().find(|(.., is_origin)| *is_origin).or(draft.preview.targets.first());
    let chosen = if form.server.is_empty() { usual.map(|(id, ..)| id.to_string()).unwrap_or_default() } else { form.server.clone() };
    let servers = draft.preview.targets.iter().map(|(id, name, is_origin)| {
        let id = id.to_string();
        let text = if *is_origin { "The backup came from here." } else { "Of the same kind as the one that it came from." };
        view! { <Choice name="server" checked=id == chosen value=id title=name.clone() text/> }
    });
    let servers = servers.collect_view();
    let name = if form.name.is_empty() { draft.preview.proposed_name.clone().unwrap_or_default() } else { form.name.clone() };
    let has_roles = draft.preview.dbms != Some(Dbms::Sqlite);
    let hint =
        if has_roles { "A name that no database of the server has." } else { "A file that is not there yet, below the server's folder." };
    let kept = vec![
        ("destination", form.destination.clone()),
        ("database", form.database.clone()),
        ("origin", form.origin.clone()),
        ("point", form.point.clone()),
        ("at", form.at.clone()),
    ];
    let back = Draft::to(if draft.is_sealed() { Step::Key } else { Step::Point }, &form);
    view! {
        <Card title="Target">
            <Form method="GET" action="/restore" attr:class="form">
                <Wrong errors/>
                <Hidden values=kept/>
                <Choices legend="Server" id="servers" error=draft.error("server")>{servers}</Choices>
                <Field label="Name of the new database" name="name" value=name error=draft.error("name") hint code=true/>
                {has_roles.then(|| view! { <Roles no_owner=is_on(&form.no_owner) create_roles=is_on(&form.create_roles)/> })}
                <div class="actions ways">
                    <LinkButton href=back icon=Glyph::Left>"Back"</LinkButton>
                    <Button kind=ButtonKind::Primary name="step" value=Step::Review.word()>"Continue"</Button>
                </div>
            </Form>
        </Card>
        <p class="dim">"A restore never replaces a database. To put this one in its place, rename the two once it is proven."</p>
    }
    .into_any()
}

#[component]
fn Roles(no_owner: bool, create_roles: bool) -> impl IntoView {
    view! {
        <fieldset class="field">
            <legend>"Owners and roles"</legend>
            <Check
                label="Make missing roles"
                name="create_roles"
                checked=create_roles
                hint="Roles that own something in the backup and are not on the server are made, without the right to log in."
            />
            <Check
                label="Leave owners and privileges out"
                name="no_owner"
                checked=no_owner
                hint="Everything belongs to the role that the console connects as."
            />
        </fieldset>
    }
}

/// No server could take it.
#[component]
fn Nowhere(draft: Draft) -> impl IntoView {
    let kind = draft.preview.dbms.map_or_else(|| "server of its kind".into(), |dbms| format!("{dbms} server"));
    let text = format!("The backup can be restored into a {kind}, and none is known here. Add one; you find this step again afterwards.");
    view! {
        <Card>
            <Empty
                title="No server can take it"
                text
                icon=Glyph::Server
                action=|| view! {
                    <May role=Role::Administrator>
                        <LinkButton href="/servers/new" kind=ButtonKind::Primary icon=Glyph::Plus>"Add server"</LinkButton>
                    </May>
                }
            />
        </Card>
    }
}
