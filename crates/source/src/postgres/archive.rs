//! What an archive of a PostgreSQL database says beside its rows: shared by the reading and the restore.

use domain::{Error, Result};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Member with the definitions in pg_dump's custom format.
pub const SCHEMA_ARCHIVE: &str = "schema/schema.dump";
/// Member with the SQL that comes before the rows.
pub const PRE_DATA: &str = "schema/pre-data.sql";
/// Member with the SQL that comes after the rows.
pub const POST_DATA: &str = "schema/post-data.sql";
/// Member with roles, memberships and tablespaces, in an archive of what belongs to the whole server.
pub const GLOBALS: &str = "globals.sql";
/// Member with a [`LargeObject`] for each large object, as a JSON array. Their bytes are rows of [`LARGE_OBJECTS`].
pub const LARGE_OBJECTS_METADATA: &str = "blobs/metadata.json";

/// The table of large objects in an archive: rows `[oid, offset, "\\x…"]`, an empty object with one row without
/// bytes. Tables of users have a schema in front, so that the name cannot be one of theirs.
pub const LARGE_OBJECTS: &str = "pg_largeobject";

/// The database itself, in `archive.json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseProperties {
    /// The server's version as a number, such as 150018.
    pub server_version: u32,
    /// Encoding of the database.
    pub encoding: String,
    /// Encoding of the texts in the archive: UTF8, or the database's own where it does not convert without loss.
    pub client_encoding: String,
    /// `LC_COLLATE`.
    pub collate: String,
    /// `LC_CTYPE`.
    pub ctype: String,
    /// Provider of the locale: `libc`, `icu` or `builtin`.
    pub provider: String,
    /// Locale of the provider, where it is not libc.
    pub locale: Option<String>,
    /// Additional ICU rules.
    pub icu_rules: Option<String>,
    /// Version of the collation when the database was made.
    pub collation_version: Option<String>,
    /// Role that owns the database.
    pub owner: String,
    /// Most connections at a time, -1 for no limit.
    pub connection_limit: i32,
    /// Whether it is a template.
    pub is_template: bool,
    /// Privileges as the server writes them (`role=CTc/grantor`); `None` are the default ones.
    pub acl: Option<Vec<String>>,
    /// Comment.
    pub comment: Option<String>,
    /// `ALTER DATABASE … SET`, each as `name=value`.
    pub settings: Vec<String>,
    /// `ALTER ROLE … IN DATABASE … SET`.
    pub role_settings: Vec<RoleSettings>,
    /// Default tablespace.
    pub tablespace: String,
    /// Roles that something in the database refers to, ordered.
    pub roles: Vec<String>,
    /// Installed extensions.
    pub extensions: Vec<Extension>,
    /// Foreign tables: their definition is in the archive, their rows are not.
    pub foreign_tables: Vec<String>,
}

/// Settings of one role in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleSettings {
    /// The role.
    pub role: String,
    /// Each as `name=value`.
    pub settings: Vec<String>,
}

/// An installed extension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The schema it is in.
    pub schema: String,
}

/// What the summary holds beside the tables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extra {
    /// Where every sequence stands.
    pub sequences: Vec<Sequence>,
    /// Materialized views that hold rows, to be refreshed by a restore; quoted where needed, ordered by name.
    pub materialized_views: Vec<String>,
    /// Of an incremental: tables whose changes it does not tell, because their definition changed or no stream shows them; they
    /// are in it as they were at its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unstreamed: Vec<String>,
}

/// A sequence's position.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequence {
    /// Schema and name, quoted where needed.
    pub name: String,
    /// `last_value`.
    pub last_value: i64,
    /// Whether `last_value` has been handed out.
    pub is_called: bool,
}

/// A large object without its bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObject {
    /// Its number.
    pub oid: u32,
    /// Role that owns it.
    pub owner: String,
    /// Privileges as the server writes them; `None` are the default ones.
    pub acl: Option<Vec<String>>,
    /// Comment.
    pub comment: Option<String>,
}

/// One of these as the JSON that goes into a description or summary.
pub fn to_json<T: Serialize>(value: &T) -> Result<serde_json::Value> {
    serde_json::to_value(value).map_err(|error| Error::internal("A part of the archive could not be written.").because(error))
}

/// One of these out of the JSON of a description or summary.
///
/// # Errors
/// [`domain::Code::Damaged`] if it is not what was asked for.
pub fn from_json<T: DeserializeOwned>(value: &serde_json::Value) -> Result<T> {
    T::deserialize(value).map_err(|error| crate::value::damaged("What the archive says of its database cannot be read.").because(error))
}
