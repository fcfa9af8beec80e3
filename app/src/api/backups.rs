//! What lies under a root.

use super::Failure;
use domain::{
    DestinationId,
    view::{
        backup::{FolderQuery, FolderView, RootView},
        download::{DownloadQuery, DownloadView},
    },
};
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use {
    super::{asked, settle},
    control::{Operate, View},
    leptos_axum::redirect,
};

/// The database folders under a destination's root.
#[server(endpoint = "root")]
pub async fn root(destination: DestinationId, query: FolderQuery) -> Result<RootView, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.root(&permit, destination, &query).await?)
}

/// One database folder with its chains and restore points.
#[server(endpoint = "folder")]
pub async fn folder(destination: DestinationId, database: String) -> Result<FolderView, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.folder(&permit, destination, &database).await?)
}

/// Pins a chain, so that it is not deleted until it is released, and goes back to the backups.
#[server(endpoint = "hold_chain")]
pub async fn hold_chain(destination: DestinationId, folder: String, note: String, back: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    control.hold_chain(&permit, destination, &folder, &note).await?;
    redirect(crate::address::local(&back));
    Ok(())
}

/// Lets a chain that was pinned go when its time comes, and goes back to the backups.
#[server(endpoint = "release_chain")]
pub async fn release_chain(destination: DestinationId, folder: String, back: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    control.release_chain(&permit, destination, &folder).await?;
    redirect(crate::address::local(&back));
    Ok(())
}

/// Reads a root again, for backups that another process made.
#[server(endpoint = "read_again")]
pub async fn read_again(destination: DestinationId) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    Ok(control.read_again(&permit, destination).await?)
}

/// Starts to read a backup back, and goes to that run. `label` may have the folder of its chain and a slash before it, which
/// tells it from another server's backup with the same label. Of a sealed backup, its data key lets the content be looked at.
#[server(endpoint = "verify_now")]
pub async fn verify_now(destination: DestinationId, database: String, label: String, data_key: Option<String>) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    let (folder, label) = label.rsplit_once('/').map_or((None, label.as_str()), |(folder, label)| (Some(folder), label));
    let run = control.verify_now(&permit, destination, &database, label, folder, data_key.filter(|key| !key.is_empty())).await?;
    redirect(&format!("/runs/{run}"));
    Ok(())
}

/// A restore point with all that a restore of it needs, to be taken out of the console.
#[server(endpoint = "download")]
pub async fn download(destination: DestinationId, query: DownloadQuery) -> Result<DownloadView, Failure> {
    let (control, permit) = asked::<Operate>().await?;
    Ok(control.download_view(&permit, destination, &query).await?)
}

/// Takes the password that a download needs, and goes back to its page.
#[server(endpoint = "allow_download")]
pub async fn allow_download(current_password: String, back: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    control.allow_download(&permit, &current_password).await?;
    settle(crate::address::local(&back));
    Ok(())
}
