//! Chains that somebody pinned.

use crate::{
    AuditRecord, Catalog,
    sql::{Record, Row, missing, sql, statements},
};
use domain::{DestinationId, Result};
use jiff::Timestamp;

/// A chain that stays until it is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoldRecord {
    /// The destination.
    pub destination: DestinationId,
    /// The chain's folder, from the root on.
    pub folder: String,
    /// What for.
    pub note: String,
    /// Who pinned it.
    pub held_by: String,
    /// When.
    pub held_at: Timestamp,
}

statements! {
    OF_DESTINATION = "SELECT * FROM holds WHERE destination_id = $1 ORDER BY folder";
    UPSERT = "INSERT INTO holds (destination_id, folder, note, held_by, held_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (destination_id, folder) DO UPDATE SET note = excluded.note, held_by = excluded.held_by, held_at = excluded.held_at";
    DELETE = "DELETE FROM holds WHERE destination_id = $1 AND folder = $2";
}

impl Record for HoldRecord {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            destination: row.get("destination_id")?,
            folder: row.get("folder")?,
            note: row.get("note")?,
            held_by: row.get("held_by")?,
            held_at: row.get("held_at")?,
        })
    }
}

impl Catalog {
    /// Chains that are held at a destination.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn holds_at(&self, destination: DestinationId) -> Result<Vec<HoldRecord>> {
        sql(OF_DESTINATION).with(&destination).all(self.reader()).await
    }

    /// Pins a chain, or says anew what for.
    ///
    /// # Errors
    /// [`domain::Code::Conflict`] if the destination was deleted meanwhile.
    pub async fn hold(&self, hold: &HoldRecord, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        sql(UPSERT)
            .with(&hold.destination)
            .with(&hold.folder)
            .with(&hold.note)
            .with(&hold.held_by)
            .with(&hold.held_at)
            .run(write.on())
            .await?;
        write.commit_with(audit).await
    }

    /// Lets a chain go when its time comes.
    ///
    /// # Errors
    /// [`domain::Code::NotFound`] if it is not held.
    pub async fn release(&self, destination: DestinationId, folder: &str, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        if sql(DELETE).with(&destination).with(folder).run(write.on()).await? == 0 {
            return Err(missing("held chain"));
        }
        write.commit_with(audit).await
    }
}
