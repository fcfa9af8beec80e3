//! Servers and their databases.

use super::Failure;
use domain::{
    ServerForm, ServerId,
    view::{
        Page,
        server::{DatabaseLine, DatabaseQuery, ServerLine, ServerProbe, ServerView},
        slot::SlotsView,
    },
};
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use {
    super::asked,
    control::{Administer, Operate, View},
    leptos_axum::redirect,
};

/// All servers, by name.
#[server(endpoint = "servers", client = crate::api::client::Browser)]
pub async fn servers() -> Result<Vec<ServerLine>, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.servers(&permit).await?)
}

/// A server with its settings and newest rounds.
#[server(endpoint = "server", client = crate::api::client::Browser)]
pub async fn server(server: ServerId) -> Result<ServerView, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.server(&permit, server).await?)
}

/// A page of a server's databases.
#[server(endpoint = "databases", client = crate::api::client::Browser)]
pub async fn databases(server: ServerId, query: DatabaseQuery) -> Result<Page<DatabaseLine>, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.databases(&permit, server, &query).await?)
}

/// The replication slots of ours on a server, asked for now.
#[server(endpoint = "slots", client = crate::api::client::Browser)]
pub async fn slots(server: ServerId) -> Result<SlotsView, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.slots(&permit, server).await?)
}

/// Drops a replication slot whose database's name was typed, and goes back to the others.
#[server(endpoint = "drop_slot")]
pub async fn drop_slot(server: ServerId, slot: String, typed_name: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.drop_slot(&permit, server, &slot, &typed_name).await?;
    redirect(&format!("/servers/{server}/slots"));
    Ok(())
}

/// Tries to connect as a form says; with `server`, an empty password is the one that is stored for it.
#[server(endpoint = "probe_server")]
pub async fn probe_server(
    #[server(default)] server: Option<ServerId>,
    #[server(flatten)] form: ServerForm,
) -> Result<ServerProbe, Failure> {
    let (control, permit) = asked::<Administer>().await?;
    Ok(control.probe_server(&permit, &form, server).await?)
}

/// Adds a server, and goes to it.
#[server(endpoint = "add_server")]
pub async fn add_server(#[server(flatten)] form: ServerForm) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    let server = control.add_server(&permit, &form).await?;
    redirect(&format!("/servers/{server}"));
    Ok(())
}

/// Changes the edit of a server that `version` names, and goes to the server.
#[server(endpoint = "change_server")]
pub async fn change_server(server: ServerId, version: i64, #[server(flatten)] form: ServerForm) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.change_server(&permit, server, version, &form).await?;
    redirect(&format!("/servers/{server}"));
    Ok(())
}

/// Forgets a server whose name was typed, and goes to the list.
#[server(endpoint = "remove_server")]
pub async fn remove_server(server: ServerId, typed_name: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.remove_server(&permit, server, &typed_name).await?;
    redirect("/servers");
    Ok(())
}

/// Looks at a server now.
#[server(endpoint = "look")]
pub async fn look(server: ServerId) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    Ok(control.look(&permit, server).await?)
}
