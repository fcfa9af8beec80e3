//! A full reading of one database: its rows, its definitions and what else there is to it.

use super::{
    archive::{DatabaseProperties, Extra, LARGE_OBJECTS_METADATA, POST_DATA, PRE_DATA, SCHEMA_ARCHIVE, to_json},
    catalog,
    follow::{
        Chain,
        start::{Followed, Start},
    },
    moment::{Moment, gone},
    properties,
    tools::{self, Asked, Schema},
    wire::{Session, Target, sqlstate},
};
use crate::{Context, Description, Reading, Sink};
use domain::{Code, Dbms, Error, Result, Summary};
use std::path::Path;

/// How often a new moment is taken when definitions change, or are about to, while they are read.
const ATTEMPTS: u32 = 4;

/// One moment of a database, ready to be read.
pub(super) struct Full {
    moment: Moment,
    schema: Schema,
    extra: Extra,
    description: Description,
    followed: Option<Followed>,
}

impl Full {
    /// Takes the moment, reads the definitions, and finds out everything that would make the reading fail or lack something.
    ///
    /// The definitions come before any row: pg_dump takes locks of its own, behind whoever queued for an exclusive one
    /// after ours, and he waits for us. When that happens all is let go, so that he gets through, and begun again.
    pub fn begin(target: &Target, database: &str, workers: usize, context: &Context) -> Result<Self> {
        attempts(target, database, context, || {
            let moment = Moment::take(target, database, workers, &mut || Ok(None), context)?;
            Self::of(moment, context).map(|(full, _)| full)
        })
    }

    /// The same, at a moment from which incrementals can go on.
    pub fn begin_followed(chain: &Chain, next: &Path, context: &Context) -> Result<Self> {
        let (target, database) = (&chain.target, chain.database.as_str());
        attempts(target, database, context, || {
            let mut start = Start::new(chain, context);
            let moment = Moment::take(target, database, chain.workers, &mut || start.snapshot(), context)?;
            let (mut full, properties) = Self::of(moment, context)?;
            let Self { moment, schema, extra, description, .. } = &mut full;
            description.notes.extend(start.refused().map(no_moments));
            full.followed = Some(start.followed(moment, schema, extra, &properties, next)?);
            Ok(full)
        })
    }

    fn of(mut moment: Moment, context: &Context) -> Result<(Self, DatabaseProperties)> {
        let (target, database) = (&moment.target, moment.database.as_str());
        let leader = &mut moment.snapshot.leader;
        tools::find(leader.server_version())?;
        let properties = properties::properties(leader, database)?;
        let extra = properties::extra(leader, database)?;
        let (snapshot, server_version, remarks) = (&moment.snapshot.id, leader.server_version(), catalog::remarks(leader)?);
        let schema = tools::schema(target, Asked { database, snapshot, server_version, remarks }, context)?;
        let description = describe(leader, database, &properties, &schema.tool)?;
        Ok((Self { moment, schema, extra, description, followed: None }, properties))
    }
}

/// Begins again while definitions change, or are about to.
fn attempts<T>(target: &Target, database: &str, context: &Context, begin: impl Fn() -> Result<T>) -> Result<T> {
    let mut attempt = 1;
    loop {
        match begin() {
            Err(error) if error.code() == Code::Busy && attempt < ATTEMPTS && sqlstate(&error) != Some("55P03") => {
                tracing::info!(%error, attempt, "a new moment is taken");
            }
            done => return done.map_err(|error| gone(error, target, database, context)),
        }
        attempt += 1;
    }
}

/// What `archive.json` says; `tool` read the definitions.
pub(super) fn describe(leader: &mut Session, database: &str, properties: &DatabaseProperties, tool: &str) -> Result<Description> {
    Ok(Description {
        format: Description::FORMAT,
        dbms: Dbms::Postgresql,
        version: leader.server_version_text().into(),
        database: database.into(),
        notes: notes(leader, properties)?,
        properties: to_json(properties)?,
        tools: vec![tool.to_owned()],
    })
}

impl Reading for Full {
    fn description(&self) -> &Description {
        &self.description
    }

    fn expected_bytes(&self) -> u64 {
        self.moment.stored_bytes()
    }

    fn read(self: Box<Self>, sink: &dyn Sink, context: &Context) -> Result<Summary> {
        if !self.moment.objects.is_empty() {
            let objects = serde_json::to_vec(&self.moment.objects);
            let objects = objects.map_err(|error| Error::internal("The list of large objects could not be written.").because(error))?;
            member(sink, LARGE_OBJECTS_METADATA, &objects)?;
        }
        member(sink, SCHEMA_ARCHIVE, &self.schema.archive)?;
        member(sink, PRE_DATA, &self.schema.pre_data)?;
        member(sink, POST_DATA, &self.schema.post_data)?;
        let tables = self.moment.read(sink, true, context)?;
        let position = self.followed.map_or(Ok(serde_json::Value::Null), |followed| followed.finish(&tables))?;
        Ok(Summary { tables, extra: to_json(&self.extra)?, position, ..Summary::default() })
    }
}

/// The note of a chain that follows no change stream.
pub(super) fn no_moments(why: &str) -> String {
    format!(
        "Moments between two backups cannot be restored: their rows were compared, for there is no change stream. For one that begins with the next full backup {why}"
    )
}

fn notes(leader: &mut Session, properties: &DatabaseProperties) -> Result<Vec<String>> {
    let mut notes = vec![];
    if !properties.foreign_tables.is_empty() {
        let tables = catalog::list(&properties.foreign_tables);
        notes.push(format!("Of foreign tables only the definition is in the backup, not the rows that lie elsewhere: {tables}."));
    }
    let unlogged = catalog::unlogged_away(leader)?;
    if !unlogged.is_empty() {
        let tables = catalog::list(&unlogged);
        notes.push(format!("A standby has no rows of unlogged tables: only their definition is in the backup: {tables}."));
    }
    Ok(notes)
}

/// Writes a whole small member.
pub(super) fn member(sink: &dyn Sink, name: &str, bytes: &[u8]) -> Result<()> {
    let mut member = sink.member(name)?;
    member.write(bytes)?;
    member.finish()
}
