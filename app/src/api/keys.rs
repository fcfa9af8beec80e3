//! Keys that archives are sealed for.

use super::Failure;
use domain::{
    DestinationId, KeyForm, KeyId,
    view::key::{KeyView, SealedView},
};
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use {
    super::{asked, settle},
    crate::address::{local, with_pairs},
    control::{Administer, Operate, View},
    leptos_axum::redirect,
};

/// Every key.
#[server(endpoint = "keys")]
pub async fn keys() -> Result<Vec<KeyView>, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.keys(&permit).await?)
}

/// One key.
#[server(endpoint = "key")]
pub async fn key(id: KeyId) -> Result<KeyView, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.key(&permit, id).await?)
}

/// Fingerprint of the console, which belongs on every recovery sheet.
#[server(endpoint = "instance_fingerprint")]
pub async fn instance_fingerprint() -> Result<String, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.instance_fingerprint(&permit))
}

/// Adds a key, and goes to it; or back to the wizard that it was made for, which seals for it then.
#[server(endpoint = "add_key")]
pub async fn add_key(#[server(flatten)] form: KeyForm, current_password: String, back: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.confirm_password(&permit, &current_password).await?;
    let id = control.add_key(&permit, &form).await?;
    if back.is_empty() {
        redirect(&format!("/keys/{id}"));
    } else {
        redirect(&with_pairs(local(&back), [("encryption", "sealed".to_owned()), ("recipients", id.to_string())]));
    }
    Ok(())
}

/// Changes name and note of the edit of a key that `version` names.
#[server(endpoint = "change_key")]
pub async fn change_key(id: KeyId, version: i64, name: String, note: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.change_key(&permit, id, version, &name, &note).await?;
    settle(&format!("/keys/{id}"));
    Ok(())
}

/// Removes a key whose name was typed.
#[server(endpoint = "remove_key")]
pub async fn remove_key(id: KeyId, typed_name: String, current_password: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.confirm_password(&permit, &current_password).await?;
    control.remove_key(&permit, id, &typed_name).await?;
    redirect("/keys");
    Ok(())
}

/// Asks whoever has a key to show it.
#[server(endpoint = "ask_drill")]
pub async fn ask_drill(id: KeyId) -> Result<String, Failure> {
    let (control, permit) = asked::<Operate>().await?;
    Ok(control.ask_drill(&permit, id).await?)
}

/// Takes the answer.
#[server(endpoint = "answer_drill")]
pub async fn answer_drill(id: KeyId, answer: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Operate>().await?;
    Ok(control.answer_drill(&permit, id, &answer).await?)
}

/// What a sealed restore point begins with, for the browser to open; none for one that is not sealed.
#[server(endpoint = "sealed_point")]
pub async fn sealed_point(
    destination: DestinationId,
    database: String,
    point: String,
    origin: String,
) -> Result<Option<SealedView>, Failure> {
    let (control, permit) = asked::<Operate>().await?;
    let origin = Some(origin).filter(|origin| !origin.is_empty());
    Ok(control.sealed_point(&permit, destination, &database, &point, origin).await?)
}
