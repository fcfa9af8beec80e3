//! The wizard that writes a task. Its whole form lives in the query of the address, so that reload, back, signing in again
//! and a browser without scripts lose nothing; only the last step sends something that is kept.

mod alive;
mod aside;
mod draft;
mod encryption;
mod fields;
mod retention;
mod review;
mod schedule;
mod sheet;
mod step;
mod when;

use crate::{
    api::{
        Failure,
        task::{AddTask, BackUpOnce, ChangeTask, preview_retention, preview_task, task_form},
    },
    components::{PageHead, may},
    loaded::loaded_page,
};
use domain::{
    Role, ServerId, TaskForm, TaskId,
    view::{retention::RetentionView, task::TaskPreview},
};
use draft::Draft;
use leptos::prelude::*;
use leptos_router::hooks::use_location;
use serde::{Deserialize, Serialize};
use sheet::Sheet;

/// Identifier of the form that all steps send.
const FORM: &str = "wizard";

/// What the wizard writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A new task of a server.
    New(ServerId),
    /// One round of a server, which no task stands behind.
    Once(ServerId),
    /// A new task that begins as another one is.
    Copy(TaskId),
    /// One that is there.
    Edit(TaskId),
}

/// What the wizard begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Opened {
    /// The server that the way to it leads over.
    server: ServerId,
    /// The wizard's address.
    path: String,
    /// Whether it is for one round.
    once: bool,
    /// The task that is changed.
    task: Option<TaskId>,
    /// The task as it is stored, or what a new one begins with.
    base: TaskForm,
    /// Number of the stored edit.
    version: Option<i64>,
    /// What the task would do, as the address has it.
    preview: TaskPreview,
    /// What its rule would delete, if the address has a step that shows it.
    plan: Option<RetentionView>,
}

/// The ways to send the last step.
#[derive(Clone, Copy)]
struct Sending {
    add: ServerAction<AddTask>,
    change: ServerAction<ChangeTask>,
    once: ServerAction<BackUpOnce>,
}

/// The wizard.
#[component]
pub fn Wizard(
    /// What it writes.
    #[prop(into)]
    target: Signal<Result<Target, Failure>>,
) -> impl IntoView {
    let send = Sending { add: ServerAction::new(), change: ServerAction::new(), once: ServerAction::new() };
    let search = use_location().search;
    // Loaded again when somebody else's edit was in the way, and not with each step: a sheet follows the address itself.
    let opened = Resource::new_blocking(
        move || (target.get(), send.change.version().get()),
        move |(target, _)| {
            let search = search.get_untracked();
            async move { open(target?, &search).await }
        },
    );
    if !may(Role::Administrator) {
        return view! {
            <PageHead title="Only administrators write tasks">
                <p>"Ask an administrator for the task that you need, or for the role."</p>
            </PageHead>
        }
        .into_any();
    }
    loaded_page(opened, move |opened| view! { <Sheet opened send/> }.into_any()).into_any()
}

async fn open(target: Target, search: &str) -> Result<Opened, Failure> {
    let once = matches!(target, Target::Once(_));
    let (server, path, task, base, version) = match target {
        Target::New(server) => (server, format!("/servers/{server}/tasks/new"), None, of_server(server), None),
        Target::Once(server) => (server, format!("/servers/{server}/backup"), None, of_server(server), None),
        Target::Copy(task) => {
            let (form, _) = task_form(task).await?;
            (first_of(&form)?, format!("/tasks/{task}/duplicate"), None, copy_of(form), None)
        }
        Target::Edit(task) => {
            let (form, version) = task_form(task).await?;
            (first_of(&form)?, format!("/tasks/{task}/edit"), Some(task), form, Some(version))
        }
    };
    let draft = Draft::read(base.clone(), version, search).for_once(once);
    let preview = preview_task(task, draft.form(), once).await?;
    let plan = match retention::question(&draft) {
        Some(form) => preview_retention(task, form).await?,
        None => None,
    };
    Ok(Opened { server, path, once, task, base, version, preview, plan })
}

/// A new task for the server that it is begun from.
fn of_server(server: ServerId) -> TaskForm {
    TaskForm { servers: server.to_string(), ..TaskForm::default() }
}

/// The first server of a task.
fn first_of(form: &TaskForm) -> Result<ServerId, Failure> {
    Ok(form.servers().next().unwrap_or_default().parse()?)
}

/// A task like another one, by another name.
fn copy_of(form: TaskForm) -> TaskForm {
    let name = format!("Copy of {}", form.name).chars().take(domain::form::MAX_NAME).collect();
    TaskForm { name, ..form }
}
