//! What repositories hold: a copy for fast answers.
//!
//! Two write here. Readings of a repository say what is there; runs and verifications say how far it is proven. Neither knows
//! of the other, so what each found wrong is kept apart: a reading takes back what readings found, and only a verification
//! that passes takes back what a verification found.

use crate::{
    Catalog, DestinationRecord,
    open::Write,
    sql::{Record, Row, sql, statements},
};
use domain::{Dbms, DestinationId, Label, Result};
use jiff::Timestamp;
use std::collections::HashMap;

/// A backup, as it is known.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupRecord {
    /// The destination.
    pub destination: DestinationId,
    /// Its chain's folder, from the root on.
    pub folder: String,
    /// Label.
    pub label: Label,
    /// The database.
    pub database: String,
    /// The server that it came from, as its manifest names it.
    pub server_name: Option<String>,
    /// What stays the same while it is the same server.
    pub server_instance: Option<String>,
    /// That server's kind.
    pub dbms: Option<Dbms>,
    /// Its moment.
    pub at: Timestamp,
    /// Bytes stored.
    pub size_bytes: Option<u64>,
    /// Rows of all tables.
    pub rows: Option<u64>,
    /// Bytes of its rows and definitions, before they were sealed.
    pub plain_bytes: Option<u64>,
    /// Why it is suspicious, a sentence.
    pub suspicion: Option<String>,
    /// The task that ordered it; none for the command line.
    pub task_name: Option<String>,
    /// Why it cannot be used, as the last reading of the repository found.
    pub read_fault: Option<String>,
    /// Why it cannot be used, as the last verification of it found. A reading never changes it.
    pub verify_fault: Option<String>,
    /// Whether its signer is trusted here.
    pub trusted: bool,
    /// When its bytes were last read back: by the run that made it, or by a verification since. A reading of the repository
    /// gives the backup's own moment.
    pub checked_at: Timestamp,
    /// When a restore of it was last proven equal.
    pub proven_at: Option<Timestamp>,
}

impl BackupRecord {
    /// Why it cannot be used, whoever found that.
    #[must_use]
    pub fn fault(&self) -> Option<&str> {
        self.read_fault.as_deref().or(self.verify_fault.as_deref())
    }
}

/// What is known of the good backups of one database: trusted ones without a fault, and not suspicious.
#[derive(Clone, Debug, PartialEq)]
pub struct BackupFacts {
    /// The server's instance.
    pub instance: String,
    /// The database.
    pub database: String,
    /// The server's name when they were made.
    pub server_name: Option<String>,
    /// How many there are.
    pub points: u64,
    /// The newest one's moment, or when the database was last found to be as it is in it.
    pub last_good: Timestamp,
    /// When a restore of one was last proven equal.
    pub last_proven: Option<Timestamp>,
    /// A destination that holds some: the youngest destination, if several do.
    pub destination: DestinationId,
}

impl BackupFacts {
    /// The same together with others of the database.
    #[must_use]
    pub fn with(self, other: &Self) -> Self {
        Self {
            points: self.points + other.points,
            last_good: self.last_good.max(other.last_good),
            last_proven: self.last_proven.max(other.last_proven),
            destination: self.destination.max(other.destination),
            ..self
        }
    }
}

/// What a destination holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceRecord {
    /// The destination.
    pub destination: DestinationId,
    /// Bytes of all backups.
    pub bytes: u64,
    /// Backups.
    pub backups: u64,
    /// Databases that have some.
    pub databases: u64,
}

statements! {
    OF_DESTINATION = "SELECT * FROM backups WHERE destination_id = $1 ORDER BY database_name, at DESC, folder";
    OF_DATABASE = "SELECT * FROM backups WHERE destination_id = $1 AND database_name = $2 ORDER BY at DESC, folder";
    FACTS = "SELECT server_instance, database_name, server_name, count(*) AS points, max(coalesce(current_at, at)) AS last_good,
        max(proven_at) AS last_proven, max(destination_id) AS destination_id FROM backups
        WHERE trusted AND read_fault IS NULL AND verify_fault IS NULL AND suspicion IS NULL AND server_instance IS NOT NULL
        GROUP BY server_instance, database_name, server_name";
    FACTS_OF_INSTANCE = "SELECT server_instance, database_name, server_name, count(*) AS points, max(coalesce(current_at, at)) AS last_good,
        max(proven_at) AS last_proven, max(destination_id) AS destination_id FROM backups
        WHERE trusted AND read_fault IS NULL AND verify_fault IS NULL AND suspicion IS NULL AND server_instance = $1
        GROUP BY server_instance, database_name, server_name";
    SUSPICIOUS = "SELECT * FROM backups WHERE suspicion IS NOT NULL AND trusted AND read_fault IS NULL AND verify_fault IS NULL
        AND NOT EXISTS (SELECT 1 FROM backups AS newer WHERE newer.destination_id = backups.destination_id
            AND newer.database_name = backups.database_name AND newer.server_instance = backups.server_instance
            AND newer.at > backups.at)
        ORDER BY at DESC, folder";
    COUNT_AT = "SELECT count(*) FROM backups WHERE destination_id = $1";
    SPACE = "SELECT destination_id, CAST(coalesce(sum(bytes), 0) AS BIGINT) AS bytes, CAST(sum(backups) AS BIGINT) AS backups,
        count(*) AS databases
        FROM (SELECT destination_id, sum(size_bytes) AS bytes, count(*) AS backups FROM backups
            GROUP BY destination_id, database_name) AS each_database
        GROUP BY destination_id";
    UPSERT = "INSERT INTO backups
        (destination_id, folder, label, database_name, server_name, server_instance, dbms, at, size_bytes, row_count, task_name,
        read_fault, verify_fault, trusted, checked_at, proven_at, plain_bytes, suspicion)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
        ON CONFLICT (destination_id, folder, label) DO UPDATE SET database_name = excluded.database_name,
        server_name = excluded.server_name, server_instance = excluded.server_instance, dbms = excluded.dbms, at = excluded.at,
        size_bytes = excluded.size_bytes, row_count = excluded.row_count, task_name = excluded.task_name,
        read_fault = excluded.read_fault, trusted = excluded.trusted,
        plain_bytes = excluded.plain_bytes, suspicion = excluded.suspicion,
        checked_at = CASE WHEN backups.checked_at > excluded.checked_at THEN backups.checked_at ELSE excluded.checked_at END,
        proven_at = CASE WHEN excluded.proven_at IS NULL OR backups.proven_at > excluded.proven_at THEN backups.proven_at
            ELSE excluded.proven_at END";
    VANISHED = "DELETE FROM backups WHERE destination_id = $1 AND folder = $2 AND label = $3 AND checked_at <= $4";
    PROVEN = "UPDATE backups SET proven_at = $4, checked_at = $4, read_fault = NULL, verify_fault = NULL
        WHERE destination_id = $1 AND folder = $2 AND label = $3";
    CURRENT = "UPDATE backups SET current_at = $4 WHERE destination_id = $1 AND folder = $2 AND label = $3";
    CHECKED = "UPDATE backups SET checked_at = $4, read_fault = NULL, verify_fault = NULL
        WHERE destination_id = $1 AND folder = $2 AND label = $3";
    FAULT = "UPDATE backups SET checked_at = $4, verify_fault = $5 WHERE destination_id = $1 AND folder = $2 AND label = $3";
}

impl Record for BackupRecord {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            destination: row.get("destination_id")?,
            folder: row.get("folder")?,
            label: row.get("label")?,
            database: row.get("database_name")?,
            server_name: row.get("server_name")?,
            server_instance: row.get("server_instance")?,
            dbms: row.get("dbms")?,
            at: row.get("at")?,
            size_bytes: row.get("size_bytes")?,
            rows: row.get("row_count")?,
            plain_bytes: row.get("plain_bytes")?,
            suspicion: row.get("suspicion")?,
            task_name: row.get("task_name")?,
            read_fault: row.get("read_fault")?,
            verify_fault: row.get("verify_fault")?,
            trusted: row.get("trusted")?,
            checked_at: row.get("checked_at")?,
            proven_at: row.get("proven_at")?,
        })
    }
}

impl Record for BackupFacts {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            instance: row.get("server_instance")?,
            database: row.get("database_name")?,
            server_name: row.get("server_name")?,
            points: row.get("points")?,
            last_good: row.get("last_good")?,
            last_proven: row.get("last_proven")?,
            destination: row.get("destination_id")?,
        })
    }
}

impl Record for SpaceRecord {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            destination: row.get("destination_id")?,
            bytes: row.get("bytes")?,
            backups: row.get("backups")?,
            databases: row.get("databases")?,
        })
    }
}

impl Catalog {
    /// Backups at a destination, by database, newest first; of one database if one is named.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn backups_of(&self, destination: DestinationId, database: Option<&str>) -> Result<Vec<BackupRecord>> {
        match database {
            Some(database) => sql(OF_DATABASE).with(&destination).with(database).all(self.reader()).await,
            None => sql(OF_DESTINATION).with(&destination).all(self.reader()).await,
        }
    }

    /// Whether any backup is known at a destination.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn knows_backups_at(&self, destination: DestinationId) -> Result<bool> {
        Ok(sql(COUNT_AT).with(&destination).count(self.reader()).await? > 0)
    }

    /// What is known of the good backups of each database of a server, wherever they are and whoever made them: one answer
    /// for each name that the server had when they were made.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn backup_facts(&self, server_instance: &str) -> Result<Vec<BackupFacts>> {
        sql(FACTS_OF_INSTANCE).with(server_instance).all(self.reader()).await
    }

    /// The same for all servers, in one question.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn all_backup_facts(&self) -> Result<Vec<BackupFacts>> {
        sql(FACTS).all(self.reader()).await
    }

    /// The newest backup of each database at each destination where that one is suspicious.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn suspicious_backups(&self) -> Result<Vec<BackupRecord>> {
        sql(SUSPICIOUS).all(self.reader()).await
    }

    /// What each destination holds. A destination without backups is not in the answer.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn space_per_destination(&self) -> Result<Vec<SpaceRecord>> {
        sql(SPACE).all(self.reader()).await
    }

    /// Takes over what a reading of a destination's repository found; it began at `as_of`. What it did not find is forgotten,
    /// unless it was made or verified after that. Only what differs is written, so that a large repository does not hold up
    /// others. Nothing is taken over from a place that is not the destination's any more.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn replace_backups(&self, read: &DestinationRecord, found: &[BackupRecord], as_of: Timestamp) -> Result<()> {
        let known = self.backups_of(read.id, None).await?;
        let mut known: HashMap<_, _> = known.iter().map(|backup| ((backup.folder.as_str(), backup.label), backup)).collect();
        let news: Vec<_> = found
            .iter()
            .filter(|backup| known.remove(&(backup.folder.as_str(), backup.label)).is_none_or(|known| says_more(backup, known)))
            .collect();
        if news.is_empty() && known.is_empty() {
            return Ok(());
        }
        let mut write = self.begin().await?;
        if !write.is_place_of(read).await? {
            return Ok(());
        }
        for backup in news {
            upsert(&mut write, backup).await?;
        }
        for ((folder, label), _) in known {
            sql(VANISHED).with(&read.id).with(folder).with(&label).with(&as_of).run(write.on()).await?;
        }
        write.commit().await
    }

    /// Adds a backup, or what is new about a known one. A check or a proof that is newer stays.
    ///
    /// # Errors
    /// [`domain::Code::Conflict`] if the destination was deleted meanwhile.
    pub async fn upsert_backup(&self, backup: &BackupRecord) -> Result<()> {
        let mut write = self.begin().await?;
        upsert(&mut write, backup).await?;
        write.commit().await
    }

    /// Writes down that a restore of a backup was proven equal. Does nothing if the backup is not known.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn set_proven(&self, destination: DestinationId, folder: &str, label: Label, at: Timestamp) -> Result<()> {
        let mut write = self.begin().await?;
        sql(PROVEN).with(&destination).with(folder).with(&label).with(&at).run(write.on()).await?;
        write.commit().await
    }

    /// Writes down that the database was still as it is in this backup.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn set_current(&self, destination: DestinationId, folder: &str, label: Label, now: Timestamp) -> Result<()> {
        let mut write = self.begin().await?;
        sql(CURRENT).with(&destination).with(folder).with(&label).with(&now).run(write.on()).await?;
        write.commit().await
    }

    /// Writes down that the bytes of a backup were read back and are right. Does nothing if the backup is not known.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn set_checked(&self, destination: DestinationId, folder: &str, label: Label, at: Timestamp) -> Result<()> {
        let mut write = self.begin().await?;
        sql(CHECKED).with(&destination).with(folder).with(&label).with(&at).run(write.on()).await?;
        write.commit().await
    }

    /// Writes down what a verification found wrong with a backup. Does nothing if the backup is not known.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn set_fault(&self, destination: DestinationId, folder: &str, label: Label, fault: &str, at: Timestamp) -> Result<()> {
        let mut write = self.begin().await?;
        sql(FAULT).with(&destination).with(folder).with(&label).with(&at).with(fault).run(write.on()).await?;
        write.commit().await
    }
}

/// Whether a reading tells something that is not known. Moments of checks and proofs that are older are not news, and what a
/// verification found is not for a reading to say.
fn says_more(found: &BackupRecord, known: &BackupRecord) -> bool {
    let same_but_proof = BackupRecord {
        checked_at: found.checked_at.max(known.checked_at),
        proven_at: found.proven_at.max(known.proven_at),
        verify_fault: known.verify_fault.clone(),
        ..found.clone()
    };
    same_but_proof != *known
}

async fn upsert(write: &mut Write, backup: &BackupRecord) -> Result<()> {
    sql(UPSERT)
        .with(&backup.destination)
        .with(&backup.folder)
        .with(&backup.label)
        .with(&backup.database)
        .with(&backup.server_name)
        .with(&backup.server_instance)
        .with(&backup.dbms)
        .with(&backup.at)
        .with(&backup.size_bytes)
        .with(&backup.rows)
        .with(&backup.task_name)
        .with(&backup.read_fault)
        .with(&backup.verify_fault)
        .with(&backup.trusted)
        .with(&backup.checked_at)
        .with(&backup.proven_at)
        .with(&backup.plain_bytes)
        .with(&backup.suspicion)
        .run(write.on())
        .await?;
    Ok(())
}
