//! The chain of one database.

use super::Postgres;
use crate::{Begun, Context, Following, Members, Reading, Scope, Since, Source};
use domain::Result;
use serde_json::Value;
use std::path::Path;

/// See [`Following`].
pub struct Chain {
    source: Postgres,
    database: String,
}

impl Chain {
    /// The chain of `database`.
    pub fn new(source: &Postgres, database: &str) -> Self {
        Self { source: source.clone(), database: database.into() }
    }
}

impl Following for Chain {
    fn begin_full(&self, _: &Path, context: &Context) -> Result<Box<dyn Reading>> {
        self.source.begin_full(&Scope::Database(self.database.clone()), context)
    }

    fn begin_incremental(&self, _: &Since<'_>, _: &Context) -> Result<Begun> {
        Ok(Begun::MustBeFull("The changes of this server cannot be followed.".into()))
    }

    fn rebuild(&self, _: &[&dyn Members], _: &Path, _: &Context) -> Result<()> {
        Ok(())
    }

    fn settle(&self, _: &Value, _: &Context) -> Result<()> {
        Ok(())
    }

    fn release(&self, _: &Context) -> Result<()> {
        Ok(())
    }
}
