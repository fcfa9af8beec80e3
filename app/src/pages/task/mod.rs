//! Tasks: one of them, and the wizard that writes them.

mod databases;
mod delay;
mod one;
mod plan;
mod retention;
mod wizard;
mod words;

use crate::{
    address::param,
    api::task::{ApplyRetention, BackUpNow, DelayTask, EnableTask, RemoveTask, retention_plan, task},
    loaded::loaded_page,
};
pub use delay::HowLong;
use domain::{ServerId, TaskId};
use leptos::prelude::*;
use one::One;
use retention::Apply;
use wizard::{Target, Wizard};
pub use words::list;

/// A task: how safe its databases are, its order, and its rounds.
#[component]
pub fn TaskPage() -> impl IntoView {
    let id = param::<TaskId>("id");
    let back_up = ServerAction::<BackUpNow>::new();
    let enable = ServerAction::<EnableTask>::new();
    let remove = ServerAction::<RemoveTask>::new();
    let delay = ServerAction::<DelayTask>::new();
    let view = Resource::new_blocking(
        move || (id.get(), enable.version().get(), delay.version().get()),
        |(id, ..)| async move { task(id?).await },
    );
    loaded_page(view, move |view| view! { <One view back_up enable delay remove/> }.into_any())
}

/// What a task's retention deletes if it is applied now.
#[component]
pub fn TaskRetention() -> impl IntoView {
    let id = param::<TaskId>("id");
    let apply = ServerAction::<ApplyRetention>::new();
    let view = Resource::new_blocking(move || (id.get(), apply.version().get()), |(id, _)| async move { retention_plan(id?).await });
    loaded_page(view, move |(task, plan)| view! { <Apply task plan apply/> }.into_any())
}

/// The wizard for a new task.
#[component]
pub fn TaskNew() -> impl IntoView {
    let id = param::<ServerId>("id");
    view! { <Wizard target=Signal::derive(move || id.get().map(Target::New))/> }
}

/// The same for one round that no task stands behind.
#[component]
pub fn TaskOnce() -> impl IntoView {
    let id = param::<ServerId>("id");
    view! { <Wizard target=Signal::derive(move || id.get().map(Target::Once))/> }
}

/// The wizard for a new task that begins as another one is.
#[component]
pub fn TaskCopy() -> impl IntoView {
    let id = param::<TaskId>("id");
    view! { <Wizard target=Signal::derive(move || id.get().map(Target::Copy))/> }
}

/// The wizard for a task that is there.
#[component]
pub fn TaskEdit() -> impl IntoView {
    let id = param::<TaskId>("id");
    view! { <Wizard target=Signal::derive(move || id.get().map(Target::Edit))/> }
}
