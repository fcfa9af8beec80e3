//! Rounds.

use crate::{
    AuditRecord, Catalog, PAGE_SIZE, RoundServerRecord, before, page,
    round_server::servers_of,
    sql::{Record, Row, Statement, changed, missing, sql, statements},
};
use domain::{
    BackupKind, Code, DestinationId, Error, Once, Origin, Result, RoundId, RoundState, RunState, ServerId, TaskId, Told, view::Page,
};
use jiff::Timestamp;
use sqlx::SqliteConnection;
use std::collections::HashMap;

/// A round, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundRecord {
    /// Identifier.
    pub id: RoundId,
    /// Its task, until that is deleted.
    pub task: Option<TaskId>,
    /// The task's name when it began.
    pub task_name: String,
    /// Its servers, in order.
    pub servers: Vec<RoundServerRecord>,
    /// Where its backups go. The destination may have been deleted since.
    pub destination: DestinationId,
    /// The one database that was asked for, if not all.
    pub only_database: Option<String>,
    /// The kind of backup that was asked for.
    pub wanted: BackupKind,
    /// What was ordered, if no task stands behind it.
    pub once: Option<Once>,
    /// State.
    pub state: RoundState,
    /// What started it.
    pub origin: Origin,
    /// Who started it, if a user did.
    pub started_by: Option<String>,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// When it will be prepared, if that was put off or is to be tried again.
    pub retry_at: Option<Timestamp>,
    /// When it was due.
    pub due_at: Timestamp,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Why it was skipped.
    pub error: Option<Told>,
}

impl RoundRecord {
    /// One of its servers.
    #[must_use]
    pub fn server(&self, id: ServerId) -> Option<&RoundServerRecord> {
        self.servers.iter().find(|server| server.server == id)
    }

    /// Servers that are still to be looked at for their databases.
    pub fn waiting(&self) -> impl Iterator<Item = ServerId> + '_ {
        let waits = |server: &&RoundServerRecord| server.state == RunState::Queued && !self.state.has_ended();
        self.servers.iter().filter(waits).map(|server| server.server)
    }
}

/// What the runs of a round come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoundTotals {
    /// Runs.
    pub runs: u64,
    /// Those that succeeded.
    pub succeeded: u64,
    /// Those that failed, were aborted or interrupted.
    pub failed: u64,
    /// Bytes that they stored.
    pub stored_bytes: u64,
}

/// How many runs of a round are in a state, and the bytes that they stored.
struct InState {
    round: RoundId,
    state: RunState,
    runs: u64,
    stored_bytes: u64,
}

/// How many rounds one statement sums up.
pub(crate) const AT_ONCE: usize = 25;

statements! {
    ONE = "SELECT * FROM rounds WHERE id = $1";
    PAGE = "SELECT * FROM rounds ORDER BY began_at DESC, id DESC LIMIT $1 OFFSET $2";
    COUNT = "SELECT count(*) FROM rounds";
    FAILED = "SELECT * FROM rounds WHERE state NOT IN ('preparing', 'running', 'succeeded')
        ORDER BY began_at DESC, id DESC LIMIT $1 OFFSET $2";
    COUNT_FAILED = "SELECT count(*) FROM rounds WHERE state NOT IN ('preparing', 'running', 'succeeded')";
    OF_SERVER = "SELECT rounds.* FROM round_servers JOIN rounds ON rounds.id = round_servers.round_id WHERE round_servers.server_id = $1
        ORDER BY round_servers.round_id DESC LIMIT $2";
    OF_TASK = "SELECT * FROM rounds WHERE task_id = $1 ORDER BY began_at DESC, id DESC LIMIT $2";
    DUE = "SELECT * FROM rounds WHERE task_id = $1 AND began_at >= $2 AND due_at = $3 AND origin <> 'user'
        ORDER BY began_at DESC, id DESC LIMIT 1";
    NEWEST_FULL = "SELECT * FROM rounds WHERE task_id = $1 AND wanted = 'full' AND only_database IS NULL
        ORDER BY began_at DESC, id DESC LIMIT 1";
    LAST_BESIDE = "SELECT * FROM rounds WHERE task_id = $1 AND id <> $2 AND only_database IS NULL AND state <> 'skipped'
        ORDER BY began_at DESC, id DESC LIMIT 1";
    BETWEEN = "SELECT * FROM rounds WHERE began_at >= $1 AND began_at < $2 ORDER BY began_at, id";
    OPEN = "SELECT * FROM rounds WHERE state IN ('preparing', 'running') ORDER BY began_at, id";
    OPEN_OF_TASK = "SELECT * FROM rounds WHERE task_id = $1 AND state IN ('preparing', 'running')";
    LAST_OF_SERVERS = "SELECT rounds.*, servers.id AS of_server FROM servers JOIN rounds ON rounds.id =
        (SELECT round_id FROM round_servers WHERE server_id = servers.id ORDER BY round_id DESC LIMIT 1)";
    LAST_ENDED_OF_TASKS = "SELECT rounds.*, task_servers.server_id AS of_server FROM task_servers JOIN rounds ON rounds.id =
        (SELECT ended.id FROM rounds ended JOIN round_servers ON round_servers.round_id = ended.id
            WHERE ended.task_id = task_servers.task_id AND round_servers.server_id = task_servers.server_id AND ended.ended_at IS NOT NULL
            ORDER BY ended.began_at DESC, ended.id DESC LIMIT 1)";
    INSERT = "INSERT INTO rounds
        (id, task_id, task_name, destination_id, only_database, state, origin, started_by, attempt, retry_at, due_at, began_at,
        ended_at, error, wanted, once) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    CHANGE = "UPDATE rounds SET state = $3, attempt = $4, retry_at = $5, began_at = $6, ended_at = $7, error = $8, wanted = $9
        WHERE id = $1 AND state = $2";
    IN_STATES = "SELECT round_id, state, count(*) AS runs, CAST(coalesce(sum(stored_bytes), 0) AS BIGINT) AS stored_bytes
        FROM runs WHERE round_id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
        $23, $24, $25) GROUP BY round_id, state";
}

/// A round whose servers are still to be read.
struct Bare(RoundRecord);

/// The last round of a server.
struct LastOf(ServerId, Bare);

impl Record for LastOf {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self(row.get("of_server")?, Bare::read(row)?))
    }
}

impl Record for Bare {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self(RoundRecord {
            id: row.get("id")?,
            task: row.get("task_id")?,
            task_name: row.get("task_name")?,
            // In a table of their own.
            servers: vec![],
            destination: row.get("destination_id")?,
            only_database: row.get("only_database")?,
            wanted: row.get("wanted")?,
            once: row.get("once")?,
            state: row.get("state")?,
            origin: row.get("origin")?,
            started_by: row.get("started_by")?,
            attempt: row.get("attempt")?,
            retry_at: row.get("retry_at")?,
            due_at: row.get("due_at")?,
            began_at: row.get("began_at")?,
            ended_at: row.get("ended_at")?,
            error: row.get("error")?,
        }))
    }
}

impl Record for InState {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self { round: row.get("round_id")?, state: row.get("state")?, runs: row.get("runs")?, stored_bytes: row.get("stored_bytes")? })
    }
}

impl RoundTotals {
    fn add(&mut self, some: &InState) {
        self.runs += some.runs;
        self.stored_bytes += some.stored_bytes;
        match some.state {
            RunState::Succeeded => self.succeeded += some.runs,
            state if state.has_ended() => self.failed += some.runs,
            _ => {}
        }
    }
}

impl Catalog {
    /// One round.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn round(&self, id: RoundId) -> Result<RoundRecord> {
        self.with_servers(sql(ONE).with(&id)).await?.pop().ok_or_else(|| missing("round"))
    }

    /// A page of all rounds, newest first; with `only_failed` those alone that ended and did not wholly succeed.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn rounds(&self, number: u64, only_failed: bool) -> Result<Page<RoundRecord>> {
        let (select, count) = if only_failed { (FAILED, COUNT_FAILED) } else { (PAGE, COUNT) };
        let items = self.with_servers(sql(select).with(&PAGE_SIZE).with(&before(number))).await?;
        Ok(page(number, items, sql(count).count(self.reader()).await?))
    }

    /// The newest rounds that a server is in, newest first.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn rounds_of_server(&self, server: ServerId, most: u64) -> Result<Vec<RoundRecord>> {
        self.with_servers(sql(OF_SERVER).with(&server).with(&most)).await
    }

    /// The newest rounds of a task, newest first.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn rounds_of_task(&self, task: TaskId, most: u64) -> Result<Vec<RoundRecord>> {
        self.with_servers(sql(OF_TASK).with(&task).with(&most)).await
    }

    /// The round that a task's schedule began or skipped for a due time, if it did. None begins before it is due.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn round_due_at(&self, task: TaskId, due: Timestamp) -> Result<Option<RoundRecord>> {
        Ok(self.with_servers(sql(DUE).with(&task).with(&due).with(&due)).await?.pop())
    }

    /// The newest round of a task that asked for full backups of all databases, made or skipped, however long ago.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn newest_full_round_of(&self, task: TaskId) -> Result<Option<RoundRecord>> {
        Ok(self.with_servers(sql(NEWEST_FULL).with(&task)).await?.pop())
    }

    /// The last round of all databases of a task that took place, beside this one, however long ago.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn last_round_beside(&self, task: TaskId, round: RoundId) -> Result<Option<RoundRecord>> {
        Ok(self.with_servers(sql(LAST_BESIDE).with(&task).with(&round)).await?.pop())
    }

    /// Rounds that began at `from` or later and before `to`, oldest first.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn rounds_between(&self, from: Timestamp, to: Timestamp) -> Result<Vec<RoundRecord>> {
        self.with_servers(sql(BETWEEN).with(&from).with(&to)).await
    }

    /// Rounds that prepare or run, oldest first.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn open_rounds(&self) -> Result<Vec<RoundRecord>> {
        self.with_servers(sql(OPEN)).await
    }

    /// The round of a task that prepares or runs, if one does.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn open_round_of(&self, task: TaskId) -> Result<Option<RoundRecord>> {
        Ok(self.with_servers(sql(OPEN_OF_TASK).with(&task)).await?.pop())
    }

    /// The round that began last of those that each server is in, ended or not.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn last_rounds_of_servers(&self) -> Result<HashMap<ServerId, RoundRecord>> {
        Ok(self.last_of(LAST_OF_SERVERS).await?.into_iter().collect())
    }

    /// For each task and each server that it covers, the round that began last of those that included the server and have ended. A
    /// round that was asked for by hand may be for one server alone: it tells nothing of the others.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn last_ended_rounds_of_tasks(&self) -> Result<HashMap<(TaskId, ServerId), RoundRecord>> {
        let last = self.last_of(LAST_ENDED_OF_TASKS).await?;
        Ok(last.into_iter().filter_map(|(server, round)| Some(((round.task?, server), round))).collect())
    }

    async fn last_of(&self, statement: &'static str) -> Result<Vec<(ServerId, RoundRecord)>> {
        let mut moment = self.moment().await?;
        let last: Vec<LastOf> = sql(statement).all(&mut *moment).await?;
        let (ids, rounds): (Vec<_>, Vec<_>) = last.into_iter().map(|LastOf(server, round)| (server, round)).unzip();
        Ok(ids.into_iter().zip(whole(&mut moment, rounds).await?).collect())
    }

    /// Rounds with their servers, both as they are at one moment.
    async fn with_servers(&self, rounds: Statement) -> Result<Vec<RoundRecord>> {
        let mut moment = self.moment().await?;
        let rounds = rounds.all(&mut *moment).await?;
        whole(&mut moment, rounds).await
    }

    /// What the runs of these rounds come to. A round without runs is not in the answer.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn round_totals(&self, rounds: &[RoundId]) -> Result<HashMap<RoundId, RoundTotals>> {
        let mut all: HashMap<_, RoundTotals> = HashMap::with_capacity(rounds.len());
        for some in rounds.chunks(AT_ONCE) {
            // The statement has a fixed number of places; those that are left name a round twice.
            let names = (0..AT_ONCE).map(|place| some[place.min(some.len() - 1)]);
            let statement = names.fold(sql(IN_STATES), |statement, round| statement.with(&round));
            for in_state in statement.all::<InState>(self.reader()).await? {
                all.entry(in_state.round).or_default().add(&in_state);
            }
        }
        Ok(all)
    }

    /// Adds a round.
    ///
    /// # Errors
    /// [`Code::Busy`] if the round is to be open and its task has an open one already.
    pub async fn insert_round(&self, round: &RoundRecord, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        sql(INSERT)
            .with(&round.id)
            .with(&round.task)
            .with(&round.task_name)
            .with(&round.destination)
            .with(&round.only_database)
            .with(&round.state)
            .with(&round.origin)
            .with(&round.started_by)
            .with(&round.attempt)
            .with(&round.retry_at)
            .with(&round.due_at)
            .with(&round.began_at)
            .with(&round.ended_at)
            .with(&round.error)
            .with(&round.wanted)
            .with(&round.once)
            .run(write.on())
            .await
            .map_err(under_way)?;
        write.insert_servers(round.id, &round.servers).await?;
        write.commit_with(audit).await
    }

    /// Changes a round that is still in the state `expected`: its state, attempt, times, error and kind, and how the looks at its
    /// servers stand.
    ///
    /// # Errors
    /// [`Code::Conflict`] if it is in another state; [`Code::Busy`] if it is to be open and its task has an open one already;
    /// [`Code::NotFound`].
    pub async fn change_round(&self, round: &RoundRecord, expected: RoundState, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        let done = sql(CHANGE)
            .with(&round.id)
            .with(&expected)
            .with(&round.state)
            .with(&round.attempt)
            .with(&round.retry_at)
            .with(&round.began_at)
            .with(&round.ended_at)
            .with(&round.error)
            .with(&round.wanted)
            .run(write.on())
            .await
            .map_err(under_way)?;
        if done == 0 {
            sql(ONE).with(&round.id).one::<Bare>(write.on()).await?.ok_or_else(|| missing("round"))?;
            return Err(changed("round"));
        }
        write.change_servers(round.id, &round.servers).await?;
        write.commit_with(audit).await
    }
}

/// Rounds with their servers.
async fn whole(moment: &mut SqliteConnection, rounds: Vec<Bare>) -> Result<Vec<RoundRecord>> {
    let ids: Vec<_> = rounds.iter().map(|Bare(round)| round.id).collect();
    let servers = servers_of(moment, &ids).await?;
    let of = |id: &RoundId| servers.get(id).cloned().unwrap_or_default();
    Ok(rounds.into_iter().map(|Bare(round)| RoundRecord { servers: of(&round.id), ..round }).collect())
}

/// The one rule of the schema that a round can break: a task has at most one that is open.
fn under_way(error: Error) -> Error {
    match error.code() {
        Code::NameTaken => {
            let next_step = "Wait until it has ended, or abort it.";
            Error::new(Code::Busy, "A round of this task is under way already.", next_step).because(error)
        }
        _ => error,
    }
}
