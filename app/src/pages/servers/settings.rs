//! Manage Server, settings: how it is reached, and how to forget it.

use super::{
    form::{Begin, ServerFields},
    head::head,
};
use crate::{
    address::{param, typed},
    api::servers::{ChangeServer, Look, RemoveServer, server},
    components::{Card, Confirm, Faults, FormProblem, Hidden, may},
    loaded::loaded_page,
};
use domain::{Connection, Role, ServerForm, ServerId, size, view::server::ServerView};
use leptos::{html, prelude::*};

/// A server's settings.
#[component]
pub fn ServerSettings() -> impl IntoView {
    let id = param::<ServerId>("id");
    let (look, change, remove) = (ServerAction::<Look>::new(), ServerAction::<ChangeServer>::new(), ServerAction::<RemoveServer>::new());
    // Not loaded again by itself: what is being typed shall stay.
    let all = Resource::new_blocking(move || (id.get(), look.version().get()), |(id, _)| async move { server(id?).await });
    view! {
        <FormProblem faults=Faults::of(look.value())/>
        {loaded_page(all, move |view| {
            let top = head(&view, look);
            if !may(Role::Administrator) {
                return view! { {top} <Card><p>"Only administrators see and change how a server is reached."</p></Card> }.into_any();
            }
            view! { {top} {edit(&view, change)} {forget(&view, remove)} }.into_any()
        })}
    }
}

fn edit(view: &ServerView, change: ServerAction<ChangeServer>) -> impl IntoView + use<> {
    let element = NodeRef::<html::Form>::new();
    let faults = Faults::of(change.value());
    let (server, dbms) = (view.line.id, if is_sqlite(&view.connection) { "sqlite" } else { "postgresql" });
    let begin = Begin { form: typed(&form_of(view)), server: Some(server), has_password: view.has_password };
    let version = faults.version(view.version);
    view! {
        <Card title="How it is reached">
            <ActionForm action=change node_ref=element attr:class="form server-form" attr:data-dbms=dbms>
                <Hidden values=vec![("server", server.to_string())]/>
                <input type="hidden" name="version" value=version/>
                <ServerFields begin faults forget=Callback::new(move |()| change.clear()) pending=change.pending() element word="Save"/>
            </ActionForm>
        </Card>
    }
}

fn forget(view: &ServerView, remove: ServerAction<RemoveServer>) -> impl IntoView + use<> {
    let faults = Faults::of(remove.value());
    let (server, name) = (view.line.id, view.line.name.clone());
    let text =
        "The console forgets the server, its databases and the history of its rounds. Its backups stay where they are and can be restored.";
    view! {
        <ActionForm action=remove attr:class="stack">
            <FormProblem faults marked=true/>
            <Hidden values=vec![("server", server.to_string())]/>
            <Confirm title="Remove this server" text name error=faults.field("typed_name")/>
        </ActionForm>
    }
}

fn is_sqlite(connection: &Connection) -> bool {
    matches!(connection, Connection::Sqlite { .. })
}

/// The form as the stored server would fill it in; never with its password.
fn form_of(view: &ServerView) -> ServerForm {
    let shared = ServerForm {
        name: view.line.name.clone(),
        jobs: view.jobs.map(|jobs| jobs.to_string()).unwrap_or_default(),
        note: view.note.clone(),
        ..ServerForm::default()
    };
    match &view.connection {
        Connection::Sqlite { folder } => ServerForm { dbms: "sqlite".into(), folder: folder.display().to_string(), ..shared },
        Connection::Postgresql { host, port, user, maintenance_database, tls, root_certificate, .. } => ServerForm {
            dbms: "postgresql".into(),
            host: host.clone(),
            port: port.to_string(),
            user: user.clone(),
            tls: tls.as_str().into(),
            root_certificate: root_certificate.as_ref().map(|file| file.display().to_string()).unwrap_or_default(),
            maintenance_database: maintenance_database.clone(),
            most_held: view.most_held_bytes.map(size::exact).unwrap_or_default(),
            ..shared
        },
    }
}
