//! Settings of the console.

use super::Failure;
use domain::view::people::{SettingsForm, SettingsView};
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use {
    super::{asked, settle},
    control::Administer,
};

/// The settings, and how the background work is.
#[server(endpoint = "settings")]
pub async fn settings() -> Result<SettingsView, Failure> {
    let (control, permit) = asked::<Administer>().await?;
    Ok(control.settings(&permit).await?)
}

/// Changes the edit of the settings that `version` names.
#[server(endpoint = "change_settings")]
pub async fn change_settings(version: i64, #[server(flatten)] form: SettingsForm) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.change_settings(&permit, version, &form).await?;
    settle("/settings");
    Ok(())
}

/// Trusts what another installation signed.
#[server(endpoint = "accept_instance")]
pub async fn accept_instance(accept: String, current_password: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.confirm_password(&permit, &current_password).await?;
    control.accept_instance(&permit, &accept).await?;
    settle("/settings");
    Ok(())
}
