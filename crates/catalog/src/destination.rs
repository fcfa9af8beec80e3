//! Destinations.

use crate::{
    AuditRecord, Catalog,
    open::Write,
    sql::{Record, Row, changed, missing, named, sql, statements},
};
use domain::{Code, Destination, DestinationId, Error, Result, Told};
use jiff::Timestamp;

/// A destination, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct DestinationRecord {
    /// Identifier.
    pub id: DestinationId,
    /// Name.
    pub name: String,
    /// Where it is.
    pub destination: Destination,
    /// Note.
    pub note: String,
    /// Number of the edit.
    pub version: i64,
    /// When it was added.
    pub created_at: Timestamp,
    /// When its repository was last read.
    pub read_at: Option<Timestamp>,
    /// Why that failed, if it did.
    pub read_error: Option<Told>,
}

statements! {
    LIST = "SELECT * FROM destinations ORDER BY name";
    ONE = "SELECT * FROM destinations WHERE id = $1";
    INSERT = "INSERT INTO destinations (id, name, destination, note, version, created_at, read_at, read_error)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    UPDATE = "UPDATE destinations SET name = $3, destination = $4, note = $5, version = version + 1 WHERE id = $1 AND version = $2";
    FORGET_BACKUPS = "DELETE FROM backups WHERE destination_id = $1";
    UNREAD = "UPDATE destinations SET read_at = NULL, read_error = NULL WHERE id = $1";
    AT_PLACE = "SELECT count(*) FROM destinations WHERE id = $1 AND destination = $2";
    READ = "UPDATE destinations SET read_at = $3, read_error = $4 WHERE id = $1 AND destination = $2";
    DELETE = "DELETE FROM destinations WHERE id = $1";
    TASKS = "SELECT count(*) FROM tasks WHERE destination_id = $1";
    OPEN_RUNS = "SELECT count(*) FROM runs WHERE state IN ('queued', 'running') AND destination_id = $1";
}

impl Record for DestinationRecord {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            destination: row.get("destination")?,
            note: row.get("note")?,
            version: row.get("version")?,
            created_at: row.get("created_at")?,
            read_at: row.get("read_at")?,
            read_error: row.get("read_error")?,
        })
    }
}

impl Write {
    /// Whether a destination is at the place that this record of it names.
    pub(crate) async fn is_place_of(&mut self, record: &DestinationRecord) -> Result<bool> {
        Ok(sql(AT_PLACE).with(&record.id).with(&record.destination).count(self.on()).await? > 0)
    }
}

impl Catalog {
    /// All destinations, by name.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn destinations(&self) -> Result<Vec<DestinationRecord>> {
        sql(LIST).all(self.reader()).await
    }

    /// One destination.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn destination(&self, id: DestinationId) -> Result<DestinationRecord> {
        sql(ONE).with(&id).one(self.reader()).await?.ok_or_else(|| missing("destination"))
    }

    /// Adds a destination.
    ///
    /// # Errors
    /// [`Code::Invalid`] at the field `name`, if that is in use.
    pub async fn insert_destination(&self, record: &DestinationRecord, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        sql(INSERT)
            .with(&record.id)
            .with(&record.name)
            .with(&record.destination)
            .with(&record.note)
            .with(&record.version)
            .with(&record.created_at)
            .with(&record.read_at)
            .with(&record.read_error)
            .run(write.on())
            .await
            .map_err(|error| named("destination", error))?;
        write.commit_with(audit).await
    }

    /// Changes name, place and note. `record.version` is the number of the edit that the change was begun from; the stored
    /// one counts on. What is known of the backups at another place is forgotten, until the new one is read.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it was changed meanwhile, [`Code::NotFound`], or [`Code::Invalid`] at the field `name`.
    pub async fn update_destination(&self, record: &DestinationRecord, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        let is_place = write.is_place_of(record).await?;
        let done = sql(UPDATE)
            .with(&record.id)
            .with(&record.version)
            .with(&record.name)
            .with(&record.destination)
            .with(&record.note)
            .run(write.on())
            .await
            .map_err(|error| named("destination", error))?;
        if done == 0 {
            sql(ONE).with(&record.id).one::<DestinationRecord>(write.on()).await?.ok_or_else(|| missing("destination"))?;
            return Err(changed("destination"));
        }
        if !is_place {
            sql(FORGET_BACKUPS).with(&record.id).run(write.on()).await?;
            sql(UNREAD).with(&record.id).run(write.on()).await?;
        }
        write.commit_with(audit).await
    }

    /// Forgets a destination and what is known of its backups. The backups stay where they are.
    ///
    /// # Errors
    /// [`Code::Busy`] while tasks write to it or runs use it; [`Code::NotFound`].
    pub async fn delete_destination(&self, id: DestinationId, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        if sql(TASKS).with(&id).count(write.on()).await? > 0 {
            let next_step = "Let them write to another destination first, or delete them.";
            return Err(Error::new(Code::Busy, "Tasks still write to this destination.", next_step));
        }
        if sql(OPEN_RUNS).with(&id).count(write.on()).await? > 0 {
            return Err(Error::new(Code::Busy, "Runs still use this destination.", "Wait for them, or abort them first."));
        }
        if sql(DELETE).with(&id).run(write.on()).await? == 0 {
            return Err(missing("destination"));
        }
        write.commit_with(audit).await
    }

    /// Writes down when the destination's repository was read, and why that failed, if it did.
    ///
    /// # Errors
    /// [`Code::NotFound`], also if it is at another place by now.
    pub async fn set_read(&self, read: &DestinationRecord, at: Timestamp, error: Option<&Told>) -> Result<()> {
        let mut write = self.begin().await?;
        let statement = sql(READ).with(&read.id).with(&read.destination).with(&at);
        if statement.with(&error.cloned()).run(write.on()).await? == 0 {
            return Err(missing("destination"));
        }
        write.commit().await
    }
}
