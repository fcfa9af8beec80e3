//! A logical full backup of one database.

use super::{
    cell::{Encoding, Wide},
    define,
    fault::Subject,
    moment::{Moment, size_bytes},
    read::Reader,
    schema::{self, Object},
    stamp::Stamp,
    state::{Position, State},
};
use crate::{Context, Description, Reading, Sink};
use domain::{Dbms, Error, Result, Summary};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What [`Description::properties`] says of a SQLite database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Properties {
    /// Bytes of a page.
    pub page_size: u32,
    /// Encoding of text.
    pub encoding: Encoding,
    /// `PRAGMA auto_vacuum`: 0 none, 1 full, 2 incremental.
    pub auto_vacuum: u8,
    /// `PRAGMA journal_mode`; only whether it is `wal` is kept in a file.
    pub journal_mode: String,
    /// `PRAGMA user_version`.
    pub user_version: i32,
    /// `PRAGMA application_id`.
    pub application_id: i32,
    /// Permission bits of the file.
    pub mode: u32,
}

impl Properties {
    /// The properties in an archive's description.
    pub fn of(description: &Description) -> Result<Self> {
        if description.dbms != Dbms::Sqlite {
            let sentence = format!("The backup is of {}, so a SQLite database cannot be made from it.", description.dbms);
            return Err(Error::new(domain::Code::Usage, sentence, "Choose a server of the same kind."));
        }
        serde_json::from_value(description.properties.clone())
            .map_err(|error| crate::value::damaged("What the archive says of its database cannot be read.").because(error))
    }

    fn read(connection: &Connection, journal_mode: &str, mode: u32) -> rusqlite::Result<Self> {
        fn pragma<T: rusqlite::types::FromSql>(connection: &Connection, name: &str) -> rusqlite::Result<T> {
            connection.query_row(&format!("PRAGMA main.{name}"), [], |row| row.get(0))
        }
        Ok(Self {
            page_size: pragma(connection, "page_size")?,
            encoding: Encoding::from_pragma(&pragma::<String>(connection, "encoding")?).unwrap_or(Encoding::Utf8),
            auto_vacuum: pragma(connection, "auto_vacuum")?,
            journal_mode: journal_mode.to_owned(),
            user_version: pragma(connection, "user_version")?,
            application_id: pragma(connection, "application_id")?,
            mode,
        })
    }
}

/// A moment with its description.
pub struct Full {
    /// The moment.
    pub moment: Moment,
    /// Which database, for sentences.
    pub subject: Subject,
    /// Its definitions.
    pub objects: Vec<Object>,
    /// Its properties.
    pub properties: Properties,
    description: Description,
    expected_bytes: u64,
    followed: Option<Followed>,
}

/// What a backup leaves for the next one of its chain.
pub struct Followed {
    /// The folder of its state.
    pub state: PathBuf,
    /// What its manifest will say.
    pub position: Position,
}

impl Full {
    /// Describes a moment of a database in a file with the permission bits `mode`.
    pub fn new(moment: Moment, subject: Subject, mode: u32, context: &Context) -> Result<Self> {
        let fault = |error| subject.fault("Reading the properties", error);
        let connection = moment.readers.first().ok_or_else(|| Error::internal("A database was opened by no connection."))?;
        let expected_bytes = size_bytes(connection).map_err(fault)?;
        let objects = schema::objects(connection, &subject)?;
        let properties = Properties::read(connection, &moment.journal_mode, mode).map_err(fault)?;
        let notes = define::rehearse(&objects, &subject, context)?;
        let description = Description {
            format: Description::FORMAT,
            dbms: Dbms::Sqlite,
            version: rusqlite::version().to_owned(),
            database: subject.0.clone(),
            properties: serde_json::to_value(&properties)
                .map_err(|error| Error::internal("The properties of a database could not be written.").because(error))?,
            notes,
            tools: vec![],
        };
        Ok(Self { moment, subject, objects, properties, description, expected_bytes, followed: None })
    }

    /// The stamp of the files that it is read from, if nobody wrote to them meanwhile.
    pub fn stamp(&self) -> Option<&Stamp> {
        self.followed.as_ref()?.position.stamp.as_ref()
    }

    /// Lets an incremental come after it.
    pub fn follow(&mut self, followed: Followed) {
        self.followed = Some(followed);
    }

    /// A connection that sees the moment.
    pub fn connection(&self) -> Result<&Connection> {
        self.moment.readers.first().ok_or_else(|| Error::internal("A database was opened by no connection."))
    }

    /// The folder of its state.
    pub fn state(&self) -> Result<&PathBuf> {
        self.followed.as_ref().map(|followed| &followed.state).ok_or_else(|| Error::internal("A backup that nobody follows has no state."))
    }

    /// The position of its manifest; null where nothing follows.
    pub fn position(&self) -> Result<serde_json::Value> {
        let position = self.followed.as_ref().map(|followed| &followed.position);
        serde_json::to_value(position).map_err(|error| Error::internal("A position could not be written.").because(error))
    }
}

impl Reading for Full {
    fn description(&self) -> &Description {
        &self.description
    }

    fn expected_bytes(&self) -> u64 {
        self.expected_bytes
    }

    fn read(mut self: Box<Self>, sink: &dyn Sink, context: &Context) -> Result<Summary> {
        schema::write(&self.objects, sink)?;
        let keys = self.followed.as_ref().map(|followed| followed.state.as_path());
        let reader = Reader { subject: &self.subject, encoding: self.properties.encoding, objects: &self.objects, keys };
        let tables = reader.read(&mut self.moment.readers, &Wide::new(sink), context)?;
        if let Some(folder) = keys {
            State::of(&self.objects, &self.properties, &tables).save(folder)?;
        }
        Ok(Summary { tables, position: self.position()?, ..Summary::default() })
    }
}
