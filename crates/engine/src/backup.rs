//! One backup of one database.

use crate::{
    archive::ToArchive,
    blocking,
    chain::{self, Choice},
    check, guarded,
    kept::{A_LOOK, Follow, Hold, Kept, Next},
    unless_cancelled,
};
use domain::{BackupKind, BackupType, ChainLimit, Code, Error, Label, Phase, Result, Summary};
use jiff::Timestamp;
use repository::{
    ArchiveReader, ArchiveRef, ArchiveWriter, Instance, Key, Manifest, Place, Point, Prior, Repository, ServerRef, Written,
    archive::{DESCRIPTION, SUMMARY},
    manifest::{FORMAT, Positions},
};
use seal::{DataKey, PublicKey};
use serde_json::Value;
use source::{Context, Description, Following, Reading, Scope, Since, Sink, Source};
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
    let (context, _guard) = guarded(context);
    let (mut attempt, mut was_lost) = (1, false);
    loop {
        match once(request, &context).await {
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

async fn once(request: &BackupRequest, context: &Context) -> Result<Outcome> {
    context.meter.enter(Phase::Preparing, 0);
    let database = database_name(&request.scope);
    let began_at = Timestamp::now();
    unless_cancelled(context, request.repository.sweep_orphans(database, began_at)).await?;
    let begun = begin(request, database, began_at, context).await?;
    let Begun { making, state, hold } = match begun {
        Ok(begun) => begun,
        Err(last) => return Ok(Outcome::Unchanged(last)),
    };
    let made = make(request, database, began_at, making, context).await;
    match (&made, state) {
        (Ok(made), Some(state)) => state.settle(made.place.label(), &made.manifest, context).await,
        // Whatever failed: what the source keeps for a backup that will not exist is in nobody's hands any more.
        (Err(_), Some(state)) => state.give_up(context).await,
        (_, None) => {}
    }
    // Nobody else works on the chain until all of that is done.
    drop(hold);
    made.map(Outcome::BackedUp)
}

/// Reads a backup that has begun, proves it and writes its manifest. After an error there is none, and nothing of it under the root.
async fn make(request: &BackupRequest, database: &str, began_at: Timestamp, making: Making, context: &Context) -> Result<BackedUp> {
    let Making { place, prior, position, reading, reason } = making;
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

/// A backup that has begun.
struct Begun {
    making: Making,
    state: Option<State>,
    hold: Option<Hold>,
}

/// What is to be read, and what it will be.
struct Making {
    place: Place,
    prior: Option<Prior>,
    /// Where the server's log stood at the end of the prior.
    position: Value,
    reading: Box<dyn Reading>,
    reason: String,
}

/// What a backup leaves for the next one of its chain.
struct State {
    following: Arc<dyn Following>,
    kept: Kept,
    next: Next,
    /// Where the backup before ended, from which the next one goes on if this one fails.
    before: Value,
}

impl State {
    /// The backup exists: what was needed before it is not any more.
    async fn settle(self, label: Label, manifest: &Manifest, context: &Context) {
        self.next.keep();
        settle(&self.following, &self.kept, label, manifest, context).await;
    }

    /// The backup will not exist: what was made for it on the server goes, and what there was before stays.
    async fn give_up(self, context: &Context) {
        let (following, position, context) = (self.following, self.before, to_the_end(context));
        if let Err(error) = blocking(move || following.settle(&position, &context)).await {
            tracing::warn!(?error, "what was kept on the server for a backup that failed could not be removed; the next run removes it");
            // As long as its state is there, the next run knows of it.
            self.next.keep();
        }
    }
}

/// A run that was cancelled cleans up all the same.
fn to_the_end(context: &Context) -> Context {
    Context { meter: Arc::clone(&context.meter), ..Context::default() }
}

/// Tells the server that a backup exists, and removes the states of those before it. As long as one of them is there, it was not told.
pub(crate) async fn settle(following: &Arc<dyn Following>, kept: &Kept, label: Label, manifest: &Manifest, context: &Context) {
    let (following, position, context) = (Arc::clone(following), manifest.position.to.clone(), to_the_end(context));
    match blocking(move || following.settle(&position, &context)).await {
        Ok(()) => kept.keep_only(label),
        Err(error) => tracing::warn!(?error, "the server could not be told that a backup exists; the next run tells it"),
    }
}

/// Takes hold of the moment to be read; or says where the last backup lies, if nothing has changed since.
async fn begin(
    request: &BackupRequest,
    database: &str,
    began_at: Timestamp,
    context: &Context,
) -> Result<std::result::Result<Begun, Place>> {
    let (Scope::Database(name), Some(follow)) = (&request.scope, &request.follow) else {
        let place = place_of_full(request, database, began_at, context).await?;
        let (source, scope, inner) = (Arc::clone(&request.source), request.scope.clone(), context.clone());
        let reading = blocking(move || source.begin_full(&scope, &inner)).await?;
        let making = Making { place, reading, reason: request.reason.clone(), prior: None, position: Value::Null };
        return Ok(Ok(Begun { making, state: None, hold: None }));
    };
    follow.ensure_there()?;
    let owner = follow.owner(request.instance.fingerprint().to_string(), &request.server.name);
    let following: Arc<dyn Following> = request.source.follow(name, &owner).into();
    let kept = follow.kept(&request.server.name, database);
    let (chain, name, inner) = (kept.clone(), database.to_owned(), context.clone());
    let hold = Some(blocking(move || chain.hold(&name, A_LOOK, &inner)).await?);
    let given_up = kept.note(&follow.chain(&request.server, database, request.task.as_deref()))?;
    let reason = match unless_cancelled(context, chain::choose(request, database, given_up, began_at)).await? {
        Choice::Full(reason) => reason,
        Choice::After(chain) => match incremental(request, &following, &kept, &chain, began_at, context).await? {
            Incremental::Begun(begun) => return Ok(Ok(Begun { making: begun.0, state: Some(begun.1), hold })),
            Incremental::Unchanged(last) => return Ok(Err(last)),
            Incremental::MustBeFull(reason) => reason,
        },
    };
    // A chain that could go on but shall not is still there if this fails.
    let there = request.repository.newest_chain(database, &request.server.name, BackupType::Logical);
    let there = unless_cancelled(context, there).await?;
    let last = there.last().and_then(|last| request.repository.usable(last).ok());
    let before = last.map_or(Value::Null, |manifest| manifest.position.to.clone());
    let place = place_of_full(request, database, began_at, context).await?;
    let next = kept.begin(place.label())?;
    let (source, path, inner) = (Arc::clone(&following), next.path().to_owned(), context.clone());
    let reading = blocking(move || source.begin_full(&path, &inner)).await?;
    let making = Making { place, reading, reason, prior: None, position: Value::Null };
    Ok(Ok(Begun { making, state: Some(State { following, kept, next, before }), hold }))
}

async fn place_of_full(request: &BackupRequest, database: &str, began_at: Timestamp, context: &Context) -> Result<Place> {
    let wanted = Label::new(began_at, BackupKind::Full, BackupType::Logical);
    let label = unless_cancelled(context, request.repository.free_label(database, wanted)).await?;
    Place::of_full(database, &request.server.name, label)
}

enum Incremental {
    Begun(Box<(Making, State)>),
    /// Since the backup that lies here.
    Unchanged(Place),
    MustBeFull(String),
}

/// Begins an incremental after the last backup of `chain`.
async fn incremental(
    request: &BackupRequest,
    following: &Arc<dyn Following>,
    kept: &Kept,
    chain: &[Point],
    began_at: Timestamp,
    context: &Context,
) -> Result<Incremental> {
    let last = chain.last().ok_or_else(|| Error::internal("A chain holds no backup."))?;
    let manifest = request.repository.usable(last)?;
    let place = unless_cancelled(context, request.repository.free_place_after(&last.place, began_at)).await?;
    let state = kept.of(last.place.label());
    let mut rebuilt = false;
    loop {
        let next = kept.begin(place.label())?;
        let (source, position) = (Arc::clone(following), manifest.position.to.clone());
        let (state, path, inner) = (state.clone(), next.path().to_owned(), context.clone());
        context.meter.enter(Phase::Reading, 0);
        let begun = blocking(move || source.begin_incremental(&Since { position: &position, state: &state, next: &path }, &inner));
        match begun.await? {
            source::Begun::Changes(reading) => {
                let prior = Prior { label: last.place.label(), manifest_sha256: last.manifest_sha256.clone() };
                let position = manifest.position.to.clone();
                let state = State { following: Arc::clone(following), kept: kept.clone(), next, before: position.clone() };
                let making = Making { place, prior: Some(prior), position, reading, reason: request.reason.clone() };
                return Ok(Incremental::Begun(Box::new((making, state))));
            }
            source::Begun::Unchanged => {
                drop(next);
                // A crash came before the server was told of the last one.
                if kept.has_others(last.place.label()) {
                    settle(following, kept, last.place.label(), manifest, context).await;
                }
                return Ok(Incremental::Unchanged(last.place.clone()));
            }
            source::Begun::MustBeFull(reason) => return Ok(Incremental::MustBeFull(reason)),
            source::Begun::StateLost if rebuilt => {
                return Err(Error::internal("What the console keeps of a backup was made anew, and cannot be read."));
            }
            source::Begun::StateLost => {
                let again = kept.begin(last.place.label())?;
                if let Err(why) = chain::rebuild(request, chain, following, again.path(), context).await? {
                    return Ok(Incremental::MustBeFull(why));
                }
                again.keep();
                rebuilt = true;
            }
        }
    }
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
