//! The audit log: every change with who made it. Lines are only ever added.

use crate::{
    Catalog, PAGE_SIZE, before,
    open::Write,
    page,
    sql::{Record, Row, sql, statements},
};
use domain::{
    Result,
    view::{Page, people::AuditLine},
};
use uuid::Uuid;

/// A line of the audit log is stored as it is shown.
pub type AuditRecord = AuditLine;

statements! {
    INSERT = "INSERT INTO audit (id, at, actor, address, action, subject, path, detail) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    PAGE = "SELECT * FROM audit ORDER BY at DESC, id DESC LIMIT $1 OFFSET $2";
    COUNT = "SELECT count(*) FROM audit";
    FILTERED = "SELECT * FROM audit
        WHERE lower(actor) LIKE $1 ESCAPE '!' OR lower(action) LIKE $1 ESCAPE '!' OR lower(subject) LIKE $1 ESCAPE '!'
        ORDER BY at DESC, id DESC LIMIT $2 OFFSET $3";
    COUNT_FILTERED = "SELECT count(*) FROM audit
        WHERE lower(actor) LIKE $1 ESCAPE '!' OR lower(action) LIKE $1 ESCAPE '!' OR lower(subject) LIKE $1 ESCAPE '!'";
}

impl Record for AuditRecord {
    fn read(row: &Row) -> Result<Self> {
        Ok(Self {
            at: row.get("at")?,
            actor: row.get("actor")?,
            address: row.get("address")?,
            action: row.get("action")?,
            subject: row.get("subject")?,
            path: row.get("path")?,
            detail: row.get("detail")?,
        })
    }
}

impl Write {
    /// Commits the change together with the line that tells of it.
    pub(crate) async fn commit_with(mut self, audit: &AuditRecord) -> Result<()> {
        self.audit(audit).await?;
        self.commit().await
    }

    /// Adds the line that tells of a change.
    pub(crate) async fn audit(&mut self, audit: &AuditRecord) -> Result<()> {
        sql(INSERT)
            .with(&Uuid::now_v7().to_string())
            .with(&audit.at)
            .with(&audit.actor)
            .with(&audit.address)
            .with(&audit.action)
            .with(&audit.subject)
            .with(&audit.path)
            .with(&audit.detail)
            .run(self.on())
            .await?;
        Ok(())
    }
}

impl Catalog {
    /// Adds a line that tells of something that changed nothing here, such as a refused sign-in.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn append_audit(&self, audit: &AuditRecord) -> Result<()> {
        self.begin().await?.commit_with(audit).await
    }

    /// Lines whose actor, action or subject has `filter` in it, newest first. Case does not matter.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn audit_page(&self, filter: &str, number: u64) -> Result<Page<AuditRecord>> {
        let (size, before) = (PAGE_SIZE, before(number));
        if filter.trim().is_empty() {
            let items = sql(PAGE).with(&size).with(&before).all(self.reader()).await?;
            return Ok(page(number, items, sql(COUNT).count(self.reader()).await?));
        }
        let pattern = containing(filter.trim());
        let items = sql(FILTERED).with(&pattern).with(&size).with(&before).all(self.reader()).await?;
        Ok(page(number, items, sql(COUNT_FILTERED).with(&pattern).count(self.reader()).await?))
    }
}

/// The pattern of LIKE for texts that contain `part`.
fn containing(part: &str) -> String {
    let mut pattern = String::from("%");
    for character in part.to_ascii_lowercase().chars() {
        if matches!(character, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}
