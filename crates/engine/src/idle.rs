//! What a server keeps for a chain between two backups although nothing changed.

use crate::{HeldChain, begin::settle, blocking, unless_cancelled};
use domain::{BackupType, Result};
use repository::Repository;
use source::{Context, Following};
use std::sync::Arc;

/// Lets the server of a chain forget log in which nothing of the database changed since the newest backup under the root; so much
/// of it as takes some seconds. Returns whether it could: otherwise all is left for the next incremental.
///
/// # Errors
/// What reading the root gives, and the source.
pub async fn let_go(chain: &HeldChain, repository: &Repository, following: &Arc<dyn Following>, context: &Context) -> Result<bool> {
    let HeldChain { chain, kept, .. } = chain;
    let points = unless_cancelled(context, repository.newest_chain(&chain.database, &chain.server, BackupType::Logical)).await?;
    let Some((last, Ok(manifest))) = points.last().map(|last| (last, repository.usable(last))) else { return Ok(false) };
    if manifest.server.instance != chain.server_instance {
        return Ok(false);
    }
    let label = last.place.label();
    // A crash came before the server was told of the newest backup, or while another was made.
    if kept.has_others(label) {
        settle(following, kept, label, manifest, context).await;
    }
    let (following, position, state, context) = (Arc::clone(following), manifest.position.to.clone(), kept.of(label), context.clone());
    blocking(move || following.let_go(&position, &state, &context)).await
}
