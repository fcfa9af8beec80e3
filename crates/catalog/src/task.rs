//! Tasks.

use crate::{
    AuditRecord, Catalog,
    open::Write,
    sql::{Record, Row, Statement, changed, missing, named, sql, statements},
};
use domain::{ChainLimit, Code, Error, KeyId, Result, Schedules, ServerId, Task, TaskId};
use jiff::Timestamp;
use std::collections::HashMap;

/// A task, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskRecord {
    /// Identifier.
    pub id: TaskId,
    /// The task.
    pub task: Task,
    /// Whether its schedule is followed.
    pub enabled: bool,
    /// When it is due next; none while it is not enabled.
    pub next_at: Option<Timestamp>,
    /// The due time that was put off until then, if one was.
    pub put_off_from: Option<Timestamp>,
    /// Number of the edit.
    pub version: i64,
    /// When it was added.
    pub created_at: Timestamp,
}

statements! {
    LIST = "SELECT * FROM tasks ORDER BY name";
    OF_SERVER = "SELECT tasks.* FROM task_servers JOIN tasks ON tasks.id = task_servers.task_id WHERE task_servers.server_id = $1
        ORDER BY tasks.name";
    ONE = "SELECT * FROM tasks WHERE id = $1";
    DUE = "SELECT * FROM tasks WHERE enabled AND next_at <= $1 ORDER BY next_at, id";
    INSERT = "INSERT INTO tasks
        (id, name, destination_id, selection, full_cron, incremental_cron, time_zone, chain_incrementals, chain_days, catch_up,
        enabled, next_at, version, created_at, sealed, retention)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    UPDATE = "UPDATE tasks SET name = $3, destination_id = $4, selection = $5, full_cron = $6, incremental_cron = $7, time_zone = $8,
        chain_incrementals = $9, chain_days = $10, catch_up = $11, sealed = $12, retention = $13, version = version + 1
        WHERE id = $1 AND version = $2";
    DUE_ANEW = "UPDATE tasks SET next_at = $2, put_off_from = NULL WHERE id = $1 AND enabled";
    ENABLE = "UPDATE tasks SET enabled = $2, next_at = $3, put_off_from = NULL WHERE id = $1";
    NEXT = "UPDATE tasks SET next_at = $3, put_off_from = NULL WHERE id = $1 AND next_at = $2 AND enabled";
    PUT_OFF = "UPDATE tasks SET next_at = $3, put_off_from = CASE WHEN put_off_from = $3 THEN NULL ELSE coalesce(put_off_from, next_at) END
        WHERE id = $1 AND next_at = $2 AND enabled";
    DELETE = "DELETE FROM tasks WHERE id = $1";
    SEAL_FOR = "INSERT INTO task_keys (task_id, key_id) VALUES ($1, $2)";
    SEAL_FOR_NOBODY = "DELETE FROM task_keys WHERE task_id = $1";
    USES = "SELECT task_id, key_id FROM task_keys ORDER BY task_id, key_id";
    COVER = "INSERT INTO task_servers (task_id, server_id, place) VALUES ($1, $2, $3)";
    COVER_NOTHING = "DELETE FROM task_servers WHERE task_id = $1";
    COVERED = "SELECT task_id, server_id FROM task_servers ORDER BY task_id, place";
}

/// A task whose servers and keys are still to be read, and whether it has any keys.
struct Bare(TaskRecord, bool);

impl Record for Bare {
    fn read(row: &Row) -> Result<Self> {
        let task = Task {
            name: row.get("name")?,
            // In a table of their own, as its keys are.
            servers: vec![],
            selection: row.get("selection")?,
            schedules: Schedules {
                full: row.get("full_cron")?,
                incremental: row.get("incremental_cron")?,
                time_zone: row.get("time_zone")?,
            },
            chain_limit: ChainLimit { incrementals: row.get("chain_incrementals")?, days: row.get("chain_days")? },
            catch_up: row.get("catch_up")?,
            destination: row.get("destination_id")?,
            retention: row.get("retention")?,
            recipients: vec![],
        };
        let record = TaskRecord {
            id: row.get("id")?,
            task,
            enabled: row.get("enabled")?,
            next_at: row.get("next_at")?,
            put_off_from: row.get("put_off_from")?,
            version: row.get("version")?,
            created_at: row.get("created_at")?,
        };
        Ok(Self(record, row.get("sealed")?))
    }
}

/// A task that seals for a key.
struct Use {
    task: TaskId,
    key: KeyId,
}

impl Record for Use {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self { task: row.get("task_id")?, key: row.get("key_id")? })
    }
}

/// A server that a task covers.
struct Cover {
    task: TaskId,
    server: ServerId,
}

impl Record for Cover {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self { task: row.get("task_id")?, server: row.get("server_id")? })
    }
}

impl Write {
    async fn cover(&mut self, record: &TaskRecord) -> Result<()> {
        for (place, server) in (0_u64..).zip(&record.task.servers) {
            sql(COVER).with(&record.id).with(server).with(&place).run(self.on()).await?;
        }
        Ok(())
    }

    async fn seal_for(&mut self, record: &TaskRecord) -> Result<()> {
        for key in &record.task.recipients {
            sql(SEAL_FOR).with(&record.id).with(key).run(self.on()).await?;
        }
        Ok(())
    }
}

impl Catalog {
    /// All tasks, by name.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn tasks(&self) -> Result<Vec<TaskRecord>> {
        self.whole(sql(LIST)).await
    }

    /// Tasks that cover a server, by name.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn tasks_of(&self, server: ServerId) -> Result<Vec<TaskRecord>> {
        self.whole(sql(OF_SERVER).with(&server)).await
    }

    /// One task.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn task(&self, id: TaskId) -> Result<TaskRecord> {
        self.whole(sql(ONE).with(&id)).await?.pop().ok_or_else(|| missing("task"))
    }

    /// Enabled tasks whose time has come, the longest overdue first.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn due_tasks(&self, now: Timestamp) -> Result<Vec<TaskRecord>> {
        self.whole(sql(DUE).with(&now)).await
    }

    /// Tasks with their servers and keys, all as they are at one moment. A task whose keys do not fit what it says of them is not
    /// taken for one that does not seal.
    async fn whole(&self, tasks: Statement) -> Result<Vec<TaskRecord>> {
        let mut moment = self.moment().await?;
        let tasks: Vec<Bare> = tasks.all(&mut *moment).await?;
        let mut servers: HashMap<TaskId, Vec<ServerId>> = HashMap::new();
        for one in sql(COVERED).all::<Cover>(&mut *moment).await? {
            servers.entry(one.task).or_default().push(one.server);
        }
        let mut keys: HashMap<TaskId, Vec<KeyId>> = HashMap::new();
        for one in sql(USES).all::<Use>(&mut *moment).await? {
            keys.entry(one.task).or_default().push(one.key);
        }
        let whole = |Bare(mut record, sealed)| {
            record.task.servers = servers.remove(&record.id).unwrap_or_default();
            record.task.recipients = keys.remove(&record.id).unwrap_or_default();
            if record.task.recipients.is_empty() == sealed {
                let sentence = format!("The console's catalog does not tell for whom the task {:?} seals.", record.task.name);
                return Err(Error::new(Code::Catalog, sentence, "Put the catalog's own backup in its place."));
            }
            Ok(record)
        };
        tasks.into_iter().map(whole).collect()
    }

    /// Adds a task.
    ///
    /// # Errors
    /// [`Code::Invalid`] at the field `name`, if that is in use; [`Code::Conflict`] if one of its servers or
    /// its destination was deleted meanwhile.
    pub async fn insert_task(&self, record: &TaskRecord, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        let task = &record.task;
        sql(INSERT)
            .with(&record.id)
            .with(&task.name)
            .with(&task.destination)
            .with(&task.selection)
            .with(&task.schedules.full)
            .with(&task.schedules.incremental)
            .with(&task.schedules.time_zone)
            .with(&task.chain_limit.incrementals)
            .with(&task.chain_limit.days)
            .with(&task.catch_up)
            .with(&record.enabled)
            .with(&record.next_at.filter(|_| record.enabled))
            .with(&record.version)
            .with(&record.created_at)
            .with(&!task.recipients.is_empty())
            .with(&task.retention)
            .run(write.on())
            .await
            .map_err(|error| named("task", error))?;
        write.cover(record).await?;
        write.seal_for(record).await?;
        write.commit_with(audit).await
    }

    /// Changes all but whether it is enabled. `record.next_at` counts only if it is, and is due at other times from
    /// now on; else the next time stays as it is, which may have been put off or come since the record was read.
    /// `record.version` is the number of the edit that the change was begun from; the stored one counts on.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it was changed meanwhile, or one of its servers was deleted; [`Code::NotFound`], or [`Code::Invalid`] at
    /// the field `name`.
    pub async fn update_task(&self, record: &TaskRecord, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        let task = &record.task;
        let Bare(before, _) = sql(ONE).with(&record.id).one(write.on()).await?.ok_or_else(|| missing("task"))?;
        let done = sql(UPDATE)
            .with(&record.id)
            .with(&record.version)
            .with(&task.name)
            .with(&task.destination)
            .with(&task.selection)
            .with(&task.schedules.full)
            .with(&task.schedules.incremental)
            .with(&task.schedules.time_zone)
            .with(&task.chain_limit.incrementals)
            .with(&task.chain_limit.days)
            .with(&task.catch_up)
            .with(&!task.recipients.is_empty())
            .with(&task.retention)
            .run(write.on())
            .await
            .map_err(|error| named("task", error))?;
        if done == 0 {
            return Err(changed("task"));
        }
        if task.schedules != before.task.schedules {
            sql(DUE_ANEW).with(&record.id).with(&record.next_at).run(write.on()).await?;
        }
        sql(COVER_NOTHING).with(&record.id).run(write.on()).await?;
        write.cover(record).await?;
        sql(SEAL_FOR_NOBODY).with(&record.id).run(write.on()).await?;
        write.seal_for(record).await?;
        write.commit_with(audit).await
    }

    /// Enables a task with its next time, or disables it.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn set_enabled(&self, id: TaskId, enabled: bool, next_at: Option<Timestamp>, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        if sql(ENABLE).with(&id).with(&enabled).with(&next_at.filter(|_| enabled)).run(write.on()).await? == 0 {
            return Err(missing("task"));
        }
        write.commit_with(audit).await
    }

    /// Sets when an enabled task is due next, if it was due at `was` until now. One that was changed, disabled or deleted
    /// meanwhile stays as it is.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn set_next(&self, id: TaskId, was: Timestamp, next_at: Option<Timestamp>) -> Result<()> {
        let mut write = self.begin().await?;
        sql(NEXT).with(&id).with(&was).with(&next_at).run(write.on()).await?;
        write.commit().await
    }

    /// Puts the next time of an enabled task off that was due at `was`; the time that it was due at first is kept, until it is
    /// put back there.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it is not due then any more.
    pub async fn put_off(&self, id: TaskId, was: Timestamp, until: Timestamp, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        if sql(PUT_OFF).with(&id).with(&was).with(&until).run(write.on()).await? == 0 {
            return Err(changed("task"));
        }
        write.commit_with(audit).await
    }

    /// Forgets a task. Its rounds and its backups stay.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn delete_task(&self, id: TaskId, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        if sql(DELETE).with(&id).run(write.on()).await? == 0 {
            return Err(missing("task"));
        }
        write.commit_with(audit).await
    }
}
