//! What retention deleted, and when it looked.

use crate::{
    AuditRecord, Catalog,
    sql::{Record, Row, sql, statements},
};
use domain::{DestinationId, Result, ServerId, Told};
use jiff::Timestamp;
use uuid::Uuid;

/// A chain that was deleted, or whose deletion was begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiredRecord {
    /// The server that it came from.
    pub server: ServerId,
    /// The destination.
    pub destination: DestinationId,
    /// The database.
    pub database: String,
    /// The chain's folder, from the root on.
    pub folder: String,
    /// The moment of its oldest backup.
    pub from_at: Timestamp,
    /// That of its newest one.
    pub to_at: Timestamp,
    /// How many there were.
    pub backups: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Why it went, a sentence.
    pub reason: String,
    /// Who asked for it; `console` if nobody did.
    pub actor: String,
    /// When the deletion began.
    pub began_at: Timestamp,
    /// When all of it was gone.
    pub ended_at: Option<Timestamp>,
    /// Why something of it is still there.
    pub error: Option<Told>,
}

/// When retention looked last at all that a server has at a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpiryRecord {
    /// The server.
    pub server: ServerId,
    /// The destination.
    pub destination: DestinationId,
    /// When it was tried last.
    pub tried_at: Timestamp,
    /// When it was carried through last.
    pub done_at: Option<Timestamp>,
    /// Chains that went at the last try.
    pub chains: u64,
    /// Their bytes.
    pub size_bytes: u64,
    /// Why it could not be carried through.
    pub error: Option<Told>,
}

statements! {
    BEGIN = "INSERT INTO expired
        (id, server_id, destination_id, database_name, folder, from_at, to_at, backups, size_bytes, reason, actor, began_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";
    END = "UPDATE expired SET ended_at = $2, error = $3 WHERE id = $1";
    FORGET_BACKUPS = "DELETE FROM backups WHERE destination_id = $1 AND folder = $2";
    FORGET_HOLD = "DELETE FROM holds WHERE destination_id = $1 AND folder = $2";
    OF_PLACE = "SELECT * FROM expired WHERE server_id = $1 AND destination_id = $2 ORDER BY began_at DESC, id DESC LIMIT $3";
    DELETE_BEFORE = "DELETE FROM expired WHERE began_at < $1";
    LOOKS = "SELECT * FROM expiries";
    LOOK = "SELECT * FROM expiries WHERE server_id = $1 AND destination_id = $2";
    LOOKED = "INSERT INTO expiries (server_id, destination_id, tried_at, done_at, chains, size_bytes, error)
        VALUES ($1, $2, $3, $4, $5, $6, $7)
        ON CONFLICT (server_id, destination_id) DO UPDATE SET tried_at = excluded.tried_at,
        done_at = coalesce(excluded.done_at, expiries.done_at), chains = excluded.chains, size_bytes = excluded.size_bytes,
        error = excluded.error";
}

impl Record for ExpiredRecord {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            server: row.get("server_id")?,
            destination: row.get("destination_id")?,
            database: row.get("database_name")?,
            folder: row.get("folder")?,
            from_at: row.get("from_at")?,
            to_at: row.get("to_at")?,
            backups: row.get("backups")?,
            size_bytes: row.get("size_bytes")?,
            reason: row.get("reason")?,
            actor: row.get("actor")?,
            began_at: row.get("began_at")?,
            ended_at: row.get("ended_at")?,
            error: row.get("error")?,
        })
    }
}

impl Record for ExpiryRecord {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            server: row.get("server_id")?,
            destination: row.get("destination_id")?,
            tried_at: row.get("tried_at")?,
            done_at: row.get("done_at")?,
            chains: row.get("chains")?,
            size_bytes: row.get("size_bytes")?,
            error: row.get("error")?,
        })
    }
}

impl Catalog {
    /// Writes down that a chain goes now and why, before anything of it does; the answer names the line.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`]; then nothing may go.
    pub async fn begin_expiry(&self, chain: &ExpiredRecord, audit: &AuditRecord) -> Result<String> {
        let (mut write, id) = (self.begin().await?, Uuid::now_v7().to_string());
        sql(BEGIN)
            .with(&id)
            .with(&chain.server)
            .with(&chain.destination)
            .with(&chain.database)
            .with(&chain.folder)
            .with(&chain.from_at)
            .with(&chain.to_at)
            .with(&chain.backups)
            .with(&chain.size_bytes)
            .with(&chain.reason)
            .with(&chain.actor)
            .with(&chain.began_at)
            .run(write.on())
            .await?;
        write.commit_with(audit).await?;
        Ok(id)
    }

    /// Writes down that all of a chain is gone. Its backups are known no more.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn end_expiry(&self, id: &str, chain: &ExpiredRecord, at: Timestamp) -> Result<()> {
        let mut write = self.begin().await?;
        sql(END).with(id).with(&Some(at)).with(&None::<Told>).run(write.on()).await?;
        sql(FORGET_BACKUPS).with(&chain.destination).with(&chain.folder).run(write.on()).await?;
        sql(FORGET_HOLD).with(&chain.destination).with(&chain.folder).run(write.on()).await?;
        write.commit().await
    }

    /// Writes down why something of a chain is still there.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn fail_expiry(&self, id: &str, error: &Told, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        sql(END).with(id).with(&None::<Timestamp>).with(&Some(error.clone())).run(write.on()).await?;
        write.commit_with(audit).await
    }

    /// What retention deleted of a server's backups at a destination, the newest deletion first.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn expired_of(&self, server: ServerId, destination: DestinationId, most: u64) -> Result<Vec<ExpiredRecord>> {
        sql(OF_PLACE).with(&server).with(&destination).with(&most).all(self.reader()).await
    }

    /// Forgets deletions older than `at`, and says how many there were.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn delete_expired_before(&self, at: Timestamp) -> Result<u64> {
        let mut write = self.begin().await?;
        let lines = sql(DELETE_BEFORE).with(&at).run(write.on()).await?;
        write.commit().await?;
        Ok(lines)
    }

    /// When retention looked last at each server's backups at each destination.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn expiries(&self) -> Result<Vec<ExpiryRecord>> {
        sql(LOOKS).all(self.reader()).await
    }

    /// The same of one server and one destination.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn expiry(&self, server: ServerId, destination: DestinationId) -> Result<Option<ExpiryRecord>> {
        sql(LOOK).with(&server).with(&destination).one(self.reader()).await
    }

    /// Writes down how a look went; when one was carried through last stays if this one was not.
    ///
    /// # Errors
    /// [`domain::Code::Conflict`] if server or destination was deleted meanwhile.
    pub async fn set_expiry(&self, look: &ExpiryRecord) -> Result<()> {
        let mut write = self.begin().await?;
        sql(LOOKED)
            .with(&look.server)
            .with(&look.destination)
            .with(&look.tried_at)
            .with(&look.done_at)
            .with(&look.chains)
            .with(&look.size_bytes)
            .with(&look.error)
            .run(write.on())
            .await?;
        write.commit().await
    }
}
