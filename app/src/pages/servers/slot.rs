//! One replication slot, about to be dropped.

use super::slots::{Owner, State};
use crate::{
    address::{name_param, param},
    api::{
        Failure,
        servers::{DropSlot, server, slots},
    },
    components::{Button, ButtonKind, Card, Fact, Facts, Faults, Field, FormProblem, Glyph, Hidden, LinkButton, PageHead, Size, When, may},
    loaded::loaded_page,
};
use domain::{
    Code, Error, Role, ServerId,
    view::{server::ServerView, slot::SlotLine},
};
use jiff::Timestamp;
use leptos::prelude::*;

/// Says what is lost, and asks for the database's name.
#[component]
pub fn SlotPage() -> impl IntoView {
    let (id, name) = (param::<ServerId>("id"), name_param("slot"));
    let drop = ServerAction::<DropSlot>::new();
    let found = Resource::new_blocking(
        move || (id.get(), name.get()),
        |(id, name)| async move {
            let id = id?;
            let (server, view) = (server(id).await?, slots(id).await?);
            if let Some(told) = view.error {
                return Err(Failure(told));
            }
            let slot = view.slots.into_iter().find(|slot| slot.name == name).ok_or_else(|| {
                Failure::from(Error::new(Code::NotFound, "There is no such replication slot any more.", "Go back to the server's slots."))
            })?;
            Ok::<_, Failure>((server, slot, view.now))
        },
    );
    loaded_page(found, move |(server, slot, now): (ServerView, SlotLine, Timestamp)| {
        let (page, database) = (format!("/servers/{}", server.line.id), slot.database.clone());
        let crumbs = vec![
            ("Servers".into(), "/servers".into()),
            (server.line.name.clone(), page.clone()),
            ("Slots".into(), format!("{page}/slots")),
        ];
        let name = slot.name.clone();
        let form = match slot.kept_because() {
            _ if !may(Role::Administrator) => view! { <p>"Only administrators drop slots."</p> }.into_any(),
            Some(reason) => view! { <p>{reason}</p> }.into_any(),
            None => view! { <Form id=server.line.id line=slot.clone() back=format!("{page}/slots") drop/> }.into_any(),
        };
        view! {
            <PageHead title=format!("Drop the slot of {database}") crumbs><p><code>{name}</code></p></PageHead>
            <Card>
                <div class="stack">
                    <Facts>
                        <Fact label="Kept for"><Owner owner=slot.owner/></Fact>
                        <Fact label="Log kept"><Size bytes=slot.held_bytes/></Fact>
                        <Fact label="State"><State state=slot.state/></Fact>
                        <Fact label="Last read"><When at=slot.last_read now none="not known"/></Fact>
                    </Facts>
                    {form}
                </div>
            </Card>
        }
    })
}

#[component]
fn Form(id: ServerId, line: SlotLine, back: String, drop: ServerAction<DropSlot>) -> impl IntoView {
    let faults = Faults::of(drop.value());
    let text = format!(
        "The server forgets what has changed in {} since its last backup, and frees the log. Its backups stay. No incremental can go on from them: the next backup is a full one.",
        line.database
    );
    view! {
        <ActionForm action=drop attr:class="form">
            <FormProblem faults marked=true/>
            <Hidden values=vec![("server", id.to_string()), ("slot", line.name)]/>
            <p>{text}</p>
            <Field label="Type the database's name to confirm" name="typed_name" placeholder=line.database error=faults.field("typed_name")/>
            <div class="actions">
                <LinkButton href=back>"Cancel"</LinkButton>
                <Button kind=ButtonKind::Danger icon=Glyph::Trash busy=drop.pending()>"Drop it"</Button>
            </div>
        </ActionForm>
    }
}
