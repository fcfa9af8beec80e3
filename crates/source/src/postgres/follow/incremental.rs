//! An incremental backup out of the change stream.
//!
//! Everything is seen through one snapshot: the stream gives the transactions that it sees and the prior's did not, and what no
//! stream tells (tables whose definition changed, tables without a key that were updated, sequences, large objects) is
//! read under it.

use super::{
    Chain,
    known::{self, Known},
    position::{History, Place, Position, end_of_log},
    state::{self, State},
};
use crate::{
    Begun, Context, Description, Nowhere, Reading, Since, Sink,
    changes::ChangeWriter,
    postgres::{
        archive::{Extra, LARGE_OBJECTS_METADATA, LargeObject, POST_DATA, PRE_DATA, SCHEMA_ARCHIVE, to_json},
        blobs,
        catalog::{self, Candidate, all_readable},
        full::{self, member},
        moment::{Moment, gone},
        properties,
        snapshot::{self, ATTEMPTS, Snapshot, Taken},
        stream::{
            lsn::Lsn,
            slot::{self, Shown},
            translate::{Sieve, Translator},
            visible::Visible,
            window::{Stretch, is_too_much},
        },
        tools::{self, Asked, Schema},
        wire::{Session, sqlstate},
    },
};
use domain::{Code, Covered, Error, Result, Summary, TableSummary};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// The file in the prior's state that tells how far the slot was moved when nothing had changed.
const PASSED: &str = "passed.json";

/// What the prior left.
struct Prior {
    position: Position,
    place: Place,
    visible: Visible,
    state: State,
    /// The slot stands here or before.
    passed: Lsn,
}

#[derive(Serialize, Deserialize)]
struct Passed {
    slot: String,
    advance: Lsn,
}

impl Prior {
    /// What can be gone on from, or why nothing can.
    fn of(since: &Since<'_>) -> std::result::Result<Self, String> {
        let position = Position::deserialize(since.position);
        let Ok(position) = position else { return Err("The backup before says nothing of where the server's log stood.".into()) };
        let Some(place) = position.stream.clone() else {
            let step = position.no_stream.as_deref().unwrap_or("look at what the server allows.");
            return Err(format!("The backup before was made without a change stream. To have one, {step}"));
        };
        let Ok(visible) = position.snapshot.parse() else { return Err("The backup before tells its snapshot in an unknown form.".into()) };
        let Some(state) = State::read(since.state, &position.state) else {
            return Err("What the console keeps between two backups was lost.".into());
        };
        let passed = std::fs::read(since.state.join(PASSED)).ok().and_then(|bytes| serde_json::from_slice::<Passed>(&bytes).ok());
        let passed = passed.filter(|passed| passed.slot == place.slot).map_or(place.advance, |passed| passed.advance.max(place.advance));
        Ok(Self { position, place, visible, state, passed })
    }

    /// Why the slot cannot be gone on from, if it cannot.
    fn refused(&self, history: &History, slot: Option<&Shown>, held_limit: u64) -> Option<String> {
        if *history != self.position.server {
            return Some("The server is another one than before, or was restored or promoted since.".into());
        }
        let Some(slot) = slot else { return Some(format!("The replication slot {} is gone.", self.place.slot)) };
        let Some(confirmed) = slot.confirmed.filter(|_| !slot.is_lost) else {
            return Some(format!("The server has removed log that the replication slot {} needs (max_slot_wal_keep_size).", slot.name));
        };
        if confirmed > self.passed {
            return Some(format!("The replication slot {} was moved by somebody else.", slot.name));
        }
        (slot.held_bytes > held_limit).then(|| {
            format!(
                "The replication slot {} held back {} of log on the server, more than the limit of {}: it was dropped.",
                slot.name,
                domain::display::size(slot.held_bytes),
                domain::display::size(held_limit)
            )
        })
    }
}

/// Looks for what has changed since the prior.
pub(super) fn begin(chain: &Chain, since: &Since<'_>, context: &Context) -> Result<Begun> {
    let prior = match Prior::of(since) {
        Ok(prior) => prior,
        Err(why) => return Ok(Begun::MustBeFull(why)),
    };
    for _ in 0..ATTEMPTS {
        context.check()?;
        match Looked::at(chain, &prior, context)
            .and_then(|looked| looked.map_or(Ok(None), |looked| looked.begun(chain, &prior, since, context)))
        {
            Ok(Some(begun)) => return Ok(begun),
            // Something changed under our hands: all is let go, and looked at again.
            Ok(None) => {}
            Err(error) if error.code() == Code::Busy && sqlstate(&error) != Some("55P03") => {
                tracing::info!(%error, "a new moment is taken")
            }
            Err(error) => return Err(gone(error, &chain.target, &chain.database, context)),
        }
    }
    Err(snapshot::restless(&chain.database))
}

/// A moment, and what is known of it before anything is read.
enum Looked {
    Refused(String),
    Moment(Box<Now>),
}

struct Now {
    leader: Session,
    taken: Taken,
    history: History,
    from: Lsn,
    upto: Lsn,
    /// Whether there are changes of rows.
    has_changes: bool,
    /// How far the stream may be forgotten if there are none.
    advance: Lsn,
}

impl Looked {
    fn at(chain: &Chain, prior: &Prior, context: &Context) -> Result<Option<Self>> {
        let mut leader = snapshot::leader(&chain.target, &chain.database, context)?;
        let history = History::of(&mut leader)?;
        let found = slot::shown(&mut leader, &prior.place.slot)?.into_iter().find(|slot| slot.name == prior.place.slot);
        if let Some(why) = prior.refused(&history, found.as_ref(), chain.held_limit) {
            if let Some(slot) = found.filter(|slot| !slot.is_active) {
                slot::drop_slot(&mut leader, &slot.name)?;
            }
            return Ok(Some(Self::Refused(why)));
        }
        let Some(from) = found.and_then(|slot| slot.confirmed) else { return Ok(None) };
        snapshot::begin(&mut leader)?;
        let taken = Taken::now(&mut leader)?;
        let upto = end_of_log(&mut leader)?;
        if taken.visible.xmax < prior.visible.xmax || upto < prior.place.advance {
            return Ok(Some(Self::Refused("The server stands where it stood before the last backup: it was set back.".into())));
        }
        let mut now = Now { leader, taken, history, from, upto, has_changes: false, advance: from };
        match now.look(chain, prior, context) {
            Ok(()) => Ok(Some(Self::Moment(Box::new(now)))),
            Err(error) => match sqlstate(&error) {
                Some("54000") => Ok(Some(Self::Refused("A row that was changed is too large for the server's change stream.".into()))),
                Some("55000" | "58P01") => Ok(Some(Self::Refused(format!("The server does not give its changes any more: {error}")))),
                _ => Err(error),
            },
        }
    }

    fn begun(self, chain: &Chain, prior: &Prior, since: &Since<'_>, context: &Context) -> Result<Option<Begun>> {
        match self {
            Self::Refused(why) => Ok(Some(Begun::MustBeFull(why))),
            Self::Moment(now) => now.begun(chain, prior, since, context),
        }
    }
}

impl Now {
    fn stretch<'a>(&self, chain: &'a Chain, slot: &'a str) -> Stretch<'a> {
        Stretch {
            target: &chain.target,
            database: &chain.database,
            slot,
            from: self.from,
            upto: self.upto,
            window_bytes: chain.window_bytes,
        }
    }

    /// Finds out whether there is a change at all: most often the first transaction tells.
    fn look(&mut self, chain: &Chain, prior: &Prior, context: &Context) -> Result<()> {
        let stretch = self.stretch(chain, &prior.place.slot);
        let mut session = stretch.open(context)?;
        for count in [Some(1), Some(10_000), None] {
            let mut sieve = Sieve::new(&self.taken.visible, &prior.visible, self.from);
            let (mut lines, mut has_changes) = (0, false);
            let looked = stretch.look(&mut session, count, |lsn, line| {
                lines += 1;
                has_changes |= sieve.is_change(lsn, line)?;
                Ok(())
            });
            match looked {
                // That many lines are not nothing.
                Err(error) if is_too_much(&error) && lines == 0 => has_changes = true,
                other => other?,
            }
            (self.has_changes, self.advance) = (has_changes, sieve.advance(self.upto));
            if has_changes || count.is_none_or(|count| lines < count) {
                break;
            }
        }
        Ok(())
    }

    /// Compares what no stream tells.
    fn begun(mut self, chain: &Chain, prior: &Prior, since: &Since<'_>, context: &Context) -> Result<Option<Begun>> {
        let (target, database, leader) = (&chain.target, chain.database.as_str(), &mut self.leader);
        let before = &prior.state;
        let properties = properties::properties(leader, database)?;
        let mut after = State {
            catalogs: known::catalogs(leader)?,
            properties: state::fingerprint(&properties)?,
            extra: properties::extra(leader, database)?,
            ..before.clone()
        };
        let defined = after.catalogs != before.catalogs;
        let tables = if defined || self.has_changes || !before.compared.is_empty() { known::tables(leader)? } else { vec![] };
        let mut altered = BTreeSet::new();
        let mut schema = None;
        if defined {
            after.take_marks(leader, &tables)?;
            altered = altered_tables(before, &after, &tables);
            let (snapshot, server_version) = (self.taken.id.as_str(), leader.server_version());
            let remarks = catalog::remarks(leader)?;
            let read = tools::schema(target, Asked { database, snapshot, server_version, remarks }, context)?;
            after.definitions = state::definitions(&read);
            if after.definitions != before.definitions {
                after.tool.clone_from(&read.tool);
            }
            schema = (after.definitions != before.definitions).then_some(read);
        }
        let objects = blobs::list(leader, database)?;
        let wanted = |known: &&Known| altered.contains(&known.oid) || known.is_compared || (self.has_changes && known.is_keyless());
        let locked: Vec<u32> = tables.iter().filter(wanted).map(|known| known.oid).collect();
        let Some(readable) = lock(leader, database, &locked, context)? else { return Ok(None) };
        let description = full::describe(leader, database, &properties, &after.tool)?;

        let snapshot = Snapshot { leader: self.leader, id: self.taken.id, visible: self.taken.visible, at: self.taken.at, tables: vec![] };
        let mut moment = Moment::of(target, database, chain.workers, snapshot, vec![])?;
        let compared: BTreeSet<u32> = tables.iter().filter(|known| known.is_compared).map(|known| known.oid).collect();
        after.compared = digest(&mut moment, readable.iter().filter(|table| compared.contains(&table.oid)).cloned().collect(), context)?;
        let differing: Vec<_> = after.compared.iter().filter(|now| !before.compared.contains(now)).map(|now| now.table.as_str()).collect();
        let mut whole = altered.clone();
        whole.extend(tables.iter().filter(|known| differing.contains(&known.label.as_str())).map(|known| known.oid));
        after.objects = mark_of_objects(&mut moment, &objects, context)?;
        let objects = (after.objects != before.objects).then_some(objects);

        let is_changed = self.has_changes || schema.is_some() || objects.is_some() || !whole.is_empty();
        if !is_changed && after.extra == before.extra && after.properties == before.properties {
            pass(&mut moment.snapshot.leader, prior, self.advance, since.state)?;
            return Ok(Some(Begun::Unchanged));
        }
        Ok(Some(Begun::Changes(Box::new(Incremental {
            has_changes: self.has_changes,
            advance: self.advance,
            from: self.from,
            upto: self.upto,
            history: self.history,
            gone: before.labels.difference(&after.labels).cloned().collect(),
            chain: chain.clone(),
            slot: prior.place.slot.clone(),
            saw: prior.visible.clone(),
            since: prior.position.at,
            next: since.next.to_owned(),
            moment,
            tables,
            readable,
            whole,
            objects,
            schema,
            after,
            description,
        }))))
    }
}

/// Tables whose rows have to be read whole, because something happened to their definition or to a type of theirs. A
/// `TRUNCATE`, a `GRANT` and a `VACUUM FULL` leave the same trace as what changes rows silently.
fn altered_tables(before: &State, after: &State, tables: &[Known]) -> BTreeSet<u32> {
    let types_changed = before.types.iter().any(|(name, was)| after.types.get(name) != Some(was));
    let is_altered =
        |known: &&Known| before.tables.get(&known.oid) != Some(&known.mark) || (types_changed && known.uses_types) || known.names_objects;
    tables.iter().filter(is_altered).map(|known| known.oid).collect()
}

/// Locks tables that may be read whole; `None` if one of them is not any more what the snapshot shows.
fn lock(leader: &mut Session, database: &str, oids: &[u32], context: &Context) -> Result<Option<Vec<catalog::Table>>> {
    if oids.is_empty() {
        return Ok(Some(vec![]));
    }
    let mut candidates = catalog::candidates(leader)?;
    candidates.retain(|table: &Candidate| oids.contains(&table.oid));
    let missing: Vec<_> = candidates.iter().filter(|table| !table.readable).map(|table| table.label.clone()).collect();
    all_readable(&leader.target().user, &format!("all rows of tables in {database:?}"), &missing)?;
    snapshot::be_impatient(leader)?;
    if !snapshot::lock(leader, database, &candidates, context)? {
        return Ok(None);
    }
    catalog::tables(leader, Some(oids))
}

/// Reads tables and keeps nothing but what was counted.
fn digest(moment: &mut Moment, tables: Vec<catalog::Table>, context: &Context) -> Result<Vec<TableSummary>> {
    if tables.is_empty() {
        return Ok(vec![]);
    }
    moment.snapshot.tables = tables;
    moment.read_on(&Nowhere, false, context)
}

fn mark_of_objects(moment: &mut Moment, objects: &[LargeObject], context: &Context) -> Result<String> {
    let by_digest = !objects.is_empty() && !state::may_read_pages(&mut moment.snapshot.leader)?;
    let mut read = String::new();
    if by_digest {
        moment.objects = objects.to_vec();
        moment.snapshot.tables = vec![];
        read = moment.read_on(&Nowhere, false, context)?.first().map(|objects| objects.digest.to_string()).unwrap_or_default();
        moment.objects = vec![];
    }
    state::objects(&mut moment.snapshot.leader, objects, || Ok(read))
}

/// Lets the server forget log in which nothing of this database changed. What is written down first allows the place that the
/// slot has afterwards.
fn pass(leader: &mut Session, prior: &Prior, advance: Lsn, folder: &Path) -> Result<()> {
    leader.execute("COMMIT")?;
    if advance > prior.passed {
        let passed = Passed { slot: prior.place.slot.clone(), advance };
        let bytes =
            serde_json::to_vec(&passed).map_err(|error| Error::internal("A place in the log could not be written.").because(error))?;
        state::write_file(folder, PASSED, &bytes)?;
    }
    slot::advance(leader, &prior.place.slot, advance)
}

/// An incremental backup, ready to be read.
struct Incremental {
    has_changes: bool,
    /// How far the stream may be forgotten if it has no changes.
    advance: Lsn,
    from: Lsn,
    upto: Lsn,
    history: History,
    /// Tables that are there no more.
    gone: Vec<String>,
    chain: Chain,
    slot: String,
    saw: Visible,
    since: jiff::Timestamp,
    next: PathBuf,
    moment: Moment,
    tables: Vec<Known>,
    /// Tables that are locked.
    readable: Vec<catalog::Table>,
    /// Tables that are read whole whatever the stream says.
    whole: BTreeSet<u32>,
    /// All large objects, if anything about them changed.
    objects: Option<Vec<LargeObject>>,
    /// The definitions, if they changed.
    schema: Option<Schema>,
    after: State,
    description: Description,
}

impl Reading for Incremental {
    fn description(&self) -> &Description {
        &self.description
    }

    fn expected_bytes(&self) -> u64 {
        let whole = self.readable.iter().filter(|table| self.whole.contains(&table.oid));
        self.upto.0.saturating_sub(self.from.0) + whole.map(|table| table.total_bytes).sum::<u64>()
    }

    fn read(mut self: Box<Self>, sink: &dyn Sink, context: &Context) -> Result<Summary> {
        if let Some(schema) = &self.schema {
            member(sink, SCHEMA_ARCHIVE, &schema.archive)?;
            member(sink, PRE_DATA, &schema.pre_data)?;
            member(sink, POST_DATA, &schema.post_data)?;
        }
        let (changes, advance, unclear) = self.changes(sink, context)?;
        let unstreamed = self.labels(&self.whole);
        self.whole.extend(unclear);
        self.choose_tables(context)?;
        if let Some(objects) = self.objects.take() {
            let list = serde_json::to_vec(&objects);
            member(
                sink,
                LARGE_OBJECTS_METADATA,
                &list.map_err(|error| Error::internal("The list of large objects could not be written.").because(error))?,
            )?;
            self.moment.objects = objects;
        }
        let (at, visible) = (self.moment.snapshot.at, self.moment.snapshot.visible.to_string());
        let tables = self.moment.read(sink, true, context)?;
        let extra = Extra { unstreamed, ..self.after.extra.clone() };
        let position = Position {
            server: self.history,
            at,
            snapshot: visible,
            state: self.after.write(&self.next)?,
            stream: Some(Place { slot: self.slot, advance }),
            no_stream: None,
        };
        Ok(Summary {
            tables,
            gone: self.gone,
            changes: Some(changes),
            covers: Some(Covered { from: self.since, to: at }),
            position: to_json(&position)?,
            extra: to_json(&extra)?,
            ..Summary::default()
        })
    }
}

impl Incremental {
    /// Reads the stream: what was written of it, how far it may be forgotten, and the tables that it leaves unclear.
    fn changes(&self, sink: &dyn Sink, context: &Context) -> Result<(domain::ChangeSummary, Lsn, BTreeSet<u32>)> {
        let (chain, sees) = (&self.chain, &self.moment.snapshot.visible);
        let stretch = Stretch {
            target: &chain.target,
            database: &chain.database,
            slot: &self.slot,
            from: self.from,
            upto: self.upto,
            window_bytes: chain.window_bytes,
        };
        let sieve = Sieve::new(sees, &self.saw, self.from);
        let mut translator = Translator::new(sieve, &self.tables, &self.whole, ChangeWriter::new(sink));
        if !self.has_changes {
            let (nothing, _, unclear) = translator.finish(self.upto)?;
            return Ok((nothing, self.advance, unclear));
        }
        let mut unreported = (0, 0);
        stretch.read(&mut stretch.open(context)?, context, |lsn, line| {
            unreported = (unreported.0 + 1, unreported.1 + line.len() as u64);
            if unreported.1 > 256 << 10 {
                let (lines, bytes) = std::mem::take(&mut unreported);
                context.meter.add(lines, bytes);
                context.check()?;
            }
            translator.line(lsn, line)
        })?;
        translator.finish(self.upto)
    }

    fn labels(&self, oids: &BTreeSet<u32>) -> Vec<String> {
        self.tables.iter().filter(|known| oids.contains(&known.oid)).map(|known| known.label.clone()).collect()
    }

    /// Gives the moment the tables that are read whole. One that nobody expected among them is locked only now.
    fn choose_tables(&mut self, context: &Context) -> Result<()> {
        let late: Vec<u32> = self.whole.iter().filter(|oid| !self.readable.iter().any(|table| table.oid == **oid)).copied().collect();
        let more = lock(&mut self.moment.snapshot.leader, &self.chain.database, &late, context)?;
        self.readable.extend(more.ok_or_else(|| snapshot::restless(&self.chain.database))?);
        self.readable.sort_by(|a, b| a.label.cmp(&b.label));
        self.moment.snapshot.tables = self.readable.iter().filter(|table| self.whole.contains(&table.oid)).cloned().collect();
        Ok(())
    }
}
