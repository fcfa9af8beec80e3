//! Restores.

use super::Failure;
use domain::{
    RestoreForm,
    view::{backup::FolderQuery, restore::RestorePreview},
};
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use {
    super::asked,
    control::{Administer, Operate},
    leptos_axum::redirect,
};

/// What there is to choose from, and what the restore would do; at its `end`, also whether the server has what
/// it needs, which of a sealed backup is known only with its data key.
#[server(endpoint = "preview_restore")]
pub async fn preview_restore(
    form: RestoreForm,
    folders: FolderQuery,
    end: bool,
    data_key: Option<String>,
) -> Result<RestorePreview, Failure> {
    let (control, permit) = asked::<Operate>().await?;
    let preview =
        if end { control.review_restore(&permit, &form, data_key).await } else { control.preview_restore(&permit, &form, &folders).await };
    Ok(preview?)
}

/// Starts a restore, and goes to its run. Of a sealed backup the browser sends its data key along, which opens that one archive.
#[server(endpoint = "start_restore")]
pub async fn start_restore(#[server(flatten)] form: RestoreForm, data_key: Option<String>) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    let run = control.restore(&permit, &form, data_key.filter(|key| !key.is_empty())).await?;
    redirect(&format!("/runs/{run}"));
    Ok(())
}
