//! Reads a backup back and proves it, as far as that is possible without a server.

use crate::{blocking, check, guarded, unless_cancelled};
use domain::{Code, Phase, Result};
use repository::{Key, Manifest, Pieces, Place, Point, Repository, repository::check_key};
use sha2::{Digest, Sha256};
use source::Context;

/// What a verification established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// Signature, stored bytes, every member and every table's rows and digest hold.
    Checked,
    /// Signature and stored bytes hold; what is sealed in them was not looked at, for want of a key.
    Stored,
}

/// Bytes that are read from a store at once.
const PIECE_BYTES: u64 = 4 * repository::body::PIECE_BYTES as u64;

/// Verifies one backup: the manifest's signature and signer, the stored bytes, and the content, of a sealed archive if there is a key.
///
/// # Errors
/// What does not hold, and why.
pub async fn verify(repository: &Repository, point: &Point, key: Option<&Key>, workers: usize, context: &Context) -> Result<Verified> {
    let (context, _guard) = guarded(context);
    let manifest = repository.usable(point)?;
    if key.is_some() {
        check_key(manifest, key)?;
    }
    let pieces = stored_bytes(repository, &point.place, manifest, &context).await?;
    if manifest.sealed() && key.is_none() {
        return Ok(Verified::Stored);
    }
    context.meter.enter(Phase::Verifying, manifest.archive.plain_bytes);
    let archive = unless_cancelled(&context, repository.archive(&point.place, manifest, Some(pieces), key)).await?;
    blocking(move || check::content(&archive, workers, &context)).await?;
    Ok(Verified::Checked)
}

/// Proves that the archive's stored bytes are those that were signed, before anything is made of them. What is read later is held
/// against the pieces that this returns: whoever can write to the root could exchange the archive meanwhile.
pub async fn stored_bytes(repository: &Repository, place: &Place, manifest: &Manifest, context: &Context) -> Result<Pieces> {
    let size = manifest.archive.size_bytes;
    context.meter.enter(Phase::Verifying, size);
    let name = place.archive(manifest.sealed())?;
    let store = repository.store();
    let stored = match unless_cancelled(context, store.size(&name)).await {
        Err(error) if error.code() == Code::NotFound => None,
        other => Some(other?),
    };
    manifest.check_size(stored)?;
    let (mut hash, mut pieces) = (Sha256::new(), Pieces::default());
    let mut done = 0;
    while done < size {
        let piece = unless_cancelled(context, store.read(&name, done..size.min(done + PIECE_BYTES))).await?;
        hash.update(&piece);
        pieces.take(&piece);
        done += piece.len() as u64;
        context.meter.add(0, piece.len() as u64);
    }
    manifest.check_sha256(hash.finalize().into())?;
    Ok(pieces)
}
