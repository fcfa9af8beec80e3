//! The first administrator, made by whoever can read what the process prints or the data directory holds.

use super::{Caller, SignedIn, attempts::Key, lock};
use crate::{Control, safe::random};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use catalog::UserRecord;
use domain::{Code, Error, Result, Role, Secret, UserForm, UserId};
use jiff::Timestamp;
use std::{
    fs::{self, OpenOptions},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Mutex,
};
use subtle::ConstantTimeEq;
use uuid::Uuid;

const FILE: &str = "setup-token";

/// The one-time token, while there is no user.
pub struct Setup {
    file: PathBuf,
    token: Mutex<Option<Secret<String>>>,
}

impl Setup {
    /// Makes a new token if one is needed, and removes what an earlier process left.
    pub fn open(data_dir: &Path, needed: bool) -> Result<Self> {
        let setup = Self { file: data_dir.join(FILE), token: Mutex::default() };
        setup.remove_file()?;
        if needed {
            let token = new_token()?;
            setup.write_file(&token)?;
            *lock(&setup.token) = Some(token);
        }
        Ok(setup)
    }

    fn write_file(&self, token: &Secret<String>) -> Result<()> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.file);
        file.and_then(|mut file| writeln!(file, "{}", token.expose())).map_err(|error| self.failed("cannot be written", error))
    }

    fn remove_file(&self) -> Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.failed("cannot be removed", error)),
            _ => Ok(()),
        }
    }

    fn failed(&self, what: &str, error: std::io::Error) -> Error {
        let sentence = format!("{} in the data directory {what}: {error}.", self.file.display());
        Error::new(Code::DataDir, sentence, "Mend the permissions of the data directory.")
    }

    /// Whether this is the token. Takes as long wherever it differs.
    fn accepts(&self, token: &str) -> bool {
        lock(&self.token).as_ref().is_some_and(|right| right.expose().as_bytes().ct_eq(token.trim().as_bytes()).into())
    }
}

/// 256 bits from the operating system, as text that fits into a cookie or an address.
pub fn new_token() -> Result<Secret<String>> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    random(bytes.as_mut())?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
}

impl Control {
    /// Whether the console has no user yet.
    #[must_use]
    pub fn needs_setup(&self) -> bool {
        lock(&self.people.setup.token).is_some()
    }

    /// The token that makes the first administrator, while there is none. It lies in the file `setup-token` of the data directory too.
    #[must_use]
    pub fn setup_token(&self) -> Option<Secret<String>> {
        lock(&self.people.setup.token).clone()
    }

    /// Makes the first administrator and signs them in. The role of the form does not count.
    ///
    /// # Errors
    /// [`Code::Forbidden`] at the field `token`, [`Code::Invalid`] for the form, [`Code::TooMany`], or [`Code::Conflict`] once there is a user.
    pub async fn set_up(&self, token: &str, form: &UserForm, caller: &Caller) -> Result<SignedIn> {
        self.set_up_at(token, form, caller, Timestamp::now()).await
    }

    pub(crate) async fn set_up_at(&self, token: &str, form: &UserForm, caller: &Caller, now: Timestamp) -> Result<SignedIn> {
        if !self.needs_setup() {
            return Err(already_set_up());
        }
        let keys = [Key::address(&caller.address)];
        self.people.begin(&keys, now)?;
        if !self.people.setup.accepts(token) {
            return Err(wrong_token());
        }
        lock(&self.people.attempts).succeeded(&keys);
        let (name, _) = UserForm { role: Role::Administrator.to_string(), ..form.clone() }.check()?;
        let user = UserRecord {
            id: UserId::new(Uuid::now_v7()),
            name,
            role: Role::Administrator,
            password_hash: self.people.passwords.hash(&form.password).await?,
            created_at: now,
            signed_in_at: None,
        };
        let Some(token) = lock(&self.people.setup.token).take() else { return Err(already_set_up()) };
        if let Err(error) = self.catalog.insert_user(&user, &caller.audit(user.name.clone(), "first administrator set up", now)).await {
            *lock(&self.people.setup.token) = Some(token);
            return Err(error);
        }
        // The token is worth nothing any more; that its file may stay is no reason to fail.
        if let Err(error) = self.people.setup.remove_file() {
            tracing::warn!(?error, "The file with the used set-up token stays.");
        }
        self.begin_session(&user, caller, now).await
    }
}

fn already_set_up() -> Error {
    Error::new(
        Code::Conflict,
        "The console has its first administrator already.",
        "Sign in, or ask the administrator for a user of your own.",
    )
}

fn wrong_token() -> Error {
    Error::new(
        Code::Forbidden,
        "This is not the set-up token of this start of the console.",
        "Copy it from what the console printed when it started, or from the file setup-token in its data directory.",
    )
    .at_field("token")
}
