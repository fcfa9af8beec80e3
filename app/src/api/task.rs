//! Tasks.

use super::Failure;
use domain::{
    BackupKind, RoundId, ServerId, TaskForm, TaskId,
    view::{
        retention::{Freed, RetentionView},
        task::{TaskPreview, TaskView},
    },
};
use jiff::Timestamp;
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use {
    super::asked,
    control::{Administer, OneDatabase, Operate, View},
    leptos_axum::redirect,
};

/// A task with its databases and rounds.
#[server(endpoint = "task")]
pub async fn task(task: TaskId) -> Result<TaskView, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.task(&permit, task).await?)
}

/// A task as its form shows it, and the number of that edit.
#[server(ReadTaskForm, endpoint = "task_form")]
pub async fn task_form(task: TaskId) -> Result<(TaskForm, i64), Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.task_form(&permit, task).await?)
}

/// What a task would do if it were as the form says, or one round that no task stands behind.
#[server(endpoint = "preview_task")]
pub async fn preview_task(task: Option<TaskId>, form: TaskForm, once: bool) -> Result<TaskPreview, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.preview_task(&permit, task, &form, once).await?)
}

/// What a task's rule would delete of what lies at its destination, if the task were as the form says.
#[server(endpoint = "preview_retention")]
pub async fn preview_retention(task: Option<TaskId>, form: TaskForm) -> Result<Option<RetentionView>, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.preview_retention(&permit, task, &form).await?)
}

/// A task, and what its rule deletes of what lies at its destination if it is applied now.
#[server(endpoint = "retention_plan")]
pub async fn retention_plan(task: TaskId) -> Result<(TaskView, RetentionView), Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok((control.task(&permit, task).await?, control.retention_plan(&permit, task).await?))
}

/// Deletes what the plan that was seen deletes.
#[server(endpoint = "apply_retention")]
pub async fn apply_retention(task: TaskId, seen: String) -> Result<Freed, Failure> {
    let (control, permit) = asked::<Operate>().await?;
    Ok(control.apply_retention(&permit, task, &seen).await?)
}

/// Adds a task, and goes to it.
#[server(endpoint = "add_task")]
pub async fn add_task(#[server(flatten)] form: TaskForm) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    let task = control.add_task(&permit, &form).await?;
    redirect(&format!("/tasks/{task}"));
    Ok(())
}

/// Changes the edit of a task that `version` names, and goes to the task. Who changes who can read its backups gives the own
/// password once more.
#[server(endpoint = "change_task")]
pub async fn change_task(task: TaskId, version: i64, #[server(flatten)] form: TaskForm, current_password: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.confirm_password(&permit, &current_password).await?;
    control.change_task(&permit, task, version, &form).await?;
    redirect(&format!("/tasks/{task}"));
    Ok(())
}

/// Lets a task follow its schedule, or not.
#[server(endpoint = "enable_task")]
pub async fn enable_task(task: TaskId, enabled: bool) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    Ok(control.enable_task(&permit, task, enabled).await?)
}

/// Deletes a task whose name was typed, and goes to its server.
#[server(endpoint = "remove_task")]
pub async fn remove_task(task: TaskId, server: ServerId, typed_name: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.remove_task(&permit, task, &typed_name).await?;
    redirect(&format!("/servers/{server}"));
    Ok(())
}

/// Starts a round of a task now, or of one of its databases, and goes to it. Without a kind it is the usual one of the task; without
/// a server, the one of the task that has such a database.
#[server(endpoint = "back_up_now")]
pub async fn back_up_now(
    task: TaskId,
    server: Option<ServerId>,
    database: Option<String>,
    kind: Option<BackupKind>,
) -> Result<RoundId, Failure> {
    let (control, permit) = asked::<Operate>().await?;
    let only = database.map(|name| OneDatabase { server, name });
    let round = control.back_up_now(&permit, task, only, kind).await?;
    redirect(&format!("/rounds/{round}"));
    Ok(round)
}

/// Starts a round that no task stands behind, and goes to it.
#[server(endpoint = "back_up_once")]
pub async fn back_up_once(#[server(flatten)] form: TaskForm) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    let round = control.back_up_once(&permit, &form).await?;
    redirect(&format!("/rounds/{round}"));
    Ok(())
}

/// Puts off the next time of a task, which whoever asks takes to be `due`; by no minutes, puts it back.
#[server(endpoint = "delay_task")]
pub async fn delay_task(task: TaskId, due: Timestamp, minutes: u32) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    Ok(control.delay_task(&permit, task, due, minutes).await?)
}
