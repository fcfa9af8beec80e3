//! Users of the console.

use crate::{
    AuditRecord, Catalog,
    open::Write,
    sql::{Record, Row, missing, named, sql, statements},
};
use domain::{Code, Error, Result, Role, UserId};
use jiff::Timestamp;
use std::fmt;

/// A user, as stored.
#[derive(Clone, PartialEq, Eq)]
pub struct UserRecord {
    /// Identifier.
    pub id: UserId,
    /// Name.
    pub name: String,
    /// What the user may do.
    pub role: Role,
    /// Hash of the password, with its salt and costs.
    pub password_hash: String,
    /// When the user was added.
    pub created_at: Timestamp,
    /// When the user last signed in.
    pub signed_in_at: Option<Timestamp>,
}

/// Never shows the hash.
impl fmt::Debug for UserRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserRecord").field("id", &self.id).field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

statements! {
    LIST = "SELECT * FROM users ORDER BY name";
    ONE = "SELECT * FROM users WHERE id = $1";
    BY_NAME = "SELECT * FROM users WHERE name = $1";
    COUNT = "SELECT count(*) FROM users";
    ADMINISTRATORS = "SELECT count(*) FROM users WHERE role = 'administrator'";
    INSERT = "INSERT INTO users (id, name, role, password_hash, created_at, signed_in_at) VALUES ($1, $2, $3, $4, $5, $6)";
    UPDATE = "UPDATE users SET name = $2, role = $3, password_hash = $4 WHERE id = $1";
    SIGNED_IN = "UPDATE users SET signed_in_at = $2 WHERE id = $1";
    DELETE = "DELETE FROM users WHERE id = $1";
}

impl Record for UserRecord {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            role: row.get("role")?,
            password_hash: row.get("password_hash")?,
            created_at: row.get("created_at")?,
            signed_in_at: row.get("signed_in_at")?,
        })
    }
}

impl Catalog {
    /// All users, by name.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn users(&self) -> Result<Vec<UserRecord>> {
        sql(LIST).all(self.reader()).await
    }

    /// One user.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn user(&self, id: UserId) -> Result<UserRecord> {
        sql(ONE).with(&id).one(self.reader()).await?.ok_or_else(|| missing("user"))
    }

    /// The user of this name, if there is one.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn user_by_name(&self, name: &str) -> Result<Option<UserRecord>> {
        sql(BY_NAME).with(name).one(self.reader()).await
    }

    /// How many users there are.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn count_users(&self) -> Result<u64> {
        sql(COUNT).count(self.reader()).await
    }

    /// Adds a user.
    ///
    /// # Errors
    /// [`Code::Invalid`] at the field `name`, if that is in use.
    pub async fn insert_user(&self, record: &UserRecord, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        sql(INSERT)
            .with(&record.id)
            .with(&record.name)
            .with(&record.role)
            .with(&record.password_hash)
            .with(&record.created_at)
            .with(&record.signed_in_at)
            .run(write.on())
            .await
            .map_err(|error| named("user", error))?;
        write.commit_with(audit).await
    }

    /// Changes name, role and password of a user.
    ///
    /// # Errors
    /// [`Code::Forbidden`] if no administrator would be left; [`Code::NotFound`]; [`Code::Invalid`] at the field `name`.
    pub async fn update_user(&self, record: &UserRecord, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        let statement = sql(UPDATE).with(&record.id).with(&record.name).with(&record.role).with(&record.password_hash);
        if statement.run(write.on()).await.map_err(|error| named("user", error))? == 0 {
            return Err(missing("user"));
        }
        one_administrator_left(&mut write).await?;
        write.commit_with(audit).await
    }

    /// Writes down that a user signed in.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn set_signed_in(&self, id: UserId, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        if sql(SIGNED_IN).with(&id).with(&audit.at).run(write.on()).await? == 0 {
            return Err(missing("user"));
        }
        write.commit_with(audit).await
    }

    /// Removes a user with all sessions.
    ///
    /// # Errors
    /// [`Code::Forbidden`] if no administrator would be left; [`Code::NotFound`].
    pub async fn delete_user(&self, id: UserId, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        if sql(DELETE).with(&id).run(write.on()).await? == 0 {
            return Err(missing("user"));
        }
        one_administrator_left(&mut write).await?;
        write.commit_with(audit).await
    }
}

/// Asked inside the transaction, so that two administrators cannot demote each other at the same moment.
async fn one_administrator_left(write: &mut Write) -> Result<()> {
    match sql(ADMINISTRATORS).count(write.on()).await? {
        0 => Err(Error::new(Code::Forbidden, "This is the last administrator.", "Make somebody else an administrator first.")),
        _ => Ok(()),
    }
}
