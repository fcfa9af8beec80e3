//! A new server.

use super::form::{Begin, ServerFields};
use crate::{
    address::query,
    api::servers::AddServer,
    components::{Card, Faults, PageHead},
};
use domain::ServerForm;
use leptos::{html, prelude::*};

/// Adds a server.
#[component]
pub fn ServerNew() -> impl IntoView {
    let add = ServerAction::<AddServer>::new();
    let element = NodeRef::<html::Form>::new();
    // What was typed comes back in the address when the form was refused without scripts.
    let begin = Begin { form: query::<ServerForm>().get_untracked(), server: None, has_password: false };
    view! {
        <PageHead title="Which server shall be protected?" window="New server" crumbs=vec![("Servers".into(), "/servers".into())]>
            "Its databases are found by themselves, today's and tomorrow's. A backup only reads."
        </PageHead>
        <div class="split">
            <Card>
                <ActionForm action=add node_ref=element attr:class="form server-form">
                    <ServerFields begin faults=Faults::of(add.value()) forget=Callback::new(move |()| add.clear()) pending=add.pending() element word="Add server"/>
                </ActionForm>
            </Card>
            <aside><Needed/></aside>
        </div>
    }
}

/// What the console needs to be allowed to.
#[component]
fn Needed() -> impl IntoView {
    view! {
        <Card title="What is needed">
            <div class="stack tight">
                <h3>"PostgreSQL"</h3>
                <p class="dim">
                    "A role that may read everything: a member of " <code>"pg_read_all_data"</code>
                    " on version 14 and newer, or a superuser. To restore here as well, it needs " <code>"CREATEDB"</code>
                    " and membership in the roles that own what is restored."
                </p>
            </div>
            <div class="stack tight">
                <h3>"SQLite"</h3>
                <p class="dim">"A folder that the console's own user may read; to restore there as well, one that it may write to."</p>
            </div>
            <p class="dim">"The test tells in words what would stand in the way, before anything is stored."</p>
        </Card>
    }
}
