//! One key.

use super::{
    super::settings::{Save, is_saved},
    drill::{Done, Drill},
    drill_badge,
    sheet::{Sheet, Sheeted},
};
use crate::{
    address,
    api::keys::{ChangeKey, RemoveKey, key},
    components::{
        Card, Confirm, Fact, Facts, Faults, Field, FormProblem, Glyph, Hidden, Icon, Manner, May, Notice, OwnPassword, PageHead, TextArea,
        Tone, When,
    },
    done::successes,
    files,
    loaded::loaded_page,
};
use domain::{KeyForm, KeyId, Role, view::key::KeyView};
use leptos::prelude::*;

/// A key: what it is, whether it is at hand, and for administrators the forms that change it.
#[component]
pub fn KeyPage() -> impl IntoView {
    let change = ServerAction::<ChangeKey>::new();
    let (id, saved, drills) = (address::param::<KeyId>("id"), successes(change.value()), RwSignal::new(0_u32));
    let one = Resource::new_blocking(move || (id.get(), saved.get(), drills.get()), |(id, ..)| async move { key(id?).await });
    let proven = Callback::new(move |()| drills.update(|number| *number += 1));
    loaded_page(one, move |one| {
        let title = match (one.is_overdue(), one.proven_at) {
            (true, _) => format!("{} is due to be proven", one.name),
            (false, Some(_)) => format!("{} is at hand", one.name),
            (false, None) => format!("{} was not proven yet", one.name),
        };
        let (name, sheeted) = (one.name.clone(), Sheeted::of(&one));
        let (facts, drilled, edited, removed) = (one.clone(), one.clone(), one.clone(), one);
        view! {
            <PageHead
                title
                window=name
                crumbs=vec![("Keys".into(), "/keys".into())]
                actions=|| view! { <button class="button" type="button" on:click=|_| files::print()><Icon name=Glyph::Print/>"Print its sheet"</button> }
            >
                <p>"Only who has its private half can read what was sealed for it. The console never had it."</p>
            </PageHead>
            {move || (drills.get() > 0).then(|| view! { <Done/> })}
            <div class="split">
                <div class="stack">
                    <What one=facts/>
                    <May role=Role::Administrator><Edit one=edited change/></May>
                </div>
                <div class="stack">
                    <May role=Role::Operator><Drill key=drilled proven/></May>
                    <May role=Role::Administrator><Remove one=removed/></May>
                </div>
            </div>
            <Sheet sheeted/>
        }
    })
}

#[component]
fn What(one: KeyView) -> impl IntoView {
    let made = if one.derivation.is_some() { "A passphrase and its file" } else { "A private key" };
    let badge = drill_badge(&one);
    let tasks = if one.tasks.is_empty() {
        view! { "No task yet" }.into_any()
    } else {
        let links = one.tasks.into_iter().map(|(id, name)| view! { <li><a class="link" href=format!("/tasks/{id}")>{name}</a></li> });
        view! { <ul>{links.collect_view()}</ul> }.into_any()
    };
    view! {
        <Card title="The key">
            <Facts>
                <Fact label="Fingerprint"><code class="fingerprint">{one.fingerprint}</code></Fact>
                <Fact label="Public half"><code class="fingerprint">{one.public_key}</code></Fact>
                <Fact label="Opened by">{made}</Fact>
                <Fact label="Seals">{tasks}</Fact>
                <Fact label="At hand">{badge}" "<When at=one.proven_at now=one.now manner=Manner::Relative none=""/></Fact>
                <Fact label="Prove it by"><When at=one.due_at now=one.now/></Fact>
                {(!one.note.is_empty()).then(|| view! { <Fact label="Note"><span class="note">{one.note}</span></Fact> })}
            </Facts>
        </Card>
    }
}

#[component]
fn Edit(one: KeyView, change: ServerAction<ChangeKey>) -> impl IntoView {
    let faults = Faults::of(change.value());
    let form = address::typed(&KeyForm { name: one.name, note: one.note, ..KeyForm::default() });
    let again = format!("/keys/{}", one.id);
    view! {
        <Card title="Change it" icon=Glyph::Edit>
            <ActionForm action=change attr:class="form">
                {move || is_saved(change).then(|| view! { <Notice tone=Tone::Good title="The key is saved."/> })}
                <FormProblem faults marked=true/>
                <Hidden values=vec![("id", one.id.to_string())]/>
                <Field label="Name" name="name" value=form.name error=faults.field("name")/>
                <TextArea label="Note" name="note" value=form.note error=faults.field("note") optional=true rows=2/>
                <Save version=one.version faults again busy=change.pending()/>
            </ActionForm>
        </Card>
    }
}

#[component]
fn Remove(one: KeyView) -> impl IntoView {
    let remove = ServerAction::<RemoveKey>::new();
    let faults = Faults::of(remove.value());
    let text = "The console forgets the key, and seals for it no more. What was sealed for it can still be read with its private half, and \
                with nothing else: keep that as long as you keep the backups.";
    view! {
        <ActionForm action=remove attr:class="stack">
            <FormProblem faults marked=true/>
            <Hidden values=vec![("id", one.id.to_string())]/>
            <Confirm title="Remove this key" text name=one.name error=faults.field("typed_name")>
                <OwnPassword id="own-remove" faults/>
            </Confirm>
        </ActionForm>
    }
}
