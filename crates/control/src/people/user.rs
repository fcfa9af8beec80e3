//! Users. Before any of them changes, an administrator's own password is needed again.

use crate::{Administer, Control, Permit, View};
use catalog::UserRecord;
use domain::{Error, Result, Role, UserForm, UserId, view::people::UserLine};
use jiff::Timestamp;
use uuid::Uuid;

const PAGE: &str = "/users";

/// Why the password is asked for once more.
const WHY: &str = "This changes who may use the console.";

impl Control {
    /// All users, by name.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn users(&self, permit: &Permit<Administer>) -> Result<Vec<UserLine>> {
        let you = permit.actor().id();
        let line = |user: UserRecord| UserLine {
            id: user.id,
            name: user.name,
            role: user.role,
            created_at: user.created_at,
            signed_in_at: user.signed_in_at,
            is_you: user.id == you,
        };
        Ok(self.catalog.users().await?.into_iter().map(line).collect())
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`domain::Code::Invalid`] for the form; [`domain::Code::Forbidden`] at the field `current_password`.
    pub async fn add_user(&self, permit: &Permit<Administer>, form: &UserForm) -> Result<UserId> {
        let now = Timestamp::now();
        self.ensure_fresh(permit, WHY, now)?;
        let (name, role) = form.check()?;
        let id = UserId::new(Uuid::now_v7());
        let password_hash = self.people.passwords.hash(&form.password).await?;
        let user = UserRecord { id, name, role, password_hash, created_at: now, signed_in_at: None };
        let audit = permit.audit("user added", &user.name, Some(PAGE.into()), format!("Role: {role}."));
        self.catalog.insert_user(&user, &audit).await?;
        Ok(id)
    }

    /// Gives a user another role, and ends the user's sessions (of one's own, all others).
    ///
    /// # Errors
    /// [`domain::Code::Forbidden`] for the last administrator, or at the field `current_password`.
    pub async fn change_role(&self, permit: &Permit<Administer>, id: UserId, role: Role) -> Result<()> {
        self.ensure_fresh(permit, WHY, Timestamp::now())?;
        let _changing = self.people.changing.lock().await;
        let mut user = self.catalog.user(id).await?;
        if user.role == role {
            return Ok(());
        }
        let detail = format!("From {} to {role}.", user.role);
        user.role = role;
        self.catalog.update_user(&user, &permit.audit("role changed", &user.name, Some(PAGE.into()), detail)).await?;
        self.end_sessions(permit, id).await
    }

    /// Removes a user and ends the user's sessions.
    ///
    /// # Errors
    /// [`domain::Code::Forbidden`] for the last administrator, or at the field `current_password`.
    pub async fn remove_user(&self, permit: &Permit<Administer>, id: UserId) -> Result<()> {
        self.ensure_fresh(permit, WHY, Timestamp::now())?;
        let user = self.catalog.user(id).await?;
        let audit = permit.audit("user removed", &user.name, Some(PAGE.into()), format!("Role: {}.", user.role));
        self.catalog.delete_user(id, &audit).await?;
        self.sessions_were_ended();
        Ok(())
    }

    /// Gives a user another password, and ends the user's sessions (of one's own, all others).
    ///
    /// # Errors
    /// [`domain::Code::Invalid`] at the field `password`; [`domain::Code::Forbidden`] at the field `current_password`.
    pub async fn reset_password(&self, permit: &Permit<Administer>, id: UserId, password: &str) -> Result<()> {
        self.ensure_fresh(permit, WHY, Timestamp::now())?;
        self.set_password(permit, id, password, "password reset").await
    }

    /// Changes the actor's own password, and ends all other sessions.
    ///
    /// # Errors
    /// [`domain::Code::Forbidden`] at the field `current_password`, [`domain::Code::Invalid`] at the field `password`.
    pub async fn change_password(&self, permit: &Permit<View>, old: &str, new: &str) -> Result<()> {
        self.check_password(permit, old, Timestamp::now()).await?;
        self.set_password(permit, permit.actor().id(), new, "password changed").await
    }

    async fn set_password(&self, permit: &Permit<View>, id: UserId, password: &str, action: &str) -> Result<()> {
        check_password(password)?;
        let password_hash = self.people.passwords.hash(password).await?;
        let _changing = self.people.changing.lock().await;
        let user = UserRecord { password_hash, ..self.catalog.user(id).await? };
        self.catalog.update_user(&user, &permit.audit(action, &user.name, Some(PAGE.into()), "")).await?;
        self.end_sessions(permit, id).await
    }

    async fn end_sessions(&self, permit: &Permit<View>, user: UserId) -> Result<()> {
        let actor = permit.actor();
        self.catalog.delete_sessions_of(user, (actor.id() == user).then_some(actor.token_hash())).await?;
        self.sessions_were_ended();
        Ok(())
    }
}

/// What the form of a new user asks of a password.
fn check_password(password: &str) -> Result<()> {
    let form = UserForm { name: "user".into(), password: password.into(), ..UserForm::default() };
    form.check().map(drop).map_err(|error| match error.told().field("password") {
        Some(sentence) => Error::invalid_field("password", sentence),
        None => error,
    })
}
