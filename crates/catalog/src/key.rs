//! Keys that archives are sealed for: the public halves.

use crate::{
    AuditRecord, Catalog,
    sql::{Record, Row, changed, missing, named, sql, statements},
};
use domain::{Code, Error, KeyId, Result};
use jiff::Timestamp;

/// A key, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRecord {
    /// Identifier.
    pub id: KeyId,
    /// Name.
    pub name: String,
    /// What tells it from all others.
    pub fingerprint: String,
    /// The public half, as text.
    pub public_key: String,
    /// How a passphrase becomes the private half; none for any other key.
    pub derivation: Option<serde_json::Value>,
    /// Note.
    pub note: String,
    /// Number of the edit.
    pub version: i64,
    /// When it was added.
    pub created_at: Timestamp,
    /// When somebody proved last that the private half is at hand, if anybody did.
    pub proven_at: Option<Timestamp>,
}

statements! {
    LIST = "SELECT * FROM keys ORDER BY name";
    ONE = "SELECT * FROM keys WHERE id = $1";
    KNOWN = "SELECT count(*) FROM keys WHERE fingerprint = $1";
    INSERT = "INSERT INTO keys (id, name, fingerprint, public_key, derivation, note, version, created_at, proven_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
    UPDATE = "UPDATE keys SET name = $3, note = $4, version = version + 1 WHERE id = $1 AND version = $2";
    PROVEN = "UPDATE keys SET proven_at = $2 WHERE id = $1";
    USED = "SELECT count(*) FROM task_keys WHERE key_id = $1";
    DELETE = "DELETE FROM keys WHERE id = $1";
}

impl Record for KeyRecord {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            fingerprint: row.get("fingerprint")?,
            public_key: row.get("public_key")?,
            derivation: row.get("derivation")?,
            note: row.get("note")?,
            version: row.get("version")?,
            created_at: row.get("created_at")?,
            proven_at: row.get("proven_at")?,
        })
    }
}

impl Catalog {
    /// All keys, by name.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn keys(&self) -> Result<Vec<KeyRecord>> {
        sql(LIST).all(self.reader()).await
    }

    /// One key.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn key(&self, id: KeyId) -> Result<KeyRecord> {
        sql(ONE).with(&id).one(self.reader()).await?.ok_or_else(|| missing("key"))
    }

    /// Adds a key.
    ///
    /// # Errors
    /// [`Code::Invalid`] at the field `name`, if that is in use, or `public_key`, if the key is there already.
    pub async fn insert_key(&self, record: &KeyRecord, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        if sql(KNOWN).with(&record.fingerprint).count(write.on()).await? > 0 {
            return Err(Error::invalid_field("public_key", "This key is there already."));
        }
        sql(INSERT)
            .with(&record.id)
            .with(&record.name)
            .with(&record.fingerprint)
            .with(&record.public_key)
            .with(&record.derivation)
            .with(&record.note)
            .with(&record.version)
            .with(&record.created_at)
            .with(&record.proven_at)
            .run(write.on())
            .await
            .map_err(|error| named("key", error))?;
        write.commit_with(audit).await
    }

    /// Changes name and note. `record.version` is the number of the edit that the change was begun from; the stored one
    /// counts on.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it was changed meanwhile, [`Code::NotFound`], or [`Code::Invalid`] at the field `name`.
    pub async fn update_key(&self, record: &KeyRecord, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        let statement = sql(UPDATE).with(&record.id).with(&record.version).with(&record.name).with(&record.note);
        if statement.run(write.on()).await.map_err(|error| named("key", error))? == 0 {
            sql(ONE).with(&record.id).one::<KeyRecord>(write.on()).await?.ok_or_else(|| missing("key"))?;
            return Err(changed("key"));
        }
        write.commit_with(audit).await
    }

    /// Writes down that somebody proved that the private half is at hand.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn set_key_proven(&self, id: KeyId, at: Timestamp, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        if sql(PROVEN).with(&id).with(&at).run(write.on()).await? == 0 {
            return Err(missing("key"));
        }
        write.commit_with(audit).await
    }

    /// Forgets a key. What was sealed for it stays sealed for it.
    ///
    /// # Errors
    /// [`Code::Busy`] while tasks seal for it; [`Code::NotFound`].
    pub async fn delete_key(&self, id: KeyId, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        if sql(USED).with(&id).count(write.on()).await? > 0 {
            let next_step = "Let them seal for another key first, or delete them.";
            return Err(Error::new(Code::Busy, "Tasks still seal their backups for this key.", next_step));
        }
        if sql(DELETE).with(&id).run(write.on()).await? == 0 {
            return Err(missing("key"));
        }
        write.commit_with(audit).await
    }
}
