//! The audit log.

use super::Failure;
use domain::view::{
    Page,
    people::{AuditLine, AuditQuery},
};
use leptos::prelude::*;

#[cfg(feature = "ssr")]
use {super::asked, control::Administer};

/// One page of the audit log, newest first.
#[server(endpoint = "audit")]
pub async fn audit(query: AuditQuery) -> Result<Page<AuditLine>, Failure> {
    let (control, permit) = asked::<Administer>().await?;
    Ok(control.audit(&permit, &query).await?)
}
