//! Settings: texts by name.

use crate::{
    AuditRecord, Catalog,
    sql::{Record, Row, changed, sql, statements},
};
use domain::Result;

struct Value(String);

statements! {
    ONE = "SELECT value FROM settings WHERE name = $1";
    SET = "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
}

impl Record for Value {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self(row.get("value")?))
    }
}

impl Catalog {
    /// A setting, if it was ever set.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn setting(&self, name: &str) -> Result<Option<String>> {
        let value: Option<Value> = sql(ONE).with(name).one(self.reader()).await?;
        Ok(value.map(|Value(text)| text))
    }

    /// Changes a setting that still is what it `was` when the change was begun.
    ///
    /// # Errors
    /// [`domain::Code::Conflict`] if it is something else by now.
    pub async fn set_setting(&self, name: &str, was: Option<&str>, value: &str, audit: &AuditRecord) -> Result<()> {
        let mut write = self.begin().await?;
        let is: Option<Value> = sql(ONE).with(name).one(write.on()).await?;
        if is.as_ref().map(|Value(text)| text.as_str()) != was {
            return Err(changed("setting"));
        }
        sql(SET).with(name).with(value).run(write.on()).await?;
        write.commit_with(audit).await
    }
}
