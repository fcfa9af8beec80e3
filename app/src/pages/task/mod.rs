//! Tasks: one of them, and the wizard that writes them.

mod databases;
mod one;
mod wizard;
mod words;

use crate::{
    address::param,
    api::task::{BackUpNow, EnableTask, RemoveTask, task},
    loaded::loaded_page,
};
use domain::{ServerId, TaskId};
use leptos::prelude::*;
use one::One;
use wizard::{Target, Wizard};

/// A task: how safe its databases are, its order, and its rounds.
#[component]
pub fn TaskPage() -> impl IntoView {
    let id = param::<TaskId>("id");
    let back_up = ServerAction::<BackUpNow>::new();
    let enable = ServerAction::<EnableTask>::new();
    let remove = ServerAction::<RemoveTask>::new();
    let view = Resource::new_blocking(move || (id.get(), enable.version().get()), |(id, _)| async move { task(id?).await });
    loaded_page(view, move |view| view! { <One view back_up enable remove/> }.into_any())
}

/// The wizard for a new task.
#[component]
pub fn TaskNew() -> impl IntoView {
    let id = param::<ServerId>("id");
    view! { <Wizard target=Signal::derive(move || id.get().map(Target::New))/> }
}

/// The wizard for a task that is there.
#[component]
pub fn TaskEdit() -> impl IntoView {
    let id = param::<TaskId>("id");
    view! { <Wizard target=Signal::derive(move || id.get().map(Target::Edit))/> }
}
