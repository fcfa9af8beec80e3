//! One backup of one database.

use crate::{archive::ToArchive, blocking, check, guarded, unless_cancelled};
use domain::{BackupKind, BackupType, Code, Error, Label, Phase, Result, Summary};
use jiff::Timestamp;
use repository::{
    ArchiveReader, ArchiveRef, ArchiveWriter, Instance, Key, Manifest, Place, Repository, ServerRef, Written,
    archive::{DESCRIPTION, SUMMARY},
    manifest::{FORMAT, Positions},
};
use seal::{DataKey, PublicKey};
use source::{Context, Description, Reading, Scope, Sink, Source};
use std::sync::Arc;

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
    /// Why it is of its kind, a sentence.
    pub reason: String,
    /// Threads that decode while the archive is verified.
    pub workers: usize,
}

/// A backup that exists.
#[derive(Clone, Debug)]
pub struct BackedUp {
    /// Its record.
    pub manifest: Manifest,
    /// What is left out of it or special, one sentence each.
    pub notes: Vec<String>,
}

/// How often a label is chosen anew because another process took it in the same second.
const LABEL_ATTEMPTS: u32 = 5;

/// Backs up one database: reads it at one moment into an archive, proves the archive, writes the manifest.
///
/// # Errors
/// Whatever failed; nothing of the backup is kept then, and no earlier backup is touched.
pub async fn backup(request: &BackupRequest, context: &Context) -> Result<BackedUp> {
    let (context, _guard) = guarded(context);
    let mut attempt = 1;
    loop {
        match once(request, &context).await {
            Err(error) if error.code() == Code::NameTaken && attempt < LABEL_ATTEMPTS => attempt += 1,
            done => return done,
        }
    }
}

async fn once(request: &BackupRequest, context: &Context) -> Result<BackedUp> {
    context.meter.enter(Phase::Preparing, 0);
    let database = database_name(&request.scope);
    let began_at = Timestamp::now();
    unless_cancelled(context, request.repository.sweep_orphans(database, began_at)).await?;
    let wanted = Label::new(began_at, BackupKind::Full, BackupType::Logical);
    let label = unless_cancelled(context, request.repository.free_label(database, wanted)).await?;
    let place = Place::of_full(database, &request.server.name, label)?;

    let reading = begin(request, context).await?;
    let description = reading.description().clone();
    let writer = unless_cancelled(context, request.repository.begin(&place, &request.recipients)).await?;
    let (summary, written) = read(writer, reading, context).await?;

    // From here the archive stands under its name. It is no backup before its manifest does,
    // and a crash leaves an orphan that a later run removes.
    let manifest = manifest(request, database, &place, began_at, &description, &summary, &written);
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
    Ok(BackedUp { manifest, notes: description.notes })
}

/// The name that a scope's child folder is made from.
fn database_name(scope: &Scope) -> &str {
    match scope {
        Scope::Database(name) => name,
        Scope::Globals => repository::layout::GLOBALS,
    }
}

async fn begin(request: &BackupRequest, context: &Context) -> Result<Box<dyn Reading>> {
    let (source, scope, context) = (Arc::clone(&request.source), request.scope.clone(), context.clone());
    blocking(move || source.begin_full(&scope, &context)).await
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
    let key = data_key.cloned().map(Key::Data);
    let archive: ArchiveReader = unless_cancelled(context, request.repository.archive(place, manifest, None, key.as_ref())).await?;
    let (workers, context) = (request.workers, context.clone());
    blocking(move || check::content(&archive, workers, &context)).await
}

/// The fingerprints of those who can read an archive; nobody means that it is not sealed.
fn recipients(recipients: &[PublicKey]) -> Option<Vec<String>> {
    (!recipients.is_empty()).then(|| recipients.iter().map(|recipient| recipient.fingerprint().to_string()).collect())
}

fn manifest(
    request: &BackupRequest,
    database: &str,
    place: &Place,
    began_at: Timestamp,
    description: &Description,
    summary: &Summary,
    written: &Written,
) -> Manifest {
    let label = place.label();
    Manifest {
        format: FORMAT,
        instance: request.instance.public(),
        server: request.server.clone(),
        database: database.into(),
        backup_type: label.backup_type(),
        kind: label.kind(),
        label,
        prior: None,
        began_at,
        ended_at: Timestamp::now(),
        position: Positions { from: serde_json::Value::Null, to: description.position.clone() },
        covers_from: None,
        archive: ArchiveRef {
            name: place.archive_file(!request.recipients.is_empty()),
            size_bytes: written.size_bytes,
            sha256: written.sha256.iter().map(|byte| format!("{byte:02x}")).collect(),
            plain_bytes: written.plain_bytes,
            members: written.members,
            rows: summary.rows(),
        },
        recipients: recipients(&request.recipients),
        tools: description.tools.clone(),
        task: request.task.clone(),
        reason: request.reason.clone(),
        written_by: concat!("rookery ", env!("CARGO_PKG_VERSION")).into(),
    }
}
