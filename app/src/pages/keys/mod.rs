//! Keys that backups are sealed for.

mod drill;
mod new;
mod one;
mod sheet;

pub use new::KeyNew;
pub use one::KeyPage;

use crate::{
    api::keys::keys,
    components::{Badge, ButtonKind, Card, Cell, Empty, Glyph, LinkButton, Manner, May, PageHead, Table, Tone, When, counted, may},
    loaded::loaded_page,
};
use domain::{Role, view::key::KeyView};
use leptos::prelude::*;

/// Every key.
#[component]
pub fn Keys() -> impl IntoView {
    let all = Resource::new_blocking(|| (), |()| keys());
    loaded_page(all, |all| {
        let overdue = all.iter().filter(|key| key.is_overdue()).count() as u64;
        let title = match (all.len() as u64, overdue) {
            (0, _) => "There is no key yet".into(),
            (number, 0) => format!("{}; none is due to be proven", counted(number, "key", "keys")),
            (_, overdue) => counted(overdue, "key is due to be proven", "keys are due to be proven"),
        };
        let list = if all.is_empty() { view! { <None/> }.into_any() } else { view! { <List all/> }.into_any() };
        view! {
            <PageHead title window="Keys" actions=|| view! { <May role=Role::Administrator><New/></May> }>
                <p>"A backup that is sealed for a key can be read by who has its private half alone. The console has only public halves: it seals, and cannot open."</p>
            </PageHead>
            <Card flush=true>{list}</Card>
        }
    })
}

#[component]
fn New() -> impl IntoView {
    view! { <LinkButton href="/keys/new" kind=ButtonKind::Primary icon=Glyph::Plus>"Add key"</LinkButton> }
}

#[component]
fn None() -> impl IntoView {
    let text = if may(Role::Administrator) {
        "Make one in this browser, take one from a passphrase, or bring one that you have. Tasks can seal their backups for it then."
    } else {
        "An administrator adds the keys that backups are sealed for."
    };
    view! { <Empty title="No key yet" text icon=Glyph::Key action=|| view! { <May role=Role::Administrator><New/></May> }/> }
}

#[component]
fn List(all: Vec<KeyView>) -> impl IntoView {
    let lines = all.into_iter().map(|key| {
        let tasks = match key.tasks.as_slice() {
            [] => "none".into(),
            [(_, name)] => name.clone(),
            several => counted(several.len() as u64, "task", "tasks"),
        };
        let badge = drill_badge(&key);
        view! {
            <tr>
                <Cell><a class="name" href=format!("/keys/{}", key.id)>{key.name}</a></Cell>
                <Cell label="Fingerprint"><code class="fingerprint">{key.fingerprint}</code></Cell>
                <Cell label="Tasks">{tasks}</Cell>
                <Cell label="At hand">{badge}</Cell>
                <Cell label="Proven" minor=true><When at=key.proven_at now=key.now manner=Manner::Relative none="never"/></Cell>
            </tr>
        }
    });
    view! {
        <Table label="Keys">
            <thead>
                <tr>
                    <th scope="col">"Name"</th>
                    <th scope="col">"Fingerprint"</th>
                    <th scope="col">"Tasks"</th>
                    <th scope="col">"At hand"</th>
                    <th scope="col" class="minor">"Proven"</th>
                </tr>
            </thead>
            <tbody>{lines.collect_view()}</tbody>
        </Table>
    }
}

/// Whether a key was proven lately.
fn drill_badge(key: &KeyView) -> impl IntoView + use<> {
    let (tone, text) = match (key.is_overdue(), key.proven_at.is_some()) {
        (true, _) => (Tone::Warn, "Prove it"),
        (false, true) => (Tone::Good, "Proven"),
        (false, false) => (Tone::Calm, "Not proven yet"),
    };
    view! { <Badge tone text/> }
}
