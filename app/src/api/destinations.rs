//! Destinations.

use super::Failure;
use domain::{DestinationForm, DestinationId, view::destination::DestinationView};
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use {
    super::{asked, settle},
    control::{Administer, View},
    leptos_axum::redirect,
};

/// Every destination.
#[server(endpoint = "destinations", client = crate::api::client::Browser)]
pub async fn destinations() -> Result<Vec<DestinationView>, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.destinations(&permit).await?)
}

/// One destination.
#[server(endpoint = "destination")]
pub async fn destination(id: DestinationId) -> Result<DestinationView, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.destination(&permit, id).await?)
}

/// Tries a destination: what the place can do, a sentence.
#[server(endpoint = "probe_destination")]
pub async fn probe_destination(form: DestinationForm) -> Result<String, Failure> {
    let (control, permit) = asked::<Administer>().await?;
    Ok(control.probe_destination(&permit, &form).await?)
}

/// Adds a destination, and goes to it.
#[server(endpoint = "add_destination")]
pub async fn add_destination(#[server(flatten)] form: DestinationForm) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    let id = control.add_destination(&permit, &form).await?;
    redirect(&format!("/destinations/{id}"));
    Ok(())
}

/// Changes the edit of a destination that `version` names.
#[server(endpoint = "change_destination")]
pub async fn change_destination(id: DestinationId, version: i64, #[server(flatten)] form: DestinationForm) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.change_destination(&permit, id, version, &form).await?;
    settle(&format!("/destinations/{id}"));
    Ok(())
}

/// Removes a destination whose name was typed; the files stay.
#[server(endpoint = "remove_destination")]
pub async fn remove_destination(id: DestinationId, typed_name: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.remove_destination(&permit, id, &typed_name).await?;
    redirect("/destinations");
    Ok(())
}
