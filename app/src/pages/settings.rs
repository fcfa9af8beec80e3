//! Settings of the console, and what it does by itself.

use crate::{
    address,
    api::{
        Failure,
        settings::{AcceptInstance, ChangeSettings, settings},
    },
    components::{
        Button, ButtonKind, Card, Cell, Fact, Facts, Faults, Field, FormProblem, Hidden, Manner, Notice, OwnPassword, PageHead, Select,
        Table, Tone, When,
    },
    done::successes,
    loaded::loaded,
};
use domain::view::people::{SettingsForm, SettingsView};
use jiff::Timestamp;
use leptos::{either::Either, prelude::*, server_fn::ServerFn};

/// Limits, the installation, and the background work.
#[component]
pub fn Settings() -> impl IntoView {
    let change = ServerAction::<ChangeSettings>::new();
    let accept = ServerAction::<AcceptInstance>::new();
    let (saved, accepted) = (successes(change.value()), successes(accept.value()));
    let view = Resource::new_blocking(move || (saved.get(), accepted.get()), |_| settings());
    view! {
        <PageHead title="Settings"/>
        {loaded(view, move |view| {
            view! {
                <div class="split">
                    <Limits view=view.clone() change/>
                    <Installation fingerprint=view.fingerprint version=view.version catalog=view.catalog accepted=view.accepted accept/>
                </div>
                <Background work=view.background now=view.now/>
            }
        })}
    }
}

#[component]
fn Limits(view: SettingsView, change: ServerAction<ChangeSettings>) -> impl IntoView {
    let faults = Faults::of(change.value());
    let form = address::typed(&SettingsForm { jobs: view.jobs.to_string(), pace: view.pace, local_root: view.local_root });
    let paces = [("gentle", "Give way to others on the machine"), ("full", "As fast as they can")];
    view! {
        <Card title="Limits">
            <ActionForm action=change attr:class="form">
                {move || is_saved(change).then(|| view! { <Notice tone=Tone::Good title="The settings are saved."/> })}
                <FormProblem faults marked=true/>
                <Field
                    label="Runs at once, over all servers"
                    name="jobs"
                    kind="number"
                    value=form.jobs
                    error=faults.field("jobs")
                    hint="Those beyond wait in the queue and say for what. Each server has a limit of its own in its settings."
                />
                <Select
                    label="Backups and verifications"
                    name="pace"
                    value=form.pace
                    options=paces.map(|(value, word)| (value.into(), word.into())).into()
                    error=faults.field("pace")
                    hint="Where others keep this machine busy, those that give way take a small part of it, and last longer. This holds for what begins from now on, with a database server on this machine. Restores never wait."
                />
                <Field
                    label="Allowed local root"
                    name="local_root"
                    value=form.local_root
                    error=faults.field("local_root")
                    optional=true
                    code=true
                    hint="Destinations in folders of this machine must lie in this one. Empty: anywhere."
                />
                <Save version=view.edit faults again="/settings" busy=change.pending()/>
            </ActionForm>
        </Card>
    }
}

/// Whether the last answer was that it is done.
pub(super) fn is_saved<S>(action: ServerAction<S>) -> bool
where
    S: ServerFn<Output = (), Error = Failure> + Clone + Send + Sync + 'static,
{
    action.value().with(|answer| matches!(answer, Some(Ok(()))))
}

/// The end of a form that changes a record: it sends the number of the edit that it was begun from. Where somebody else was
/// quicker, what they set is told at the fields, and one of both can be kept.
#[component]
pub(super) fn Save(
    /// Number of the edit that is stored.
    version: i64,
    /// What went wrong with the form.
    faults: Faults,
    /// Address of the page.
    #[prop(into)]
    again: String,
    /// Whether the form is under way.
    #[prop(into)]
    busy: Signal<bool>,
    /// More that can be done.
    #[prop(optional)]
    children: Option<ChildrenFn>,
) -> impl IntoView {
    // A form that came back without scripts was begun from the edit that the address names.
    let begun_from = address::query_value("version").get_untracked();
    let begun_from = if begun_from.is_empty() { version.to_string() } else { begun_from };
    let newest = faults.field("version");
    move || match newest.get().filter(|_| faults.conflict()) {
        Some(newest) => Either::Left(view! {
            <div class="actions">
                // The browser loads the page anew, so that the fields are what is stored.
                <a class="button" rel="external" href=again.clone()>"Take theirs"</a>
                <Button kind=ButtonKind::Primary name="version" value=newest busy>"Keep mine"</Button>
            </div>
        }),
        None => Either::Right(view! {
            <Hidden values=vec![("version", begun_from.clone())]/>
            <div class="actions">
                {children.as_ref().map(|children| children())}
                <Button kind=ButtonKind::Primary busy>"Save"</Button>
            </div>
        }),
    }
}

#[component]
fn Installation(
    fingerprint: String,
    version: String,
    catalog: String,
    accepted: Vec<String>,
    accept: ServerAction<AcceptInstance>,
) -> impl IntoView {
    let faults = Faults::of(accept.value());
    let others = (!accepted.is_empty()).then(|| {
        let lines = accepted.into_iter().map(|one| view! { <li><code class="fingerprint">{one}</code></li> });
        view! { <Fact label="Trusts, too"><ul>{lines.collect_view()}</ul></Fact> }
    });
    view! {
        <Card title="This installation">
            <div class="stack">
                <Facts>
                    <Fact label="Version">{version}</Fact>
                    <Fact label="Catalog"><code>{catalog}</code></Fact>
                    <Fact label="Fingerprint"><code class="fingerprint">{fingerprint}</code></Fact>
                    {others}
                </Facts>
                <p class="dim small">
                    "Every backup is signed by the installation that made it. Another one reads this one's backups once it has been told to accept this fingerprint."
                </p>
                <ActionForm action=accept attr:class="form">
                    {move || is_saved(accept).then(|| view! { <Notice tone=Tone::Good title="Its backups are trusted from now on. The destinations are being read anew."/> })}
                    <FormProblem faults marked=true/>
                    <Field
                        label="Accept another installation"
                        name="accept"
                        error=faults.field("accept")
                        code=true
                        hint="Its fingerprint, read off its settings page or a recovery sheet: not off the backups, which anybody could have put there."
                    />
                    <OwnPassword id="own-accept" faults/>
                    <div class="actions"><Button busy=accept.pending()>"Accept"</Button></div>
                </ActionForm>
            </div>
        </Card>
    }
}

#[component]
fn Background(work: Vec<(String, Option<Timestamp>, String)>, now: Timestamp) -> impl IntoView {
    let lines = work.into_iter().map(move |(name, at, how)| {
        view! {
            <tr>
                <Cell><span class="name">{name}</span></Cell>
                <Cell label="Last"><When at now manner=Manner::Relative none="not yet"/></Cell>
                <Cell label="How it went">{how}</Cell>
            </tr>
        }
    });
    view! {
        <Card title="What the console does by itself" flush=true>
            <Table label="Background work">
                <thead>
                    <tr>
                        <th scope="col">"Work"</th>
                        <th scope="col">"Last"</th>
                        <th scope="col">"How it went"</th>
                    </tr>
                </thead>
                <tbody>{lines.collect_view()}</tbody>
            </Table>
        </Card>
    }
}
