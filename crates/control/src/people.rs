//! Who may use the console: signing in, sessions, users.

mod attempts;
mod password;
mod session;
mod setup;
mod user;

use crate::{Control, Permit, View};
use attempts::{Attempts, Key};
use catalog::{AuditRecord, Catalog};
use domain::{Code, Error, Result, Secret, view::Viewer};
use jiff::Timestamp;
use password::Passwords;
use session::Confirmed;
pub(crate) use session::{IDLE, LONGEST};
use setup::Setup;
use std::{
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;

/// Where a request to sign in came from.
#[derive(Clone, Debug, Default)]
pub struct Caller {
    /// Network address.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
}

impl Caller {
    /// A line of the audit log for what was done by, or under the name of, somebody who is not signed in.
    fn audit(&self, actor: String, action: &str, at: Timestamp) -> AuditRecord {
        let address = self.address.clone();
        AuditRecord { at, subject: actor.clone(), actor, address, action: action.into(), path: None, detail: String::new() }
    }
}

/// Somebody has signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// What the browser is to show from now on. It is kept nowhere here.
    pub token: Secret<String>,
}

/// What signing in needs beside the catalog.
pub(crate) struct People {
    passwords: Passwords,
    attempts: Mutex<Attempts>,
    setup: Setup,
    confirmed: Mutex<Confirmed>,
    /// Held from reading a user to writing it, so that a new password does not bring an old role back.
    changing: tokio::sync::Mutex<()>,
    /// Counts how often sessions were ended, so that what is still being answered in one looks whether it is meant.
    ended: watch::Sender<u64>,
}

impl People {
    pub(crate) async fn open(catalog: &Catalog, data_dir: &Path) -> Result<Self> {
        let setup = Setup::open(data_dir, catalog.count_users().await? == 0)?;
        let (attempts, confirmed, changing, ended) = Default::default();
        Ok(Self { passwords: Passwords::new()?, attempts, setup, confirmed, changing, ended })
    }

    fn begin(&self, keys: &[Key], now: Timestamp) -> Result<()> {
        // The name is not logged: it may be a password in the wrong field.
        let address = keys.iter().find_map(Key::as_address);
        lock(&self.attempts)
            .begin(keys, now)
            .inspect_err(|_| tracing::warn!(address, "An attempt to sign in was refused unseen: too many failed."))
    }

    /// Compares a password, as one attempt for all of these keys.
    async fn judge(&self, keys: &[Key], password: &str, hash: Option<&str>, now: Timestamp) -> Result<bool> {
        self.begin(keys, now)?;
        let judged = self.passwords.matches(password, hash).await;
        match judged {
            Ok(true) => lock(&self.attempts).succeeded(keys),
            Ok(false) => {}
            Err(_) => lock(&self.attempts).take_back(keys),
        }
        judged
    }
}

/// A panic elsewhere left counters behind that are still right: each change of them is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Control {
    /// Signs a user in.
    ///
    /// # Errors
    /// [`Code::AuthFailed`], the same for a name that is unknown and a password that is wrong; [`Code::TooMany`] with how long to wait.
    pub async fn sign_in(&self, name: &str, password: &str, caller: &Caller) -> Result<SignedIn> {
        self.sign_in_at(name, password, caller, Timestamp::now()).await
    }

    pub(crate) async fn sign_in_at(&self, name: &str, password: &str, caller: &Caller, now: Timestamp) -> Result<SignedIn> {
        let name = name.trim();
        let user = self.catalog.user_by_name(name).await?;
        let keys = [Key::address(&caller.address), Key::name(name)];
        let hash = user.as_ref().map(|user| user.password_hash.as_str());
        let is_right = self.people.judge(&keys, password, hash, now).await?;
        match user {
            Some(user) if is_right => self.begin_session(&user, caller, now).await,
            user => {
                // A name that nobody has may be a password in the wrong field: it is not written down.
                let actor = user.map_or_else(|| "unknown name".into(), |user| user.name);
                self.catalog.append_audit(&caller.audit(actor, "sign-in refused", now)).await?;
                Err(refused())
            }
        }
    }

    /// Who looks, and what the frame of every page needs.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn viewer(&self, permit: &Permit<View>) -> Result<Viewer> {
        let actor = permit.actor();
        Ok(Viewer {
            id: actor.id(),
            name: actor.name().into(),
            role: actor.role(),
            version: self.version.into(),
            failing: self.catalog.failing_count().await?,
        })
    }
}

fn refused() -> Error {
    Error::new(Code::AuthFailed, "Name and password do not belong together.", "Check both, and mind upper and lower case.")
}
