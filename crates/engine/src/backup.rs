//! One backup of one database.

use crate::{
    archive::ToArchive,
    begin::{Begun, Making, State, begin},
    blocking, check, guarded,
    kept::Follow,
    unless_cancelled,
};
use domain::{BackupKind, ChainLimit, Code, Error, Phase, Result, Summary};
use jiff::Timestamp;
use repository::{
    ArchiveReader, ArchiveRef, ArchiveWriter, Instance, Key, Manifest, Place, Prior, Repository, ServerRef, Written,
    archive::{DESCRIPTION, SUMMARY},
    manifest::{FORMAT, Positions},
};
use seal::{DataKey, PublicKey};
use serde_json::Value;
use source::{Context, Description, Reading, Scope, Sink, Source};
use std::{collections::HashMap, sync::Arc};

/// What a backup is asked to do.
#[derive(Clone)]
pub struct BackupRequest {
    /// The server.
    pub source: Arc<dyn Source>,
    /// The server as its manifests name it.
    pub server: ServerRef,
    /// What to read of it.
    pub scope: Scope,
    /// Where to.
    pub repository: Repository,
    /// Who signs.
    pub instance: Arc<Instance>,
    /// Who shall be able to read the archive; nobody named: everybody who can read the root.
    pub recipients: Vec<PublicKey>,
    /// The task that ordered it.
    pub task: Option<String>,
    /// The kind that is asked for. An incremental needs [`BackupRequest::follow`], and becomes a full one where it has to.
    pub kind: BackupKind,
    /// Why that kind, a sentence.
    pub reason: String,
    /// Folders of chains that shall not go on, each with why, if something is known that does not show under the root: that a
    /// verification failed, a sentence.
    pub doubts: HashMap<String, String>,
    /// How long the chain may grow.
    pub limit: ChainLimit,
    /// How the chain is followed; none for a full backup that no incremental will come after.
    pub follow: Option<Follow>,
    /// Threads that decode while the archive is verified.
    pub workers: usize,
}

/// A backup that exists.
#[derive(Clone, Debug)]
pub struct BackedUp {
    /// Where it lies.
    pub place: Place,
    /// Its record.
    pub manifest: Manifest,
    /// What is left out of it or special, one sentence each.
    pub notes: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "one a run")]
pub enum Outcome {
    /// There is a new backup.
    BackedUp(BackedUp),
    /// Nothing has changed since the last one, which lies here: nothing was written.
    Unchanged(Place),
}

impl Outcome {
    /// The new backup, if there is one.
    #[must_use]
    pub fn backed_up(&self) -> Option<&BackedUp> {
        match self {
            Self::BackedUp(backup) => Some(backup),
            Self::Unchanged(_) => None,
        }
    }
}

/// How often a label is chosen anew because another process took it in the same second.
const LABEL_ATTEMPTS: u32 = 5;

/// Backs up one database: reads it, or what has changed in it, at one moment into an archive, proves the archive, writes the manifest.
///
/// # Errors
/// Whatever failed; nothing of the backup is kept then, and no earlier backup is touched. [`Code::Busy`] while somebody else works on
/// the chain.
pub async fn backup(request: &BackupRequest, context: &Context) -> Result<Outcome> {
    backup_and_close(request, &mut vec![], context).await
}

/// The same. Before a full backup, a chain of which any moment can be restored is ended with an incremental: it is added to `closed`, whatever
/// becomes of the full one.
///
/// # Errors
/// As above.
pub async fn backup_and_close(request: &BackupRequest, closed: &mut Vec<BackedUp>, context: &Context) -> Result<Outcome> {
    let (context, _guard) = guarded(context);
    let (mut attempt, mut was_lost) = (1, false);
    loop {
        match once(request, closed, &context).await {
            Err(error) if error.code() == Code::NameTaken && attempt < LABEL_ATTEMPTS => attempt += 1,
            // Found out while it was read: the source knows by now that it must be a full one, and why.
            Err(error) if error.code() == Code::StateLost && !was_lost => {
                tracing::warn!(?error, "an incremental backup could not be read; it is begun anew");
                was_lost = true;
            }
            done => return done,
        }
    }
}

async fn once(request: &BackupRequest, closed: &mut Vec<BackedUp>, context: &Context) -> Result<Outcome> {
    context.meter.enter(Phase::Preparing, 0);
    let database = database_name(&request.scope);
    let began_at = Timestamp::now();
    unless_cancelled(context, request.repository.sweep_orphans(database, began_at)).await?;
    let Begun { making, state, closing, hold } = match begin(request, database, began_at, closed, context).await? {
        Ok(begun) => begun,
        Err(last) => return Ok(Outcome::Unchanged(last)),
    };
    let made = make(request, database, making, state, context).await;
    // Nobody else works on the chain until all of that is done.
    drop(hold);
    let mut made = made?;
    made.notes.extend(closing);
    Ok(Outcome::BackedUp(made))
}

/// Reads a backup that has begun, proves it and writes its manifest; and tells its source what came of it.
pub(crate) async fn make(
    request: &BackupRequest,
    database: &str,
    making: Making,
    state: Option<State>,
    context: &Context,
) -> Result<BackedUp> {
    let made = read_and_prove(request, database, making, context).await;
    match (&made, state) {
        (Ok(made), Some(state)) => state.settle(made.place.label(), &made.manifest, context).await,
        // Whatever failed: what the source keeps for a backup that will not exist is in nobody's hands any more.
        (Err(_), Some(state)) => state.give_up(context).await,
        (_, None) => {}
    }
    made
}

/// Reads a backup that has begun, proves it and writes its manifest. After an error there is none, and nothing of it under the root.
async fn read_and_prove(request: &BackupRequest, database: &str, making: Making, context: &Context) -> Result<BackedUp> {
    let Making { place, began_at, prior, position, reading, reason } = making;
    let description = reading.description().clone();
    let writer = unless_cancelled(context, request.repository.begin(&place, &request.recipients)).await?;
    let (summary, written) = read(writer, reading, context).await?;

    // From here the archive stands under its name. It is no backup before its manifest does,
    // and a crash leaves an orphan that a later run removes.
    let parts = Parts {
        database,
        place: &place,
        prior,
        position,
        reason,
        began_at,
        description: &description,
        summary: &summary,
        written: &written,
    };
    let manifest = manifest(request, parts);
    let sealed = async {
        verify(request, &place, &manifest, written.data_key.as_ref(), context).await?;
        context.meter.enter(Phase::Finishing, 0);
        context.check()?;
        request.repository.commit(&place, &manifest, &request.instance).await
    };
    if let Err(error) = sealed.await {
        if let Err(left) = request.repository.discard(&place, !request.recipients.is_empty()).await {
            tracing::warn!(?left, "an archive without a manifest could not be removed; a later run will");
        }
        return Err(error);
    }
    Ok(BackedUp { place, manifest, notes: description.notes })
}

/// The name that a scope's child folder is made from.
fn database_name(scope: &Scope) -> &str {
    match scope {
        Scope::Database(name) => name,
        Scope::Globals => repository::layout::GLOBALS,
    }
}

/// Reads the moment into the archive and ends the archive.
async fn read(writer: ArchiveWriter, reading: Box<dyn Reading>, context: &Context) -> Result<(Summary, Written)> {
    context.meter.enter(Phase::Reading, reading.expected_bytes());
    let inner = context.clone();
    let (writer, summary) = blocking(move || {
        let summary = read_members(&writer, reading, &inner);
        Ok((writer, summary))
    })
    .await?;
    match summary {
        Ok(summary) => Ok((summary, writer.finish().await?)),
        // Where the store failed, that is the reason, and the source's error only follows from it.
        Err(error) => Err(writer.abandon().await.err().unwrap_or(error)),
    }
}

fn read_members(writer: &ArchiveWriter, reading: Box<dyn Reading>, context: &Context) -> Result<Summary> {
    let sink = ToArchive(writer);
    json_member(&sink, DESCRIPTION, reading.description())?;
    let summary = reading.read(&sink, context)?;
    context.check()?;
    json_member(&sink, SUMMARY, &summary)?;
    Ok(summary)
}

fn json_member(sink: &dyn Sink, name: &str, content: &impl serde::Serialize) -> Result<()> {
    let bytes =
        serde_json::to_vec(content).map_err(|error| Error::internal(format!("The member {name} could not be written.")).because(error))?;
    let mut member = sink.member(name)?;
    member.write(&bytes)?;
    member.finish()
}

/// The store has read the bytes back and hashed them; this decodes them and counts again.
async fn verify(request: &BackupRequest, place: &Place, manifest: &Manifest, data_key: Option<&DataKey>, context: &Context) -> Result<()> {
    context.meter.enter(Phase::Verifying, manifest.archive.plain_bytes);
    let key = data_key.cloned().map(|key| Key::Data(vec![key]));
    let archive: ArchiveReader = unless_cancelled(context, request.repository.archive(place, manifest, None, key.as_ref())).await?;
    let (workers, context) = (request.workers, context.clone());
    blocking(move || check::content(&archive, workers, &context)).await
}

/// The fingerprints of those who can read an archive; nobody means that it is not sealed.
pub(crate) fn fingerprints(recipients: &[PublicKey]) -> Option<Vec<String>> {
    (!recipients.is_empty()).then(|| recipients.iter().map(|recipient| recipient.fingerprint().to_string()).collect())
}

/// What a manifest is made of.
struct Parts<'a> {
    database: &'a str,
    place: &'a Place,
    prior: Option<Prior>,
    position: Value,
    reason: String,
    began_at: Timestamp,
    description: &'a Description,
    summary: &'a Summary,
    written: &'a Written,
}

fn manifest(request: &BackupRequest, parts: Parts<'_>) -> Manifest {
    let Parts { database, place, prior, position, reason, began_at, description, summary, written } = parts;
    let label = place.label();
    Manifest {
        format: FORMAT,
        instance: request.instance.public(),
        server: request.server.clone(),
        database: database.into(),
        backup_type: label.backup_type(),
        kind: label.kind(),
        label,
        prior,
        began_at,
        ended_at: Timestamp::now(),
        position: Positions { from: position, to: summary.position.clone() },
        covers_from: summary.covers.map(|covered| covered.from),
        covers_to: summary.covers.map(|covered| covered.to),
        archive: ArchiveRef {
            name: place.archive_file(!request.recipients.is_empty()),
            size_bytes: written.size_bytes,
            sha256: written.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            plain_bytes: written.plain_bytes,
            members: written.members,
            rows: summary.rows(),
        },
        recipients: fingerprints(&request.recipients),
        tools: description.tools.clone(),
        task: request.task.clone(),
        reason,
        written_by: concat!("rookery ", env!("CARGO_PKG_VERSION")).into(),
    }
}
