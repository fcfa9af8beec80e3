//! The log of rounds and runs.

use crate::{
    Catalog,
    open::Write,
    sql::{Record, Row, sql, statements},
};
use domain::{Result, RoundId, RunId, view::run::LogLine};
use jiff::Timestamp;
use uuid::Uuid;

statements! {
    INSERT = "INSERT INTO run_log (id, round_id, run_id, at, database_name, line, bad) VALUES ($1, $2, $3, $4, $5, $6, $7)";
    OF_ROUND = "SELECT * FROM run_log WHERE round_id = $1 ORDER BY id DESC LIMIT $2";
    OF_RUN = "SELECT * FROM run_log WHERE run_id = $1 ORDER BY id";
    DELETE_BEFORE = "DELETE FROM run_log WHERE at < $1";
}

impl Record for LogLine {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            at: row.get("at")?,
            run: row.get("run_id")?,
            // Whoever shows it knows whether it is of interest.
            server: String::new(),
            database: row.get("database_name")?,
            text: row.get("line")?,
            bad: row.get("bad")?,
        })
    }
}

impl Write {
    /// Adds a line to the log of its run, of a round, or of both.
    pub(crate) async fn line(&mut self, round: Option<RoundId>, line: &LogLine) -> Result<()> {
        sql(INSERT)
            // Identifiers of this process order as they were made, so the log reads in the order of its writing.
            .with(&Uuid::now_v7().to_string())
            .with(&round)
            .with(&line.run)
            .with(&line.at)
            .with(&line.database)
            .with(&line.text)
            .with(&line.bad)
            .run(self.on())
            .await?;
        Ok(())
    }
}

impl Catalog {
    /// Adds a line to the log of its run, of a round, or of both.
    ///
    /// # Errors
    /// [`domain::Code::Conflict`] if the round or the run was deleted meanwhile.
    pub async fn append_log(&self, round: Option<RoundId>, line: &LogLine) -> Result<()> {
        let mut write = self.begin().await?;
        write.line(round, line).await?;
        write.commit().await
    }

    /// The last lines of a round and its runs, oldest first.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn log_of_round(&self, round: RoundId, most: u64) -> Result<Vec<LogLine>> {
        let mut lines: Vec<LogLine> = sql(OF_ROUND).with(&round).with(&most).all(self.reader()).await?;
        lines.reverse();
        Ok(lines)
    }

    /// All lines of a run, oldest first.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn log_of_run(&self, run: RunId) -> Result<Vec<LogLine>> {
        sql(OF_RUN).with(&run).all(self.reader()).await
    }

    /// Forgets lines older than `at`, and says how many there were.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn delete_logs_before(&self, at: Timestamp) -> Result<u64> {
        let mut write = self.begin().await?;
        let lines = sql(DELETE_BEFORE).with(&at).run(write.on()).await?;
        write.commit().await?;
        Ok(lines)
    }
}
