//! Sessions of users.

use crate::{
    Catalog, UserRecord,
    sql::{Record, Row, sql, statements},
};
use domain::{Result, UserId};
use jiff::Timestamp;

/// A session, as stored: under the hash of its token, which alone is in the browser's cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRecord {
    /// Hash of the token.
    pub token_hash: String,
    /// Whose it is.
    pub user: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub seen_at: Timestamp,
    /// Network address.
    pub address: String,
    /// What the browser calls itself.
    pub agent: String,
}

/// A session with its user.
struct SignedIn(SessionRecord, UserRecord);

statements! {
    ONE = "SELECT users.*, sessions.token_hash, sessions.user_id, sessions.created_at AS began_at, sessions.seen_at, sessions.address,
        sessions.agent FROM sessions JOIN users ON users.id = sessions.user_id WHERE sessions.token_hash = $1";
    OF_USER = "SELECT token_hash, user_id, created_at AS began_at, seen_at, address, agent FROM sessions WHERE user_id = $1
        ORDER BY seen_at DESC";
    INSERT = "INSERT INTO sessions (token_hash, user_id, created_at, seen_at, address, agent) VALUES ($1, $2, $3, $4, $5, $6)";
    TOUCH = "UPDATE sessions SET seen_at = $2 WHERE token_hash = $1 AND seen_at < $2";
    DELETE = "DELETE FROM sessions WHERE token_hash = $1";
    DELETE_OF_USER = "DELETE FROM sessions WHERE user_id = $1 AND token_hash <> $2";
    DELETE_OVER = "DELETE FROM sessions WHERE seen_at < $1 OR created_at < $2";
}

impl Record for SessionRecord {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            token_hash: row.get("token_hash")?,
            user: row.get("user_id")?,
            created_at: row.get("began_at")?,
            seen_at: row.get("seen_at")?,
            address: row.get("address")?,
            agent: row.get("agent")?,
        })
    }
}

impl Record for SignedIn {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self(SessionRecord::read(row)?, UserRecord::read(row)?))
    }
}

impl Catalog {
    /// The session of a token with its user, whether or not it is too old.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn session(&self, token_hash: &str) -> Result<Option<(SessionRecord, UserRecord)>> {
        let signed_in: Option<SignedIn> = sql(ONE).with(token_hash).one(self.reader()).await?;
        Ok(signed_in.map(|SignedIn(session, user)| (session, user)))
    }

    /// Sessions of a user, the last used first.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<SessionRecord>> {
        sql(OF_USER).with(&user).all(self.reader()).await
    }

    /// Adds a session.
    ///
    /// # Errors
    /// [`domain::Code::Conflict`] if the user was removed meanwhile.
    pub async fn insert_session(&self, session: &SessionRecord) -> Result<()> {
        let mut write = self.begin().await?;
        sql(INSERT)
            .with(&session.token_hash)
            .with(&session.user)
            .with(&session.created_at)
            .with(&session.seen_at)
            .with(&session.address)
            .with(&session.agent)
            .run(write.on())
            .await?;
        write.commit().await
    }

    /// Writes down that a session was used.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn touch_session(&self, token_hash: &str, at: Timestamp) -> Result<()> {
        let mut write = self.begin().await?;
        sql(TOUCH).with(token_hash).with(&at).run(write.on()).await?;
        write.commit().await
    }

    /// Ends a session, if it is there.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn delete_session(&self, token_hash: &str) -> Result<()> {
        let mut write = self.begin().await?;
        sql(DELETE).with(token_hash).run(write.on()).await?;
        write.commit().await
    }

    /// Ends all sessions of a user, but for one if it is named.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn delete_sessions_of(&self, user: UserId, but: Option<&str>) -> Result<()> {
        let mut write = self.begin().await?;
        sql(DELETE_OF_USER).with(&user).with(but.unwrap_or_default()).run(write.on()).await?;
        write.commit().await
    }

    /// Ends sessions that were last used before `idle_since`, or that began before `began_before`; says how many.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn delete_idle_sessions(&self, idle_since: Timestamp, began_before: Timestamp) -> Result<u64> {
        let mut write = self.begin().await?;
        let ended = sql(DELETE_OVER).with(&idle_since).with(&began_before).run(write.on()).await?;
        write.commit().await?;
        Ok(ended)
    }
}
