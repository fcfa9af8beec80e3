//! The audit log.

use crate::{Administer, Control, Permit};
use domain::{
    Result,
    view::{
        Page,
        people::{AuditLine, AuditQuery},
    },
};

impl Control {
    /// A page of the audit log, newest first.
    ///
    /// # Errors
    /// [`domain::Code::Catalog`].
    pub async fn audit(&self, _permit: &Permit<Administer>, query: &AuditQuery) -> Result<Page<AuditLine>> {
        self.catalog.audit_page(&query.filter, query.page).await
    }
}
