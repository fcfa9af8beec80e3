//! Runs.

use crate::{
    AuditRecord, Catalog, PAGE_SIZE, before,
    open::Write,
    page,
    sql::{Record, Row, missing, sql, statements},
};
use domain::{
    BackupKind, DestinationId, Result, RoundId, RunId, RunKind, RunState, ServerId, Told,
    view::{
        Page,
        run::{ComparedTable, LogLine},
    },
};
use jiff::Timestamp;

/// A run, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Identifier.
    pub id: RunId,
    /// Its round, if it has one.
    pub round: Option<RoundId>,
    /// What it does.
    pub kind: RunKind,
    /// The kind of backup that was asked for, if it makes one.
    pub wanted: Option<BackupKind>,
    /// The server that is read or written, if one is.
    pub server: Option<ServerId>,
    /// The destination that it writes or reads. It may have been deleted since.
    pub destination: DestinationId,
    /// What is backed up, the new database of a restore, or whose backup is verified.
    pub database: String,
    /// State.
    pub state: RunState,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// Who started it, if a user did.
    pub started_by: Option<String>,
    /// When it was queued.
    pub queued_at: Timestamp,
    /// When its last attempt began.
    pub began_at: Option<Timestamp>,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// When it will be tried again, if it waits for that.
    pub retry_at: Option<Timestamp>,
    /// Why the backup is of its kind.
    pub reason: Option<String>,
    /// What a restore or a verification was asked for.
    pub request: Option<serde_json::Value>,
    /// Label of the backup that it made, restores or verifies.
    pub label: Option<String>,
    /// Bytes that were stored.
    pub stored_bytes: Option<u64>,
    /// Rows that were read, restored or counted.
    pub rows: Option<u64>,
    /// Whether a restore was compared and equal.
    pub proven: Option<bool>,
    /// Tables that a restore compared.
    pub compared: Vec<ComparedTable>,
    /// What is left out or special, one sentence each.
    pub notes: Vec<String>,
    /// Why it failed; while it waits for another attempt, why the last one did.
    pub error: Option<Told>,
}

/// How the newest backup run of a database went.
#[derive(Clone, Debug, PartialEq)]
pub struct NewestRun {
    /// The server.
    pub server: ServerId,
    /// The database.
    pub database: String,
    /// The run.
    pub id: RunId,
    /// Its round, if it has one.
    pub round: Option<RoundId>,
    /// Its state.
    pub state: RunState,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it failed.
    pub error: Option<Told>,
}

/// A change of a run, with the lines that tell of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunChange {
    /// The run as it shall be: all may differ but what it is (round, kind, server, destination, database, who started it).
    pub run: RunRecord,
    /// The state that it must still be in.
    pub expected: RunState,
    /// The line of the audit log.
    pub audit: AuditRecord,
    /// The line of the run's log.
    pub line: LogLine,
}

statements! {
    ONE = "SELECT * FROM runs WHERE id = $1";
    OF_ROUND = "SELECT * FROM runs WHERE round_id = $1 ORDER BY database_name, id";
    QUEUED = "SELECT * FROM runs WHERE state = 'queued' ORDER BY queued_at, id";
    RUNNING = "SELECT * FROM runs WHERE state = 'running' ORDER BY queued_at, id";
    NEEDING = "SELECT * FROM runs WHERE state IN ('queued', 'running') AND destination_id = $1 AND (kind <> 'backup' OR state = 'running')
        ORDER BY queued_at, id";
    PAGE = "SELECT * FROM runs WHERE kind IN ($1, $2, $3) ORDER BY queued_at DESC, id DESC LIMIT $4 OFFSET $5";
    COUNT = "SELECT count(*) FROM runs WHERE kind IN ($1, $2, $3)";
    FAILED = "SELECT * FROM runs WHERE kind IN ($1, $2, $3) AND state NOT IN ('queued', 'running', 'succeeded')
        ORDER BY queued_at DESC, id DESC LIMIT $4 OFFSET $5";
    COUNT_FAILED = "SELECT count(*) FROM runs WHERE kind IN ($1, $2, $3) AND state NOT IN ('queued', 'running', 'succeeded')";
    NEWEST = "SELECT runs.server_id, runs.database_name, runs.id, runs.round_id, runs.state, runs.ended_at, runs.error
        FROM databases JOIN runs ON runs.id = (SELECT newest.id FROM runs AS newest
            WHERE newest.server_id = databases.server_id AND newest.database_name = databases.name AND newest.kind = 'backup'
            ORDER BY newest.queued_at DESC LIMIT 1)";
    NEWEST_OF_SERVER = "SELECT runs.server_id, runs.database_name, runs.id, runs.round_id, runs.state, runs.ended_at, runs.error
        FROM databases JOIN runs ON runs.id = (SELECT newest.id FROM runs AS newest
            WHERE newest.server_id = databases.server_id AND newest.database_name = databases.name AND newest.kind = 'backup'
            ORDER BY newest.queued_at DESC LIMIT 1)
        WHERE databases.server_id = $1";
    NEWEST_AT = "SELECT server_id, database_name, id, round_id, state, ended_at, error FROM runs
        WHERE server_id = $1 AND database_name = $2 AND kind = 'backup' AND destination_id = $3
        AND (state NOT IN ('queued', 'running') OR error IS NOT NULL) ORDER BY queued_at DESC, id DESC LIMIT 1";
    FAILING = "SELECT count(*) FROM (
            SELECT server_id, database_name, max(queued_at) AS queued_at FROM runs
            WHERE kind = 'backup' AND state NOT IN ('queued', 'running', 'succeeded') AND server_id IS NOT NULL
            GROUP BY server_id, database_name) AS bad
        WHERE NOT EXISTS (SELECT 1 FROM runs WHERE runs.server_id = bad.server_id AND runs.database_name = bad.database_name
            AND runs.kind = 'backup' AND runs.state = 'succeeded' AND runs.queued_at > bad.queued_at)
        AND NOT EXISTS (SELECT 1 FROM databases WHERE databases.server_id = bad.server_id AND databases.name = bad.database_name
            AND databases.gone_at IS NOT NULL)";
    INSERT = "INSERT INTO runs
        (id, round_id, kind, server_id, destination_id, database_name, state, attempt, started_by, queued_at, began_at, ended_at, retry_at,
        reason, request, label, stored_bytes, row_count, proven, compared, notes, error,
        wanted)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)";
    CHANGE = "UPDATE runs SET state = $3, attempt = $4, queued_at = $5, began_at = $6, ended_at = $7, retry_at = $8, reason = $9,
        request = $10, label = $11, stored_bytes = $12, row_count = $13, proven = $14, compared = $15, notes = $16, error = $17,
        wanted = $18 WHERE id = $1 AND state = $2";
}

impl Record for RunRecord {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            round: row.get("round_id")?,
            kind: row.get("kind")?,
            wanted: row.get("wanted")?,
            server: row.get("server_id")?,
            destination: row.get("destination_id")?,
            database: row.get("database_name")?,
            state: row.get("state")?,
            attempt: row.get("attempt")?,
            started_by: row.get("started_by")?,
            queued_at: row.get("queued_at")?,
            began_at: row.get("began_at")?,
            ended_at: row.get("ended_at")?,
            retry_at: row.get("retry_at")?,
            reason: row.get("reason")?,
            request: row.get("request")?,
            label: row.get("label")?,
            stored_bytes: row.get("stored_bytes")?,
            rows: row.get("row_count")?,
            proven: row.get("proven")?,
            compared: row.get("compared")?,
            notes: row.get("notes")?,
            error: row.get("error")?,
        })
    }
}

impl Record for NewestRun {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            server: row.get("server_id")?,
            database: row.get("database_name")?,
            id: row.get("id")?,
            round: row.get("round_id")?,
            state: row.get("state")?,
            ended_at: row.get("ended_at")?,
            error: row.get("error")?,
        })
    }
}

impl Catalog {
    /// One run.
    ///
    /// # Errors
    /// [`domain::Code::NotFound`].
    pub async fn run(&self, id: RunId) -> Result<RunRecord> {
        sql(ONE).with(&id).one(self.reader()).await?.ok_or_else(|| missing("run"))
    }

    /// Runs of a round, by database.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn runs_of_round(&self, round: RoundId) -> Result<Vec<RunRecord>> {
        sql(OF_ROUND).with(&round).all(self.reader()).await
    }

    /// Runs that wait, the longest waiting first.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn queued_runs(&self) -> Result<Vec<RunRecord>> {
        sql(QUEUED).all(self.reader()).await
    }

    /// Runs that work.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn running_runs(&self) -> Result<Vec<RunRecord>> {
        sql(RUNNING).all(self.reader()).await
    }

    /// Runs that need what lies at a destination: those that read it, working or waiting to; and backups that work.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn runs_needing(&self, destination: DestinationId) -> Result<Vec<RunRecord>> {
        sql(NEEDING).with(&destination).all(self.reader()).await
    }

    /// A page of all runs of these kinds, newest first; with `only_failed` those alone that ended and did not succeed.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn runs_page(&self, kinds: &[RunKind], only_failed: bool, number: u64) -> Result<Page<RunRecord>> {
        let Some(last) = kinds.last() else { return Ok(page(number, vec![], 0)) };
        let (select, count) = if only_failed { (FAILED, COUNT_FAILED) } else { (PAGE, COUNT) };
        // The statements have a place for every kind; those that are left name one twice.
        let of_kinds = |text| (0..RunKind::ALL.len()).fold(sql(text), |all, place| all.with(kinds.get(place).unwrap_or(last)));
        let items = of_kinds(select).with(&PAGE_SIZE).with(&before(number)).all(self.reader()).await?;
        Ok(page(number, items, of_kinds(count).count(self.reader()).await?))
    }

    /// The newest backup run of each database that the server has or had, in whatever state it is.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn newest_backup_run_per_database(&self, server: ServerId) -> Result<Vec<NewestRun>> {
        sql(NEWEST_OF_SERVER).with(&server).all(self.reader()).await
    }

    /// The same for the databases of all servers, in one question.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn newest_backup_runs(&self) -> Result<Vec<NewestRun>> {
        sql(NEWEST).all(self.reader()).await
    }

    /// The newest backup run of a database to a destination that tells how backups go: one that has ended, or that waits because its
    /// last attempt failed. One that only waits or works tells nothing yet, and takes nothing back of what the one before it told.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn newest_backup_run_to(&self, server: ServerId, database: &str, destination: DestinationId) -> Result<Option<NewestRun>> {
        sql(NEWEST_AT).with(&server).with(database).with(&destination).one(self.reader()).await
    }

    /// How many databases there are, of all servers, whose newest ended backup run did not succeed.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn failing_count(&self) -> Result<u64> {
        sql(FAILING).count(self.reader()).await
    }

    /// Adds runs: all or none.
    ///
    /// # Errors
    /// [`domain::Code::Conflict`] if their round or server was deleted meanwhile.
    pub async fn insert_runs(&self, runs: &[RunRecord], audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        for run in runs {
            sql(INSERT)
                .with(&run.id)
                .with(&run.round)
                .with(&run.kind)
                .with(&run.server)
                .with(&run.destination)
                .with(&run.database)
                .with(&run.state)
                .with(&run.attempt)
                .with(&run.started_by)
                .with(&run.queued_at)
                .with(&run.began_at)
                .with(&run.ended_at)
                .with(&run.retry_at)
                .with(&run.reason)
                .with(&run.request)
                .with(&run.label)
                .with(&run.stored_bytes)
                .with(&run.rows)
                .with(&run.proven)
                .with(&run.compared)
                .with(&run.notes)
                .with(&run.error)
                .with(&run.wanted)
                .run(write.on())
                .await?;
        }
        write.commit_with(audit).await
    }

    /// Changes runs in one transaction, each with its lines. A run that is in another state by now, or gone, is left alone;
    /// the answer says for each change whether it was made.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`]; then nothing was changed.
    pub async fn change_runs(&self, changes: &[RunChange]) -> Result<Vec<bool>> {
        let mut write = self.begin().await?;
        let mut made = Vec::with_capacity(changes.len());
        for change in changes {
            made.push(write.change_run(change).await?);
        }
        write.commit().await?;
        Ok(made)
    }
}

impl Write {
    async fn change_run(&mut self, change: &RunChange) -> Result<bool> {
        let run = &change.run;
        let done = sql(CHANGE)
            .with(&run.id)
            .with(&change.expected)
            .with(&run.state)
            .with(&run.attempt)
            .with(&run.queued_at)
            .with(&run.began_at)
            .with(&run.ended_at)
            .with(&run.retry_at)
            .with(&run.reason)
            .with(&run.request)
            .with(&run.label)
            .with(&run.stored_bytes)
            .with(&run.rows)
            .with(&run.proven)
            .with(&run.compared)
            .with(&run.notes)
            .with(&run.error)
            .with(&run.wanted)
            .run(self.on())
            .await?;
        if done == 0 {
            return Ok(false);
        }
        self.line(run.round, &change.line).await?;
        self.audit(&change.audit).await?;
        Ok(true)
    }
}
