//! The beginning of a backup: full or incremental, after which one, and what its source holds on to for it.

use crate::{
    backup::{self, BackedUp, BackupRequest},
    blocking,
    chain::{self, Choice},
    kept::{A_LOOK, Hold, Kept, Next},
    unless_cancelled,
};
use domain::{BackupKind, BackupType, Code, Error, Label, Phase, Result};
use jiff::{SignedDuration, Timestamp};
use repository::{Manifest, Place, Point, Prior};
use serde_json::Value;
use source::{Context, Following, Reading, Scope, Since};
use std::{fmt::Display, sync::Arc};

/// A backup that has begun.
pub(crate) struct Begun {
    pub making: Making,
    pub state: Option<State>,
    /// What there is to say of how the chain before ended, a sentence.
    pub closing: Option<String>,
    pub hold: Option<Hold>,
}

/// What is to be read, and what it will be.
pub(crate) struct Making {
    pub place: Place,
    pub began_at: Timestamp,
    pub prior: Option<Prior>,
    /// Where the server's log stood at the end of the prior.
    pub position: Value,
    pub reading: Box<dyn Reading>,
    pub reason: String,
}

/// What a backup leaves for the next one of its chain.
pub(crate) struct State {
    following: Arc<dyn Following>,
    kept: Kept,
    next: Next,
    /// Where the backup before ended, from which the next one goes on if this one fails.
    before: Value,
}

impl State {
    /// The backup exists: what was needed before it is not any more.
    pub async fn settle(self, label: Label, manifest: &Manifest, context: &Context) {
        self.next.keep();
        settle(&self.following, &self.kept, label, manifest, context).await;
    }

    /// The backup will not exist: what was made for it on the server goes, and what there was before stays.
    pub async fn give_up(self, context: &Context) {
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
pub(crate) async fn begin(
    request: &BackupRequest,
    database: &str,
    began_at: Timestamp,
    closed: &mut Vec<BackedUp>,
    context: &Context,
) -> Result<std::result::Result<Begun, Place>> {
    let (Scope::Database(name), Some(follow)) = (&request.scope, &request.follow) else {
        let place = place_of_full(request, database, began_at, context).await?;
        let (source, scope, inner) = (Arc::clone(&request.source), request.scope.clone(), context.clone());
        let reading = blocking(move || source.begin_full(&scope, &inner)).await?;
        let making = Making { place, began_at, reading, reason: request.reason.clone(), prior: None, position: Value::Null };
        return Ok(Ok(Begun { making, state: None, closing: None, hold: None }));
    };
    follow.ensure_there()?;
    let owner = follow.owner(request.instance.fingerprint().to_string(), &request.server.name);
    let following: Arc<dyn Following> = request.source.follow(name, &owner).into();
    let kept = follow.kept(&request.server.name, database);
    let (chain, name, inner) = (kept.clone(), database.to_owned(), context.clone());
    let hold = Some(blocking(move || chain.hold(&name, A_LOOK, &inner)).await?);
    let given_up = kept.note(&follow.chain(&request.server, database, request.task.as_deref()))?;
    let (reason, ends) = match unless_cancelled(context, chain::choose(request, database, given_up, began_at)).await? {
        Choice::Full { reason, ends } => (reason, ends),
        Choice::After(chain) => match incremental(request, &following, &kept, &chain, began_at, context).await? {
            Incremental::Begun(begun) => {
                let (making, state) = *begun;
                return Ok(Ok(Begun { making, state: Some(state), closing: None, hold }));
            }
            Incremental::Unchanged(last) => return Ok(Err(last)),
            Incremental::MustBeFull(reason) => (reason, vec![]),
        },
    };
    let closing = close(request, database, (&following, &kept), &ends, closed, context).await?;
    let began_at = if ends.is_empty() { began_at } else { Timestamp::now() };
    // Its label is a later one than that of what was made before it.
    let after = closed.last().map_or(began_at, |made| began_at.max(made.place.label().at() + SignedDuration::from_secs(1)));
    // A chain that could go on but shall not is still there if this fails.
    let there = request.repository.newest_chain(database, &request.server.name, BackupType::Logical);
    let there = unless_cancelled(context, there).await?;
    let last = there.last().and_then(|last| request.repository.usable(last).ok());
    let before = last.map_or(Value::Null, |manifest| manifest.position.to.clone());
    let place = place_of_full(request, database, after, context).await?;
    let next = kept.begin(place.label())?;
    let (source, path, inner) = (Arc::clone(&following), next.path().to_owned(), context.clone());
    let reading = blocking(move || source.begin_full(&path, &inner)).await?;
    let making = Making { place, began_at, reading, reason, prior: None, position: Value::Null };
    Ok(Ok(Begun { making, state: Some(State { following, kept, next, before }), closing, hold }))
}

/// Ends a chain of which any moment can be restored with one more incremental: without it, no moment between its last backup and the full one
/// that is about to begin could be. Whatever it fails for, the full backup is made. What there is to say of it, a sentence.
async fn close(
    request: &BackupRequest,
    database: &str,
    (following, kept): (&Arc<dyn Following>, &Kept),
    chain: &[Point],
    closed: &mut Vec<BackedUp>,
    context: &Context,
) -> Result<Option<String>> {
    let last = chain.last().and_then(|last| request.repository.usable(last).ok());
    let Some(last) = last.filter(|last| following.gives_moments(&last.position.to)) else { return Ok(None) };
    let lacks = |why: &dyn Display| Some(format!("No moment between the backup {} and this one can be restored. {why}", last.label));
    let made = async {
        Ok(match incremental(request, following, kept, chain, Timestamp::now(), context).await? {
            Incremental::Begun(begun) => {
                let (making, state) = *begun;
                let making = Making { reason: "A full backup follows it: no moment before that shall be missing.".into(), ..making };
                let made = backup::make(request, database, making, Some(state), context).await?;
                let note = made.manifest.covers_to.map(|to| {
                    let label = made.manifest.label;
                    format!("The incremental {label} was made first: moments up to {to} can be restored from the chain before.")
                });
                closed.push(made);
                note
            }
            Incremental::Unchanged(_) => None,
            Incremental::MustBeFull(why) => lacks(&why),
        })
    };
    let made: Result<_> = Box::pin(made).await;
    context.meter.enter(Phase::Preparing, 0);
    match made {
        Err(error) if error.code() != Code::Cancelled => {
            tracing::warn!(?error, "a chain could not be ended with an incremental");
            Ok(lacks(&error))
        }
        done => done,
    }
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
                let making = Making { place, began_at, prior: Some(prior), position, reading, reason: request.reason.clone() };
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
