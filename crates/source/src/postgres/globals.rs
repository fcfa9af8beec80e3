//! What belongs to the server as a whole.

use super::{
    archive::GLOBALS,
    full::member,
    tools,
    wire::{Session, Target},
};
use crate::{Context, Description, Reading, Sink};
use domain::{Dbms, Result, Summary};

/// Roles, memberships and tablespaces, ready to be read.
pub(super) struct Globals {
    target: Target,
    server_version: u32,
    description: Description,
}

impl Globals {
    pub fn begin(target: &Target, context: &Context) -> Result<Self> {
        let session = Session::connect(target, &target.maintenance_database, context)?;
        super::discover::supported(&session)?;
        let tools = tools::find(session.server_version())?;
        let description = Description {
            format: Description::FORMAT,
            dbms: Dbms::Postgresql,
            version: session.server_version_text().into(),
            database: "_globals".into(),
            properties: serde_json::Value::Null,
            notes: vec![],
            tools: vec![format!("pg_dumpall {}", tools.version)],
            position: serde_json::Value::Null,
        };
        Ok(Self { target: target.clone(), server_version: session.server_version(), description })
    }
}

impl Reading for Globals {
    fn description(&self) -> &Description {
        &self.description
    }

    fn expected_bytes(&self) -> u64 {
        0
    }

    fn read(self: Box<Self>, sink: &dyn Sink, context: &Context) -> Result<Summary> {
        let (sql, _) = tools::globals(&self.target, self.server_version, context)?;
        member(sink, GLOBALS, &sql)?;
        Ok(Summary::default())
    }
}
