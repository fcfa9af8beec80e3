//! The fields of a destination, and the test of what the place can do.

use crate::{
    address,
    api::{
        Failure,
        destinations::{AddDestination, ProbeDestination, probe_destination},
    },
    components::{
        Button, ButtonKind, Card, Faults, Field, FormProblem, Glyph, Icon, LinkButton, Notice, PageHead, Problem, TextArea, Tone,
    },
};
use domain::{Code, DestinationForm};
use leptos::{
    either::EitherOf3,
    ev::MouseEvent,
    form::FromFormData,
    prelude::*,
    wasm_bindgen::JsCast,
    web_sys::{FormData, HtmlButtonElement},
};
use leptos_router::hooks::use_location;

/// The form for one more destination.
#[component]
pub fn DestinationNew() -> impl IntoView {
    let (add, probe) = (ServerAction::<AddDestination>::new(), ServerAction::<ProbeDestination>::new());
    let faults = Faults::of(add.value());
    let form = address::query::<DestinationForm>().get_untracked();
    view! {
        <PageHead title="Add a destination" crumbs=vec![("Destinations".into(), "/destinations".into())]>
            <p>"The root is a folder of this machine, or of a share that is mounted here. Rookery makes it if it is missing."</p>
        </PageHead>
        <div class="split">
            <Card>
                <ActionForm action=add attr:class="form">
                    <FormProblem faults marked=true/>
                    <Fields form faults/>
                    <Tested probe/>
                    <div class="actions">
                        <LinkButton href="/destinations">"Cancel"</LinkButton>
                        <Test probe/>
                        <Button kind=ButtonKind::Primary icon=Glyph::Plus busy=add.pending()>"Add destination"</Button>
                    </div>
                </ActionForm>
            </Card>
            <Card title="What will lie there">
                <pre class="tree" aria-hidden="true">
                    "root/\n├─ rookery.json\n├─ _globals/\n├─ billing/\n│  ├─ 2026-11-22-02-00-00Z…/\n│  └─ 2026-11-23-02-00-00Z…/\n└─ shop/\n   └─ …"
                </pre>
                <p class="dim">
                    "Every database has its own child folder under the root, named after it. What lies there can be read and restored without this console."
                </p>
            </Card>
        </div>
    }
}

/// Name, root and note.
#[component]
pub(super) fn Fields(form: DestinationForm, faults: Faults) -> impl IntoView {
    view! {
        <Field label="Name" name="name" value=form.name error=faults.field("name") placeholder="Backup disk"/>
        <Field
            label="Root folder"
            name="root"
            value=form.root
            error=faults.field("root")
            code=true
            placeholder="/srv/backups"
            hint="Its whole path on the console's machine. Best on another disk than the databases."
        />
        <TextArea label="Note" name="note" value=form.note error=faults.field("note") optional=true rows=2/>
    }
}

/// Tries the place out with what is typed. Scripts ask at once; without them, the fields go to this page's own address, which
/// asks while it is loaded.
#[component]
pub(super) fn Test(probe: ServerAction<ProbeDestination>) -> impl IntoView {
    let path = use_location().pathname;
    let test = move |click: MouseEvent| {
        if let Some(form) = typed_around(&click) {
            click.prevent_default();
            probe.dispatch(ProbeDestination { form });
        }
    };
    let busy = probe.pending();
    view! {
        <button
            class="button"
            type="submit"
            formmethod="get"
            formaction=move || path.get()
            name="test"
            value="on"
            on:click=test
            aria-busy=move || busy.get().then_some("true")
        >
            <Icon name=Glyph::Plug/>
            "Test"
        </button>
    }
}

/// What the form around a button holds.
fn typed_around(click: &MouseEvent) -> Option<DestinationForm> {
    let button = click.current_target()?.dyn_into::<HtmlButtonElement>().ok()?;
    DestinationForm::from_form_data(&FormData::new_with_form(&button.form()?).ok()?).ok()
}

/// What the last test found.
#[component]
pub(super) fn Tested(probe: ServerAction<ProbeDestination>) -> impl IntoView {
    let search = (address::query_value("test"), address::query::<DestinationForm>());
    let asked = Resource::new_blocking(
        move || (search.0.get() == "on").then(|| search.1.get()),
        |form| async move {
            match form {
                Some(form) => probe_destination(form).await.map(Some),
                None => Ok(None),
            }
        },
    );
    view! {
        <Transition>
            {move || {
                let by_scripts = probe.value().get();
                Suspend::new(async move {
                    match by_scripts {
                        Some(answer) => Some(answer),
                        None => asked.await.transpose(),
                    }
                    .map(|answer| view! { <Answer answer/> })
                })
            }}
        </Transition>
    }
}

#[component]
fn Answer(answer: Result<String, Failure>) -> impl IntoView {
    match answer {
        Ok(found) => EitherOf3::A(view! { <Notice tone=Tone::Good title="The place can be used."><p>{found}</p></Notice> }),
        // Nothing is marked by a test: each sentence is said here.
        Err(Failure(told)) if told.code == Code::Invalid => {
            let wrong = told.fields.into_iter().map(|field| view! { <p>{field.sentence}</p> }).collect_view();
            EitherOf3::B(view! { <Notice tone=Tone::Bad title="This cannot be tested yet.">{wrong}</Notice> })
        }
        Err(Failure(told)) => EitherOf3::C(view! { <Problem told/> }),
    }
}
