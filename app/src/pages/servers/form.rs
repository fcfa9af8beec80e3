//! How a server is reached: the fields, for a new one and for one that is known.

use super::probe::Probed;
use crate::{
    api::servers::ProbeServer,
    components::{Button, ButtonKind, Choice, Choices, Faults, Field, FormProblem, Glyph, Select, TextArea},
};
use domain::{Dbms, ServerForm, ServerId, server::MOST_HELD_BYTES, size};
use leptos::{form::FromFormData, html, prelude::*};

/// How TLS may be used: value and words.
const TLS: [(&str, &str); 5] = [
    ("prefer", "If the server offers it, without checking its certificate"),
    ("require", "Always, without checking its certificate"),
    ("verify-ca", "Always, with a certificate from a trusted authority"),
    ("verify-full", "Always, with a trusted certificate that names the host"),
    ("disable", "Never"),
];

/// What a form begins with.
#[derive(Clone)]
pub struct Begin {
    /// The values.
    pub form: ServerForm,
    /// The server, if it is known already.
    pub server: Option<ServerId>,
    /// Whether its password is stored.
    pub has_password: bool,
}

/// The fields, what went wrong, and the buttons. Stands inside of an `ActionForm`.
#[component]
pub fn ServerFields(
    /// What it begins with.
    begin: Begin,
    /// What was wrong when it was sent last.
    faults: Faults,
    /// Forgets that, when something else is tried.
    forget: Callback<()>,
    /// Whether it is being sent.
    #[prop(into)]
    pending: Signal<bool>,
    /// The element of the form, for the test.
    element: NodeRef<html::Form>,
    /// The word of the button that sends it.
    word: &'static str,
) -> impl IntoView {
    let probe = ServerAction::<ProbeServer>::new();
    let all = faults.or(Faults::of(probe.value()));
    let test = move |_| {
        forget.run(());
        // What cannot be read as the form of a test could not be sent either.
        if let Some(Ok(tried)) = element
            .get_untracked()
            .and_then(|form| Some(ProbeServer::from_form_data(&leptos::web_sys::FormData::new_with_form(&form).ok()?)))
        {
            probe.dispatch(tried);
        }
    };
    Effect::new(move |_| {
        if pending.get() {
            probe.clear();
        }
    });
    let Begin { form, server, has_password } = begin;
    let name_hint = match server {
        Some(_) => {
            "How it is called here and in the folders of its backups. By another name, the next backup of each of its databases is a full one."
        }
        None => "How it is called here and in the folders of its backups.",
    };
    let more = ["root_certificate", "maintenance_database", "most_held", "jobs", "note"].map(|name| all.field(name));
    view! {
        <FormProblem faults=all marked=true/>
        <Field label="Name" name="name" value=form.name.clone() error=all.field("name") hint=name_hint placeholder="orders-prod"/>
        <Kind form=form.clone() known=server.is_some() all/>
        <div class="stack for-sqlite">
            <Field label="Folder" name="folder" value=form.folder.clone() error=all.field("folder") code=true placeholder="/srv/apps"
                hint="A folder on the console's machine. Every SQLite database in it is backed up, whatever its file is called."/>
        </div>
        <div class="stack for-postgresql"><Postgresql form=form.clone() has_password all/></div>
        <details class="further" open=move || more.iter().any(|error| error.read().is_some())>
            <summary>"More settings"</summary>
            <div class="stack"><More form all/></div>
        </details>
        <Probed probe/>
        <div class="actions">
            <Button kind=ButtonKind::Primary busy=pending>{word}</Button>
            <span class="scripted">
                <Button action="button" icon=Glyph::Plug busy=probe.pending() on:click=test>"Test connection"</Button>
            </span>
            <span class="dim small">{move || probe.pending().get().then_some("Trying to connect…")}</span>
        </div>
    }
}

/// PostgreSQL or SQLite; a server that is known stays what it is.
#[component]
fn Kind(form: ServerForm, known: bool, all: Faults) -> impl IntoView {
    if known {
        return view! { <input type="hidden" name="dbms" value=form.dbms/> }.into_any();
    }
    let is_sqlite = form.dbms == "sqlite";
    view! {
        <Choices legend="Kind" id="dbms" error=all.field("dbms")>
            <Choice name="dbms" value="postgresql" checked=!is_sqlite title=Dbms::Postgresql.to_string() text="A server, version 12 or newer, over the network or a socket."/>
            <Choice name="dbms" value="sqlite" checked=is_sqlite title=Dbms::Sqlite.to_string() text="A folder of database files on the console's machine."/>
        </Choices>
    }
    .into_any()
}

#[component]
fn Postgresql(form: ServerForm, has_password: bool, all: Faults) -> impl IntoView {
    let (stored, empty) = if has_password {
        ("One is stored. Leave this empty to keep it.", "••••••••")
    } else {
        ("Kept sealed, and never shown again. Leave it empty if the server asks for none.", "")
    };
    let tls = if form.tls.is_empty() { "prefer".into() } else { form.tls };
    view! {
        <div class="pair wide">
            <Field label="Host" name="host" value=form.host error=all.field("host") code=true placeholder="db.example" hint="Name, address, or the folder of its socket."/>
            <Field label="Port" name="port" value=form.port error=all.field("port") code=true placeholder="5432"/>
        </div>
        <div class="pair">
            <Field label="User" name="user" value=form.user error=all.field("user") code=true placeholder="postgres"/>
            <Field label="Password" name="password" kind="password" error=all.field("password") autocomplete="new-password" placeholder=empty hint=stored/>
        </div>
        <Select label="TLS" name="tls" value=tls error=all.field("tls") options=TLS.map(|(value, word)| (value.to_owned(), word.to_owned())).into()/>
    }
}

#[component]
fn More(form: ServerForm, all: Faults) -> impl IntoView {
    view! {
        <div class="stack for-postgresql">
            <Field label="Trusted authorities" name="root_certificate" value=form.root_certificate error=all.field("root_certificate") optional=true code=true
                placeholder="/etc/ssl/company-ca.pem" hint="A PEM file on the console's machine, instead of the machine's own authorities."/>
            <Field label="Maintenance database" name="maintenance_database" value=form.maintenance_database error=all.field("maintenance_database") optional=true
                code=true placeholder="postgres" hint="Where questions about the whole server are asked."/>
            <Field label="Log kept for each database" name="most_held" value=form.most_held error=all.field("most_held") optional=true
                placeholder=size::exact(MOST_HELD_BYTES) hint="The most that the server may keep in a replication slot until the next incremental has read it. What keeps more is dropped, and the next backup is a full one."/>
        </div>
        <Field label="Runs at once" name="jobs" value=form.jobs error=all.field("jobs") optional=true placeholder="half of the console's processors"
            hint="How many of its databases are backed up at the same time, from 1 to 64."/>
        <TextArea label="Note" name="note" value=form.note error=all.field("note") optional=true placeholder="Whom to call, what it is for"/>
    }
}
