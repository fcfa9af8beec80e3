//! Servers.

use crate::{
    AuditRecord, Catalog,
    sql::{Record, Row, changed, missing, named, sql, statements},
};
use domain::{Code, Error, Result, Server, ServerId, view::server::Sighting};
use jiff::Timestamp;

/// A server, as it is stored.
#[derive(Clone, Debug)]
pub struct ServerRecord {
    /// Identifier.
    pub id: ServerId,
    /// Name and connection, without the password.
    pub server: Server,
    /// The password, sealed with a key that the catalog does not have.
    pub sealed_password: Option<String>,
    /// Runs at once, if set.
    pub jobs: Option<u16>,
    /// Note.
    pub note: String,
    /// Number of the edit.
    pub version: i64,
    /// When it was added.
    pub created_at: Timestamp,
    /// What the last look found.
    pub seen: Option<Sighting>,
    /// What stays the same while it is the same server: how its backups are recognised.
    pub instance: Option<String>,
    /// What encrypts its files, as it said when it was reached last.
    pub encrypted_at_rest: Option<String>,
}

statements! {
    LIST = "SELECT * FROM servers ORDER BY name";
    ONE = "SELECT * FROM servers WHERE id = $1";
    INSERT = "INSERT INTO servers
        (id, name, connection, sealed_password, jobs, note, version, created_at, seen_at, seen_version, seen_error, seen_instance, seen_encryption,
        most_held_bytes)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
    UPDATE = "UPDATE servers SET name = $3, connection = $4, sealed_password = $5, jobs = $6, note = $7, most_held_bytes = $8, version = version + 1
        WHERE id = $1 AND version = $2";
    SEEN = "UPDATE servers SET seen_at = $2, seen_version = $3, seen_error = $4, seen_instance = coalesce($5, seen_instance),
        seen_encryption = CASE WHEN CAST($5 AS TEXT) IS NULL THEN seen_encryption ELSE CAST($6 AS TEXT) END
        WHERE id = $1";
    DELETE = "DELETE FROM servers WHERE id = $1";
    TASKS = "SELECT tasks.name FROM task_servers JOIN tasks ON tasks.id = task_servers.task_id WHERE task_servers.server_id = $1
        ORDER BY tasks.name";
    OPEN_RUNS = "SELECT count(*) FROM runs WHERE state IN ('queued', 'running') AND server_id = $1";
}

/// The name of a task.
struct TaskName(String);

impl Record for TaskName {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self(row.get("name")?))
    }
}

impl Record for ServerRecord {
    fn read(row: &Row) -> Result<Self> {
        let seen_at: Option<Timestamp> = row.get("seen_at")?;
        let seen = match seen_at {
            Some(at) => Some(Sighting { at, version: row.get("seen_version")?, error: row.get("seen_error")? }),
            None => None,
        };
        Ok(Self {
            id: row.get("id")?,
            server: Server { name: row.get("name")?, connection: row.get("connection")?, most_held_bytes: row.get("most_held_bytes")? },
            sealed_password: row.get("sealed_password")?,
            jobs: row.get("jobs")?,
            note: row.get("note")?,
            version: row.get("version")?,
            created_at: row.get("created_at")?,
            seen,
            instance: row.get("seen_instance")?,
            encrypted_at_rest: row.get("seen_encryption")?,
        })
    }
}

impl Catalog {
    /// All servers, by name.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn servers(&self) -> Result<Vec<ServerRecord>> {
        sql(LIST).all(self.reader()).await
    }

    /// One server.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn server(&self, id: ServerId) -> Result<ServerRecord> {
        sql(ONE).with(&id).one(self.reader()).await?.ok_or_else(|| missing("server"))
    }

    /// Adds a server.
    ///
    /// # Errors
    /// [`Code::Invalid`] at the field `name`, if that is in use.
    pub async fn insert_server(&self, record: &ServerRecord, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        let seen = record.seen.as_ref();
        sql(INSERT)
            .with(&record.id)
            .with(&record.server.name)
            .with(&record.server.connection)
            .with(&record.sealed_password)
            .with(&record.jobs)
            .with(&record.note)
            .with(&record.version)
            .with(&record.created_at)
            .with(&seen.map(|seen| seen.at))
            .with(&seen.and_then(|seen| seen.version.clone()))
            .with(&seen.and_then(|seen| seen.error.clone()))
            .with(&record.instance)
            .with(&record.encrypted_at_rest)
            .with(&record.server.most_held_bytes)
            .run(write.on())
            .await
            .map_err(|error| named("server", error))?;
        write.commit_with(audit).await
    }

    /// Changes name, connection, limit, password, jobs and note. `record.version` is the number of the edit that the change was
    /// begun from; the stored one counts on.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it was changed meanwhile, [`Code::NotFound`], or [`Code::Invalid`] at the field `name`.
    pub async fn update_server(&self, record: &ServerRecord, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        let done = sql(UPDATE)
            .with(&record.id)
            .with(&record.version)
            .with(&record.server.name)
            .with(&record.server.connection)
            .with(&record.sealed_password)
            .with(&record.jobs)
            .with(&record.note)
            .with(&record.server.most_held_bytes)
            .run(write.on())
            .await
            .map_err(|error| named("server", error))?;
        if done == 0 {
            sql(ONE).with(&record.id).one::<ServerRecord>(write.on()).await?.ok_or_else(|| missing("server"))?;
            return Err(changed("server"));
        }
        write.commit_with(audit).await
    }

    /// Forgets a server with its databases and runs, and the rounds that were of this server alone. Backups stay where they are.
    ///
    /// # Errors
    /// [`Code::Busy`] while a task, which is named, covers it, or runs of it have not ended; [`Code::NotFound`].
    pub async fn delete_server(&self, id: ServerId, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        if let Some(TaskName(task)) = sql(TASKS).with(&id).all(write.on()).await?.into_iter().next() {
            let sentence = format!("The task {task:?} still covers this server.");
            return Err(Error::new(Code::Busy, sentence, "Take the server out of it, or delete the task first."));
        }
        if sql(OPEN_RUNS).with(&id).count(write.on()).await? > 0 {
            return Err(Error::new(Code::Busy, "The server still has runs under way.", "Wait for them, or abort them first."));
        }
        write.delete_rounds_of(id).await?;
        if sql(DELETE).with(&id).run(write.on()).await? == 0 {
            return Err(missing("server"));
        }
        write.commit_with(audit).await
    }

    /// Writes down what a look at a server found. Without an instance (the server was not reached) the known one stays.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn set_seen(&self, id: ServerId, seen: &Sighting, found: Option<(&str, Option<&str>)>) -> Result<()> {
        let mut write = self.begin().await?;
        let statement = sql(SEEN).with(&id).with(&seen.at).with(&seen.version).with(&seen.error);
        let (instance, encryption) =
            (found.map(|(instance, _)| instance.to_owned()), found.and_then(|(_, encryption)| encryption.map(String::from)));
        if statement.with(&instance).with(&encryption).run(write.on()).await? == 0 {
            return Err(missing("server"));
        }
        write.commit().await
    }
}
