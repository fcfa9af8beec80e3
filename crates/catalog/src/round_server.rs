//! Servers of rounds: how the look at each for its databases stands.

use crate::{
    open::Write,
    round::AT_ONCE,
    sql::{Record, Row, sql, statements},
};
use domain::{Result, RoundId, RunState, ServerId, Told};
use sqlx::SqliteConnection;
use std::collections::HashMap;

/// A server of a round.
#[derive(Clone, Debug, PartialEq)]
pub struct RoundServerRecord {
    /// The server.
    pub server: ServerId,
    /// How the look at it for its databases stands: queued until it was done, then succeeded, failed or aborted. Nobody looks at
    /// the servers of a round that was skipped.
    pub state: RunState,
    /// Why it failed; while it waits for another attempt, why the last one did.
    pub error: Option<Told>,
}

impl RoundServerRecord {
    /// One that nobody looked at yet.
    #[must_use]
    pub fn new(server: ServerId) -> Self {
        Self { server, state: RunState::Queued, error: None }
    }
}

statements! {
    OF_ROUNDS = "SELECT * FROM round_servers WHERE round_id IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
        $18, $19, $20, $21, $22, $23, $24, $25) ORDER BY round_id, place";
    INSERT = "INSERT INTO round_servers (round_id, server_id, place, state, error) VALUES ($1, $2, $3, $4, $5)";
    CHANGE = "UPDATE round_servers SET state = $3, error = $4 WHERE round_id = $1 AND server_id = $2";
    DELETE_ROUNDS = "DELETE FROM rounds WHERE id IN (SELECT round_id FROM round_servers WHERE server_id = $1)
        AND NOT EXISTS (SELECT 1 FROM round_servers WHERE round_id = rounds.id AND server_id <> $1)";
}

/// A server with its round.
struct OfRound(RoundId, RoundServerRecord);

impl Record for OfRound {
    fn read(row: &Row) -> Result<Self> {
        let record = RoundServerRecord { server: row.get("server_id")?, state: row.get("state")?, error: row.get("error")? };
        Ok(Self(row.get("round_id")?, record))
    }
}

/// The servers of rounds, in their order.
pub(crate) async fn servers_of(on: &mut SqliteConnection, rounds: &[RoundId]) -> Result<HashMap<RoundId, Vec<RoundServerRecord>>> {
    let mut all: HashMap<_, Vec<_>> = HashMap::with_capacity(rounds.len());
    for some in rounds.chunks(AT_ONCE) {
        // The statement has a fixed number of places; those that are left name a round twice.
        let names = (0..AT_ONCE).map(|place| some[place.min(some.len() - 1)]);
        let statement = names.fold(sql(OF_ROUNDS), |statement, round| statement.with(&round));
        for OfRound(round, server) in statement.all(&mut *on).await? {
            all.entry(round).or_default().push(server);
        }
    }
    Ok(all)
}

impl Write {
    /// Adds the servers of a new round.
    pub(crate) async fn insert_servers(&mut self, round: RoundId, servers: &[RoundServerRecord]) -> Result<()> {
        for (place, server) in (0_u64..).zip(servers) {
            let statement = sql(INSERT).with(&round).with(&server.server).with(&place);
            statement.with(&server.state).with(&server.error).run(self.on()).await?;
        }
        Ok(())
    }

    /// Writes down how the looks at the servers of a round stand. One that was removed meanwhile stays so.
    pub(crate) async fn change_servers(&mut self, round: RoundId, servers: &[RoundServerRecord]) -> Result<()> {
        for server in servers {
            sql(CHANGE).with(&round).with(&server.server).with(&server.state).with(&server.error).run(self.on()).await?;
        }
        Ok(())
    }

    /// Deletes the rounds that a server alone had.
    pub(crate) async fn delete_rounds_of(&mut self, server: ServerId) -> Result<()> {
        sql(DELETE_ROUNDS).with(&server).run(self.on()).await.map(drop)
    }
}
