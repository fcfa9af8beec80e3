//! Users, sessions, signing in.

use super::Failure;
use domain::{
    Role, UserForm, UserId,
    view::people::{SessionLine, UserLine},
};
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use {
    super::{asked, settle, visit},
    crate::address::local,
    control::{Administer, View},
    domain::Error,
    leptos_axum::redirect,
};

/// Makes the first administrator, who is signed in then.
#[server(endpoint = "set_up")]
pub async fn set_up(token: String, name: String, password: String, again: String) -> Result<(), Failure> {
    same(&password, &again)?;
    let visit = visit()?;
    let form = UserForm { name, password, role: Role::Administrator.to_string() };
    let session = visit.control.set_up(token.trim(), &form, &visit.caller).await?;
    visit.signed_in(&session);
    redirect("/");
    Ok(())
}

/// Signs a user in, and goes to where the user was on the way to.
#[server(endpoint = "sign_in")]
pub async fn sign_in(name: String, password: String, next: String) -> Result<(), Failure> {
    let visit = visit()?;
    let session = visit.control.sign_in(&name, &password, &visit.caller).await?;
    visit.signed_in(&session);
    redirect(local(&next));
    Ok(())
}

/// Ends the session that asks.
#[server(endpoint = "sign_out")]
pub async fn sign_out() -> Result<(), Failure> {
    let visit = visit()?;
    if let Some(actor) = &visit.actor {
        visit.control.sign_out(actor).await?;
    }
    visit.signed_out();
    redirect("/sign-in");
    Ok(())
}

/// Sessions of whoever looks.
#[server(endpoint = "sessions")]
pub async fn sessions() -> Result<Vec<SessionLine>, Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.sessions(&permit).await?)
}

/// Ends another session of whoever looks.
#[server(endpoint = "revoke_session")]
pub async fn revoke_session(handle: String) -> Result<(), Failure> {
    let (control, permit) = asked::<View>().await?;
    Ok(control.revoke_session(&permit, &handle).await?)
}

/// Changes one's own password.
#[server(endpoint = "change_password")]
pub async fn change_password(current_password: String, password: String, again: String) -> Result<(), Failure> {
    let (control, permit) = asked::<View>().await?;
    same(&password, &again)?;
    control.change_password(&permit, &current_password, &password).await?;
    settle("/account");
    Ok(())
}

/// Every user.
#[server(endpoint = "users")]
pub async fn users() -> Result<Vec<UserLine>, Failure> {
    let (control, permit) = asked::<Administer>().await?;
    Ok(control.users(&permit).await?)
}

/// Adds a user, and tells the name.
#[server(endpoint = "add_user")]
pub async fn add_user(#[server(flatten)] form: UserForm, current_password: String) -> Result<String, Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.confirm_password(&permit, &current_password).await?;
    control.add_user(&permit, &form).await?;
    settle("/users");
    Ok(form.name.trim().into())
}

/// Gives a user another role, and tells which user.
#[server(endpoint = "change_role")]
pub async fn change_role(user: UserId, role: Role, current_password: String) -> Result<UserId, Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.confirm_password(&permit, &current_password).await?;
    control.change_role(&permit, user, role).await?;
    settle(&format!("/users?user={user}"));
    Ok(user)
}

/// Gives a user another password, and tells which user.
#[server(endpoint = "reset_password")]
pub async fn reset_password(user: UserId, password: String, current_password: String) -> Result<UserId, Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.confirm_password(&permit, &current_password).await?;
    control.reset_password(&permit, user, &password).await?;
    settle(&format!("/users?user={user}"));
    Ok(user)
}

/// Removes a user.
#[server(endpoint = "remove_user")]
pub async fn remove_user(user: UserId, current_password: String) -> Result<(), Failure> {
    let (control, permit) = asked::<Administer>().await?;
    control.confirm_password(&permit, &current_password).await?;
    control.remove_user(&permit, user).await?;
    settle("/users");
    Ok(())
}

/// A password is typed twice where nobody can read it back.
#[cfg(feature = "ssr")]
fn same(password: &str, again: &str) -> Result<(), Error> {
    if password == again { Ok(()) } else { Err(Error::invalid_field("again", "This is not the same password. Type it once more.")) }
}
