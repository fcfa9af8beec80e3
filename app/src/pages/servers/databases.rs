//! Manage Server, databases: every one of them, and how safe it is.

use super::head::head;
use crate::{
    address::{param, query, segment, with_pairs},
    api::{
        servers::{Look, databases, server},
        task::BackUpNow,
    },
    components::{
        Button, ButtonKind, Card, Cell, Count, Empty, Faults, Filter, FormProblem, Glyph, Hidden, LinkButton, Manner, Pager,
        ProtectionBadge, Segment, Segments, Size, SortHead, Table, Tag, When, may,
    },
    loaded::loaded_page,
    pages::round::words::kind_in_words,
};
use domain::{
    BackupKind, Protection, Role, RunState, ServerId, TaskId,
    view::{
        Page,
        server::{DatabaseLine, DatabaseQuery, LastRun, ServerView},
        task::TaskLine,
    },
};
use jiff::Timestamp;
use leptos::prelude::*;

/// A server's databases.
#[component]
pub fn ServerDatabases() -> impl IntoView {
    let (id, query) = (param::<ServerId>("id"), query::<DatabaseQuery>());
    let (look, back_up) = (ServerAction::<Look>::new(), ServerAction::<BackUpNow>::new());
    let all = Resource::new_blocking(
        move || (id.get(), query.get(), look.version().get()),
        |(id, query, _)| async move {
            let id = id?;
            Ok((server(id).await?, databases(id, query.clone()).await?, query))
        },
    );
    view! {
        <FormProblem faults=Faults::of(back_up.value()).or(Faults::of(look.value()))/>
        {loaded_page(all, move |(view, page, query)| view! { {head(&view, look)} {list(view, page, query, back_up)} })}
    }
}

fn list(view: ServerView, page: Page<DatabaseLine>, query: DatabaseQuery, back_up: ServerAction<BackUpNow>) -> impl IntoView {
    let path = format!("/servers/{}/databases", view.line.id);
    let DatabaseQuery { filter, sort, only, .. } = query;
    let filtered = with_pairs(&path, [("filter", &filter), ("only", &only)]);
    let sorted = with_pairs(&path, [("filter", &filter), ("only", &only), ("sort", &sort)]);
    let segments = [("All", ""), ("Needs attention", "attention")].map(|(word, value)| Segment {
        word: word.into(),
        href: with_pairs(&path, [("filter", filter.as_str()), ("only", value), ("sort", &sort)]),
        here: only == value,
    });
    let keep = vec![("only", only.clone()), ("sort", sort.clone())];
    let is_narrowed = !filter.is_empty() || !only.is_empty();
    let order = if sort.is_empty() { "name".to_owned() } else { sort };
    let actions = {
        let (path, filter) = (path.clone(), filter.clone());
        move || view! { <Segments label="Which databases" segments=segments.into()/> <Filter action=path value=filter keep/> }
    };
    let body = if page.items.is_empty() {
        nothing(&view, is_narrowed, path).into_any()
    } else {
        let (id, server, tasks, now) = (view.line.id, view.line.name, view.line.tasks, view.now);
        let head = move |label, key, right| view! { <SortHead label key sort=order.clone() href=filtered.clone() right/> };
        view! {
            <BackUpForms id tasks=tasks.clone() back_up/>
            <Table label="Databases">
                <thead>
                    <tr>
                        {head("Database", "name", false)}
                        {head("Size", "size", true)}
                        {head("State", "state", false)}
                        {head("Last good", "last", false)}
                        <th scope="col" class="minor">"Next"</th>
                        <th scope="col" class="minor right">"Restore points"</th>
                        <th scope="col" class="minor">"Proven"</th>
                        <th scope="col"><span class="unseen">"Actions"</span></th>
                    </tr>
                </thead>
                <DatabaseRows lines=page.items id server tasks now/>
            </Table>
            <Pager number=page.number total=page.total size=page.size href=sorted one="database" many="databases"/>
        }
        .into_any()
    };
    view! { <Card title="Databases" flush=true actions>{body}</Card> }
}

fn nothing(view: &ServerView, is_narrowed: bool, path: String) -> impl IntoView + use<> {
    if is_narrowed {
        let action = move || view! { <LinkButton href=path>"Show all databases"</LinkButton> };
        return view! { <Empty title="No database fits" text="No database of this server is as you asked for." icon=Glyph::Search action/> };
    }
    let unreached = view.line.seen.as_ref().is_none_or(|seen| seen.error.is_some());
    let text = if unreached {
        "The server has not been reached yet, so its databases are not known. Mend its settings, then look again."
    } else {
        "The server was reached and holds no databases. Create one, then look again: it will be in the next round by itself."
    };
    view! { <Empty title="No databases" text icon=Glyph::Database/> }
}

/// A form for each task and kind of backup, for the buttons in the rows: a row's button names the form and the database.
#[component]
pub fn BackUpForms(
    /// The server.
    id: ServerId,
    /// The server's tasks.
    tasks: Vec<TaskLine>,
    /// Starts a backup.
    back_up: ServerAction<BackUpNow>,
) -> impl IntoView {
    let tasks = tasks.into_iter().filter(|task| task.enabled);
    let forms = tasks.flat_map(|task| [task.usual, task.usual.other()].map(|kind| (task.id, kind))).map(move |(task, kind)| {
        view! {
            <ActionForm action=back_up attr:id=form_of(task, kind) attr:hidden="">
                <Hidden values=vec![("task", task.to_string()), ("server", id.to_string()), ("kind", kind.as_str().into())]/>
            </ActionForm>
        }
    });
    may(Role::Operator).then(|| forms.collect_view())
}

/// Identifier of the form that starts a backup of one kind.
fn form_of(task: TaskId, kind: BackupKind) -> String {
    format!("back-up-{task}-{}", kind.as_str())
}

/// The body of a table of databases: name, size, state, last good, next, restore points, proven, actions.
#[component]
pub fn DatabaseRows(
    /// The databases.
    lines: Vec<DatabaseLine>,
    /// Their server.
    id: ServerId,
    /// That one's name.
    server: String,
    /// The server's tasks.
    tasks: Vec<TaskLine>,
    /// When this was read.
    now: Timestamp,
) -> impl IntoView {
    let may_start = may(Role::Operator);
    let rows = lines.into_iter().map(|line| {
        // While a round is under way, the button of its task says so; a column of dead ones would say it no better.
        let can_start = |task: &&TaskLine| may_start && task.enabled && task.running.is_none() && task.selection.includes(&line.name);
        let starts = tasks.iter().find(can_start).filter(|_| !line.gone).map(|task| (task.id, task.usual));
        view! { <Row id line origin=server.clone() starts now/> }
    });
    view! { <tbody>{rows.collect_view()}</tbody> }
}

#[component]
fn Row(id: ServerId, line: DatabaseLine, origin: String, starts: Option<(TaskId, BackupKind)>, now: Timestamp) -> impl IntoView {
    let folder = line.destination.map(|destination| format!("/backups/{destination}/{}", segment(&line.name)));
    let name = match folder {
        Some(folder) => view! { <a class="name" href=folder>{line.name.clone()}</a> }.into_any(),
        None => view! { <strong>{line.name.clone()}</strong> }.into_any(),
    };
    let restore = line.destination.filter(|_| line.restore_points > 0).map(|destination| {
        let href = with_pairs("/restore", [("destination", destination.to_string()), ("database", line.name.clone()), ("origin", origin)]);
        view! { <LinkButton href kind=ButtonKind::Ghost>"Restore"</LinkButton> }
    });
    let back_up = starts.map(|(task, usual)| {
        let button = |kind: BackupKind| {
            let (form, words) = (form_of(task, kind), kind_in_words(kind));
            let label = format!("Back up {} now: {words}", line.name);
            let word = if kind == usual { "Back up" } else { words };
            view! { <Button kind=ButtonKind::Ghost form name="database" value=line.name.clone() label>{word}</Button> }
        };
        [usual, usual.other()].map(button).into_iter().collect_view()
    });
    // Where no task covers it, one can be made for it alone.
    let is_free = line.protection == Protection::Uncovered && !line.gone && may(Role::Administrator);
    let order = is_free.then(|| {
        let href = with_pairs(&format!("/servers/{id}/tasks/new"), [("only", &line.name), ("name", &line.name)]);
        view! { <LinkButton href kind=ButtonKind::Ghost>"Add task"</LinkButton> }
    });
    let overdue = match line.protection {
        Protection::Overdue { since } => Some(view! { <small>"due " <When at=since now manner=Manner::Relative/></small> }),
        _ => None,
    };
    view! {
        <tr>
            <Cell>
                {name} " "
                {line.gone.then(|| view! { <Tag text="gone"/> })}
                {line.excluded.then(|| view! { <Tag text="left out"/> })}
            </Cell>
            <Cell label="Size" right=true><Size bytes=line.size_bytes/></Cell>
            <Cell label="State"><ProtectionBadge protection=line.protection/>{overdue}{line.last_run.map(|last| view! { <Failed last/> })}</Cell>
            <Cell label="Last good"><When at=line.last_good now manner=Manner::Relative/></Cell>
            <Cell label="Next" minor=true><When at=line.next now manner=Manner::Relative none="–"/></Cell>
            <Cell label="Restore points" right=true minor=true><Count of=line.restore_points/></Cell>
            <Cell label="Proven" minor=true><When at=line.last_proven now manner=Manner::Relative none="not yet"/></Cell>
            <Cell><div class="actions">{order}{back_up}{restore}</div></Cell>
        </tr>
    }
}

/// Why the newest run failed, if it did.
#[component]
fn Failed(last: LastRun) -> impl IntoView {
    let failed = matches!(last.state, RunState::Failed | RunState::Aborted | RunState::Interrupted);
    failed.then(|| {
        let why = last.error.map_or_else(|| last.state.as_str().to_owned(), |error| error.sentence);
        let whole = why.clone();
        view! { <small class="clamp" title=whole><a href=format!("/runs/{}", last.id)>"Last run"</a> ": " {why}</small> }
    })
}
