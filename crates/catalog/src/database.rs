//! Databases of servers, as they were last seen.

use crate::{
    Catalog,
    sql::{Record, Row, sql, statements},
};
use domain::{Result, ServerId};
use jiff::Timestamp;
use std::collections::HashMap;

/// A database of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseRecord {
    /// Its server.
    pub server: ServerId,
    /// Name.
    pub name: String,
    /// Size on the server, if the server tells.
    pub size_bytes: Option<u64>,
    /// When it was first seen.
    pub first_seen_at: Timestamp,
    /// When it was last seen.
    pub last_seen_at: Timestamp,
    /// When it was first missed, unless it is there.
    pub gone_at: Option<Timestamp>,
}

statements! {
    ALL_OF_ALL = "SELECT * FROM databases ORDER BY server_id, name";
    OF_SERVER = "SELECT * FROM databases WHERE server_id = $1 ORDER BY name";
    SAW = "INSERT INTO databases (server_id, name, size_bytes, first_seen_at, last_seen_at, gone_at) VALUES ($1, $2, $3, $4, $4, NULL)
        ON CONFLICT (server_id, name) DO UPDATE SET size_bytes = excluded.size_bytes, last_seen_at = excluded.last_seen_at, gone_at = NULL";
    MISSED = "UPDATE databases SET gone_at = $2 WHERE server_id = $1 AND gone_at IS NULL AND last_seen_at < $2";
}

impl Record for DatabaseRecord {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            server: row.get("server_id")?,
            name: row.get("name")?,
            size_bytes: row.get("size_bytes")?,
            first_seen_at: row.get("first_seen_at")?,
            last_seen_at: row.get("last_seen_at")?,
            gone_at: row.get("gone_at")?,
        })
    }
}

impl Catalog {
    /// Databases of a server by name, those that are gone too.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn databases(&self, server: ServerId) -> Result<Vec<DatabaseRecord>> {
        sql(OF_SERVER).with(&server).all(self.reader()).await
    }

    /// Databases of every server, by name, in one question.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn all_databases(&self) -> Result<HashMap<ServerId, Vec<DatabaseRecord>>> {
        let mut servers: HashMap<_, Vec<_>> = HashMap::new();
        for database in sql(ALL_OF_ALL).all::<DatabaseRecord>(self.reader()).await? {
            servers.entry(database.server).or_default().push(database);
        }
        Ok(servers)
    }

    /// Writes down all databases that a server had at `now`: names with their sizes. Those that are missing are gone, those
    /// that were gone and are there again are back.
    ///
    /// # Errors
    /// [`domain::Code::Conflict`] if the server was deleted meanwhile.
    pub async fn replace_databases(&self, server: ServerId, found: &[(String, Option<u64>)], now: Timestamp) -> Result<()> {
        let mut write = self.begin().await?;
        for (name, size_bytes) in found {
            sql(SAW).with(&server).with(name).with(size_bytes).with(&now).run(write.on()).await?;
        }
        sql(MISSED).with(&server).with(&now).run(write.on()).await?;
        write.commit().await
    }
}
