//! A full reading of one database: its rows, its definitions and what else there is to it.

use super::{
    archive::{DatabaseProperties, Extra, LARGE_OBJECTS_METADATA, POST_DATA, PRE_DATA, SCHEMA_ARCHIVE, to_json},
    catalog,
    moment::{Moment, Snapshotted},
    properties, tools,
    wire::Target,
};
use crate::{Context, Description, Reading, Sink};
use domain::{Dbms, Error, Result, Summary};

/// One moment of a database, ready to be read.
pub(super) struct Full {
    moment: Moment,
    extra: Extra,
    description: Description,
}

impl Full {
    /// Takes the moment, and finds out everything that would make the reading fail or lack something.
    pub fn begin(target: &Target, database: &str, workers: usize, context: &Context) -> Result<Self> {
        let mut moment = Moment::take(target, database, workers, context)?;
        let leader = &mut moment.snapshot.leader;
        let tools = tools::find(leader.server_version())?;
        let properties = properties::properties(leader, database)?;
        let extra = properties::extra(leader, database)?;
        let description = Description {
            format: Description::FORMAT,
            dbms: Dbms::Postgresql,
            version: leader.server_version_text().into(),
            database: database.into(),
            notes: notes(&properties),
            properties: to_json(&properties)?,
            tools: vec![format!("pg_dump {}", tools.version)],
            position: serde_json::Value::Null,
        };
        Ok(Self { moment, extra, description })
    }
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
        let tables = self.moment.read(sink, true, context, |snapshot| schema(snapshot, sink))?;
        Ok(Summary { tables, extra: to_json(&self.extra)? })
    }
}

fn notes(properties: &DatabaseProperties) -> Vec<String> {
    if properties.foreign_tables.is_empty() {
        return vec![];
    }
    let tables = catalog::list(&properties.foreign_tables);
    vec![format!("Of foreign tables only the definition is in the backup, not the rows that lie elsewhere: {tables}.")]
}

fn schema(snapshot: &Snapshotted<'_>, sink: &dyn Sink) -> Result<()> {
    let schema = tools::schema(snapshot.target, snapshot.database, snapshot.id, snapshot.version, snapshot.context)?;
    member(sink, SCHEMA_ARCHIVE, &schema.archive)?;
    member(sink, PRE_DATA, &schema.pre_data)?;
    member(sink, POST_DATA, &schema.post_data)
}

/// Writes a whole small member.
pub(super) fn member(sink: &dyn Sink, name: &str, bytes: &[u8]) -> Result<()> {
    let mut member = sink.member(name)?;
    member.write(bytes)?;
    member.finish()
}
