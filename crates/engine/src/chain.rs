//! Full or incremental: which of the two a backup can be, and why.

use crate::{BackupRequest, archive::FromArchive, backup::fingerprints, unless_cancelled, verify::stored_bytes};
use domain::{BackupKind, BackupType, Code, Result};
use jiff::Timestamp;
use repository::{ArchiveReader, Manifest, Point};
use source::{Context, Following, Members};
use std::{path::Path, sync::Arc};

/// What a backup can be.
pub(crate) enum Choice {
    /// A full one.
    Full {
        /// Why, a sentence.
        reason: String,
        /// The backups of the chain that ends with it, the full one first, if that could go on.
        ends: Vec<Point>,
    },
    /// An incremental that builds on the last of these backups, the full one first.
    After(Vec<Point>),
}

/// Chooses by what lies under the root, and whether the chain was given up; whether the source can go on from there is its own question.
pub(crate) async fn choose(request: &BackupRequest, database: &str, given_up: Option<String>, now: Timestamp) -> Result<Choice> {
    let asked = (request.kind == BackupKind::Full).then(|| request.reason.clone());
    if let Some(why) = given_up {
        return Ok(Choice::Full { reason: asked.unwrap_or(why), ends: vec![] });
    }
    let chain = request.repository.newest_chain(database, &request.server.name, BackupType::Logical).await?;
    if let Some(why) = why_not(request, &chain) {
        return Ok(Choice::Full { reason: asked.unwrap_or(why), ends: vec![] });
    }
    let limit = || request.limit.reached(chain.first()?.place.label().at(), chain.len() - 1, now);
    Ok(match asked.or_else(limit) {
        Some(reason) => Choice::Full { reason, ends: chain },
        None => Choice::After(chain),
    })
}

/// Why a chain takes no incremental, however long it is.
fn why_not(request: &BackupRequest, chain: &[Point]) -> Option<String> {
    let Some(last) = chain.last() else { return Some("There is no full backup yet.".into()) };
    if let Some(doubt) = request.doubts.get(last.place.folder().as_str()) {
        return Some(doubt.clone());
    }
    for point in chain {
        if let Err(error) = request.repository.usable(point) {
            return Some(format!("The chain of the backups before it cannot be used. {error}"));
        }
    }
    let manifest = last.manifest.as_ref().ok()?;
    if manifest.server.instance != request.server.instance {
        return Some("The backups before it are of another server that had the same name.".into());
    }
    let (mut before, mut now_for) = (manifest.recipients.clone(), fingerprints(&request.recipients));
    before.iter_mut().chain(&mut now_for).for_each(|keys| keys.sort_unstable());
    (before != now_for).then(|| "The keys that open the archives are others than before.".into())
}

/// Makes the lost state of the last backup of a chain anew from its archives, in the folder `state`.
///
/// # Errors
/// Outer: what failed for want of a store, or that it was cancelled. Inner: why it cannot be made, a sentence.
pub(crate) async fn rebuild(
    request: &BackupRequest,
    chain: &[Point],
    following: &Arc<dyn Following>,
    state: &Path,
    context: &Context,
) -> Result<Result<(), String>> {
    let manifests: Vec<(&Point, &Manifest)> =
        chain.iter().map(|point| Ok((point, request.repository.usable(point)?))).collect::<Result<_>>()?;
    if manifests.iter().any(|(_, manifest)| manifest.sealed()) {
        return Ok(Err(
            "What the console keeps of the last backup is lost, and the chain is sealed, so that it cannot be made anew.".into()
        ));
    }
    let mut archives = vec![];
    for (point, manifest) in manifests {
        let pieces = stored_bytes(&request.repository, &point.place, manifest, context).await;
        let pieces = match pieces {
            Err(error) if error.code() == Code::Damaged => {
                return Ok(Err(format!("The chain of the backups before it cannot be used. {error}")));
            }
            other => other?,
        };
        archives.push(unless_cancelled(context, request.repository.archive(&point.place, manifest, Some(pieces), None)).await?);
    }
    let (following, state, context) = (Arc::clone(following), state.to_owned(), context.clone());
    crate::blocking(move || {
        let archives: Vec<FromArchive<'_>> = archives.iter().map(|archive: &ArchiveReader| FromArchive(archive)).collect();
        let members: Vec<&dyn Members> = archives.iter().map(|archive| archive as &dyn Members).collect();
        following.rebuild(&members, &state, &context)
    })
    .await?;
    Ok(Ok(()))
}
