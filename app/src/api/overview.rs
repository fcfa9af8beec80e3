//! The first page.

use super::Failure;
use domain::{ServerId, view::overview::Overview};
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use {
    super::asked,
    control::{Administer, View},
    leptos_axum::redirect,
};

/// Is everything backed up?
#[server(ReadOverview, endpoint = "overview", client = crate::api::client::Browser)]
pub async fn overview() -> Result<Overview, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.overview(&permit).await?)
}

/// Adds the sample databases as a server, and goes to it.
#[server(endpoint = "add_sample")]
pub async fn add_sample() -> Result<ServerId, Failure> {
    let (control, permit) = asked::<Administer>().await?;
    let server = control.add_sample(&permit).await?;
    redirect(&format!("/servers/{server}"));
    Ok(server)
}
