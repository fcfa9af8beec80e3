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
        task::{AddTask, ChangeTask, preview_retention, preview_task, task_form},
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
    /// One that is there.
    Edit(TaskId),
}

/// What the wizard begins with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Opened {
    server: ServerId,
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

/// Both ways to send the last step.
#[derive(Clone, Copy)]
struct Sending {
    add: ServerAction<AddTask>,
    change: ServerAction<ChangeTask>,
}

/// The wizard.
#[component]
pub fn Wizard(
    /// What it writes.
    #[prop(into)]
    target: Signal<Result<Target, Failure>>,
) -> impl IntoView {
    let send = Sending { add: ServerAction::new(), change: ServerAction::new() };
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
    let (server, task, base, version) = match target {
        Target::New(server) => (server, None, TaskForm::default(), None),
        Target::Edit(task) => {
            let (form, version, server) = task_form(task).await?;
            (server, Some(task), form, Some(version))
        }
    };
    let draft = Draft::read(base.clone(), version, search);
    let preview = preview_task(server, task, draft.form()).await?;
    let plan = match retention::question(&draft) {
        Some(form) => preview_retention(server, task, form).await?,
        None => None,
    };
    Ok(Opened { server, task, base, version, preview, plan })
}
