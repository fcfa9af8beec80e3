//! A task.

use super::{
    databases::Databases,
    delay::PutOff,
    retention::State,
    words::{answer, chains, covers},
};
use crate::{
    api::task::{BackUpNow, DelayTask, EnableTask, RemoveTask},
    components::{
        Badge, Button, ButtonKind, Card, Confirm, Empty, Fact, Facts, Faults, FormProblem, Glyph, Hidden, LinkButton, Manner, Notice,
        PageHead, Tag, TallyBadge, Tone, When, may,
    },
    pages::round::{RoundTable, words::kind_in_words},
};
use domain::{
    BackupKind, Due, Role, TaskId,
    view::task::{TaskLine, TaskView},
};
use leptos::prelude::*;

/// A task and what can be done with it.
#[component]
pub fn One(
    /// The task.
    view: TaskView,
    /// Starts a round.
    back_up: ServerAction<BackUpNow>,
    /// Pauses and resumes it.
    enable: ServerAction<EnableTask>,
    /// Puts its next time off.
    delay: ServerAction<DelayTask>,
    /// Deletes it.
    remove: ServerAction<RemoveTask>,
) -> impl IntoView {
    let TaskView { line, task, tally, databases, rounds, retention, now, .. } = view;
    let (id, enabled, running, usual) = (line.id, line.enabled, line.running, line.usual);
    let crumbs = crumbs(&line);
    let badge = move || match enabled {
        true => view! { <TallyBadge tally/> }.into_any(),
        false => view! { <Badge tone=Tone::Warn text="Paused" icon=Glyph::Pause/> }.into_any(),
    };
    let to_put_off = line.clone();
    let actions = move || {
        view! {
            {may(Role::Operator).then(|| view! { <PutOff line=to_put_off delay/> })}
            <Actions id enabled usual running=running.is_some() back_up enable/>
        }
    };
    let under_way = running.map(|round| {
        view! {
            <Notice title="A round of this task is under way.">
                <p><a href=format!("/rounds/{round}")>"Watch it"</a></p>
            </Notice>
        }
    });
    let TaskLine { name, servers, next, schedule, time_zone, destination, destination_id, root, keys, put_off_from, .. } = line.clone();
    let several = servers.len() > 1;
    let places = servers.iter().enumerate().map(|(place, (id, name))| {
        view! { {(place > 0).then_some(", ")} <a href=format!("/servers/{id}")>{name.clone()}</a> }
    });
    let places = places.collect_view();
    let sealing = if keys.is_empty() {
        "None: whoever gets at the backups can read them".into()
    } else {
        format!("Sealed for {}", keys.join(" and "))
    };
    let kept = retention.rule.clone().unwrap_or_else(|| "Every backup".into());
    view! {
        <PageHead title=name.clone() crumbs badge actions>{answer(tally, enabled)}</PageHead>
        <Busy back_up/>
        <FormProblem faults=Faults::of(enable.value()).or(Faults::of(delay.value()))/>
        {under_way}
        <Card title="The order" icon=Glyph::Backups>
            <div class="facts-wide">
                <Facts>
                    {several.then(|| view! { <Fact label="Servers">{places}</Fact> })}
                    <Fact label="Databases">{covers(&line)}</Fact>
                    <Fact label="Type">"Backup (logical)"</Fact>
                    <Fact label="Schedule">{schedule} " " <span class="dim">{time_zone}</span></Fact>
                    <Fact label="Next">
                        <When at=next.map(|next| next.at) now none="not while it is paused"/>
                        " "
                        {next.map(|Due { at, kind }| view! { <Tag text=kind.as_str()/> " " <span class="dim"><When at now manner=Manner::Relative/></span> })}
                        {put_off_from.map(|at| view! { <span class="dim">", put off from " <When at now/></span> })}
                    </Fact>
                </Facts>
                <Facts>
                    <Fact label="To">
                        <a href=format!("/destinations/{destination_id}")>{destination}</a>
                        " "
                        <span class="code">{root}</span>
                    </Fact>
                    <Fact label="Chains">{chains(task.chain_limit)}</Fact>
                    <Fact label="If missed">
                        {if task.catch_up { "Made up for as soon as the console runs again" } else { "Left out until the next time" }}
                    </Fact>
                    <Fact label="Kept">{kept}</Fact>
                    <Fact label="Encryption">{sealing}</Fact>
                </Facts>
            </div>
        </Card>
        <Databases id usual servers=servers.clone() databases total=tally.total() now back_up/>
        <State id several state=retention now/>
        <Card title="Rounds" icon=Glyph::List flush=true>
            {if rounds.is_empty() {
                let text = "The first one begins at the time above, or when you press “Back up now”.";
                view! { <Empty title="No rounds yet" text icon=Glyph::Clock/> }.into_any()
            } else {
                view! { <RoundTable rounds now/> }.into_any()
            }}
        </Card>
        {may(Role::Administrator).then(|| view! { <Remove id server=servers.first().map(|(id, _)| *id) name remove/> })}
    }
}

/// The way to a task: over its server, or over the list where it has several.
pub fn crumbs(line: &TaskLine) -> Vec<(String, String)> {
    let servers = ("Servers".to_owned(), "/servers".to_owned());
    match line.servers.as_slice() {
        [(id, name)] => vec![servers, (name.clone(), format!("/servers/{id}"))],
        _ => vec![servers],
    }
}

/// Back up, pause, edit: what the viewer's role allows.
#[component]
fn Actions(
    id: TaskId,
    enabled: bool,
    usual: BackupKind,
    running: bool,
    back_up: ServerAction<BackUpNow>,
    enable: ServerAction<EnableTask>,
) -> impl IntoView {
    let (word, icon) = if enabled { ("Pause", Glyph::Pause) } else { ("Resume", Glyph::Play) };
    let administers = may(Role::Administrator);
    view! {
        {administers
            .then(|| {
                view! {
                    <LinkButton href=format!("/tasks/{id}/edit") kind=ButtonKind::Ghost icon=Glyph::Edit>"Edit"</LinkButton>
                    <LinkButton href=format!("/tasks/{id}/duplicate") kind=ButtonKind::Ghost icon=Glyph::Plus>"Duplicate"</LinkButton>
                    <ActionForm action=enable>
                        <Hidden values=vec![("task", id.to_string()), ("enabled", (!enabled).to_string())]/>
                        <Button icon busy=enable.pending()>{word}</Button>
                    </ActionForm>
                }
            })}
        {(may(Role::Operator) && !running)
            .then(|| {
                view! {
                    <BackUp id database=None usual back_up/>
                }
            })}
    }
}

/// Starts a backup of either kind, of the whole task or of one database.
#[component]
pub fn BackUp(
    /// The task.
    id: TaskId,
    /// The one database with its server; none for all.
    database: Option<(domain::ServerId, String)>,
    /// The kind that the first button makes.
    usual: BackupKind,
    /// Starts it.
    back_up: ServerAction<BackUpNow>,
) -> impl IntoView {
    let ways = [usual, usual.other()].map(|kind| {
        let values = [("task", id.to_string()), ("kind", kind.as_str().to_owned())].into_iter();
        let one = database.clone().map(|(server, name)| [("server", server.to_string()), ("database", name)]);
        let values = values.chain(one.into_iter().flatten()).collect();
        let word = kind_in_words(kind);
        let button = match &database {
            // Whoever listens hears which database, because every line has the same buttons.
            Some((_, name)) if kind == usual => {
                view! { <Button kind=ButtonKind::Ghost label=format!("Back up {name} now: {word}")>"Back up"</Button> }.into_any()
            }
            Some((_, name)) => {
                view! { <Button kind=ButtonKind::Ghost label=format!("Back up {name} now: {word}")>{word}</Button> }.into_any()
            }
            None if kind == usual => {
                view! { <Button kind=ButtonKind::Primary icon=Glyph::Play busy=back_up.pending()>"Back up now"</Button> }.into_any()
            }
            None => view! { <Button busy=back_up.pending()>{format!("{word} now")}</Button> }.into_any(),
        };
        view! {
            <ActionForm action=back_up>
                <Hidden values/>
                {button}
            </ActionForm>
        }
    });
    ways.into_iter().collect_view()
}

/// Why a round could not be started; if one is under way, the way to it.
#[component]
fn Busy(back_up: ServerAction<BackUpNow>) -> impl IntoView {
    let faults = Faults::of(back_up.value());
    let round = faults.field("round");
    let watch = |id: String| view! { <p><a class="link" href=format!("/rounds/{id}")>"Watch the round that is under way"</a></p> };
    view! {
        <FormProblem faults/>
        {move || round.get().map(watch)}
    }
}

/// Deletes the task.
#[component]
fn Remove(id: TaskId, server: Option<domain::ServerId>, name: String, remove: ServerAction<RemoveTask>) -> impl IntoView {
    let faults = Faults::of(remove.value());
    let text = "Its schedule ends, and its databases are backed up no more unless another task covers them. \
                Its backups stay where they are, and so does the history of its rounds.";
    view! {
        <ActionForm action=remove>
            <Hidden values=vec![("task", id.to_string()), ("server", server.map(|id| id.to_string()).unwrap_or_default())]/>
            <Confirm title="Delete this task" text name error=faults.field("typed_name")/>
        </ActionForm>
    }
}
