//! An incremental backup.
//!
//! Everything is seen through one snapshot: the changes of rows (see [`super::news`]), and what no stream tells (tables whose
//! definition changed, tables without a key that were updated, sequences, large objects), which is read under it.

use super::{
    Chain,
    compare::Comparing,
    known::{self, Known},
    news::{self, News, Streaming},
    position::{History, Position, await_seen},
    prior::{self, Prior},
    state::{self, State},
};
use crate::{
    Begun, Context, Description, Nowhere, Reading, Since, Sink,
    changes::{self, ChangeWriter},
    gently,
    postgres::{
        archive::{Extra, LARGE_OBJECTS_METADATA, LargeObject, POST_DATA, PRE_DATA, SCHEMA_ARCHIVE, to_json},
        blobs,
        catalog::{self, Candidate, all_readable},
        full::{self, member},
        moment::{Moment, gone},
        properties,
        snapshot::{self, ATTEMPTS, Snapshot, Taken},
        stream::{translate::Translator, visible::Visible},
        tools::{self, Asked, Schema},
        wire::{Session, sqlstate},
    },
};
use domain::{Code, Covered, Error, Result, Summary, TableSummary};
use std::{collections::BTreeSet, path::PathBuf};

/// Looks for what has changed since the prior.
pub(super) fn begin(chain: &Chain, since: &Since<'_>, context: &Context) -> Result<Begun> {
    let prior = match Prior::of(since.position, since.state) {
        Ok(prior) => prior,
        Err(why) => return Ok(Begun::MustBeFull(why)),
    };
    let mut trouble = None;
    for _ in 0..ATTEMPTS {
        context.check()?;
        let looked = Now::at(chain, &prior, since, context);
        let begun = looked.and_then(|looked| match looked {
            Ok(Some(now)) => now.begun(chain, &prior, since, context),
            Ok(None) => Ok(Some(Begun::Unchanged)),
            Err(why) => Ok(Some(Begun::MustBeFull(why))),
        });
        match begun {
            Ok(Some(begun)) => return Ok(begun),
            // Something changed under our hands: all is let go, and looked at again.
            Ok(None) => trouble = None,
            Err(error) if error.code() == Code::StateLost => return Ok(Begun::MustBeFull(error.to_string())),
            // Neither somebody's lock nor somebody who reads from the slot will be gone at once.
            Err(error) if error.code() == Code::Busy && !matches!(sqlstate(&error), Some("55P03" | "55006")) => {
                tracing::info!(%error, "a new moment is taken");
                trouble = Some(error);
            }
            Err(error) => return Err(gone(error, &chain.target, &chain.database, context)),
        }
    }
    Err(trouble.unwrap_or_else(|| snapshot::restless(&chain.database)))
}

/// A moment, and what is known of it before anything is read.
struct Now {
    leader: Session,
    taken: Taken,
    history: History,
    written: Option<u64>,
    news: News,
}

impl Now {
    /// Takes the snapshot and looks for changes, of which there are none if nobody has written; or says why that cannot be.
    fn at(chain: &Chain, prior: &Prior, since: &Since<'_>, context: &Context) -> Result<std::result::Result<Option<Self>, String>> {
        let mut leader = snapshot::leader(&chain.target, &chain.database, context)?;
        let history = History::of(&mut leader)?;
        if let Some(why) = prior.refuses(&history) {
            return Ok(Err(why));
        }
        let stream = prior.position.stream.as_ref().map(|place| Streaming::check(chain, place, since.state, &mut leader)).transpose()?;
        let stream = match stream.transpose() {
            Ok(stream) => stream,
            Err(why) => return Ok(Err(why)),
        };
        // Before the moment: what is written after it is to be noticed the next time.
        let written = news::written(&mut leader)?;
        let mut taken = match prior.moment(&mut leader)? {
            Ok(taken) => taken,
            Err(why) => return Ok(Err(why)),
        };
        if prior.still_stands(&taken.visible, &mut leader, &chain.database)? {
            return Ok(Ok(None));
        }
        let news = match stream {
            Some(stream) => {
                let is_expected = written != prior.written;
                let mut looked = stream.look(is_expected, &taken.visible, &prior.visible, &mut leader, context)?;
                if let Ok(stream) = &mut looked
                    && stream.may_have_changes()
                {
                    leader.execute("COMMIT")?;
                    stream.renew(context)?;
                    taken = match prior.moment(&mut leader)? {
                        Ok(taken) => taken,
                        Err(why) => return Ok(Err(why)),
                    };
                    stream.reach(&mut leader, context)?;
                }
                looked.map(|stream| News::Stream(Box::new(stream)))
            }
            None => {
                await_seen(&mut leader, &chain.target, &chain.database, context)?;
                Comparing::new(prior, (since.state, since.next), &mut leader)?.map(News::Rows)
            }
        };
        Ok(news.map(|news| Some(Self { leader, taken, history, written, news })))
    }

    /// Compares what no stream tells. `None` if tables changed meanwhile in a way that heeds no snapshot.
    fn begun(mut self, chain: &Chain, prior: &Prior, since: &Since<'_>, context: &Context) -> Result<Option<Begun>> {
        let (database, before) = (chain.database.as_str(), &prior.state);
        let properties = properties::properties(&mut self.leader, database)?;
        let mut after = State {
            catalogs: known::catalogs(&mut self.leader)?,
            properties: state::fingerprint(&properties)?,
            extra: properties::extra(&mut self.leader, database)?,
            written: self.written,
            ..before.clone()
        };
        let is_needed = after.catalogs != before.catalogs || self.news.needs_tables() || !before.compared.is_empty();
        let tables = if is_needed { known::tables(&mut self.leader)? } else { vec![] };
        let (mut whole, schema) = self.definitions(chain, &tables, (before, &mut after), context)?;
        let objects = blobs::list(&mut self.leader, database)?;
        let wanted = |known: &&Known| whole.contains(&known.oid) || known.is_compared || self.news.may_need(known);
        let locked: Vec<u32> = tables.iter().filter(wanted).map(|known| known.oid).collect();
        let Some(readable) = lock(&mut self.leader, database, &locked, context)? else { return Ok(None) };
        let mut description = full::describe(&mut self.leader, database, &properties, &after.tool)?;
        description.notes.extend(prior.position.no_stream.as_deref().map(full::no_moments));
        if let News::Stream(stream) = &mut self.news
            && let Err(why) = stream.confirm(&self.taken.visible, &prior.visible, &mut self.leader, context)?
        {
            return Ok(Some(Begun::MustBeFull(why)));
        }
        if let News::Rows(rows) = &mut self.news {
            let (unclear, counts) = rows.scan(&tables, &whole, &before.counts, &mut self.leader, context)?;
            whole.extend(unclear);
            after.counts = counts;
        }

        let Self { leader, taken, history, news, .. } = self;
        let snapshot = Snapshot { leader, id: taken.id, visible: taken.visible, at: taken.at, before: taken.before, tables: vec![] };
        let mut moment = Moment::of(&chain.target, database, chain.workers, snapshot, vec![])?;
        after.compared = digests(&mut moment, &tables, &readable, context)?;
        let differs = |known: &&Known| after.compared.iter().any(|now| now.table == known.label && !before.compared.contains(now));
        whole.extend(tables.iter().filter(differs).map(|known| known.oid));
        after.objects = mark_of_objects(&mut moment, &objects, context)?;
        let objects = (after.objects != before.objects).then_some(objects);

        let is_changed = news.has_changes() || schema.is_some() || objects.is_some() || !whole.is_empty();
        if !is_changed && after.extra == before.extra && after.properties == before.properties {
            moment.snapshot.leader.execute("COMMIT")?;
            if let News::Stream(stream) = &news {
                prior::pass(&mut moment.snapshot.leader, &stream.place, stream.advance, since.state)?;
            }
            if after.catalogs != before.catalogs {
                prior::keep_catalogs(&after.catalogs, since.state)?;
            }
            prior::keep_seen(&moment.snapshot.visible, since.state)?;
            prior::keep_written(after.written, since.state)?;
            return Ok(Some(Begun::Unchanged));
        }
        let (chain, saw, no_stream) = (chain.clone(), prior.visible.clone(), prior.position.no_stream.clone());
        let (since, next) = (prior.position.at, since.next.to_owned());
        let gone = before.labels.difference(&after.labels).cloned().collect();
        let incremental = Incremental {
            news,
            history,
            gone,
            no_stream,
            chain,
            saw,
            since,
            next,
            moment,
            tables,
            readable,
            whole,
            objects,
            schema,
            after,
            description,
        };
        Ok(Some(Begun::Changes(Box::new(incremental))))
    }

    /// What became of definitions: the tables that have to be read whole therefore, and all definitions if they differ.
    fn definitions(
        &mut self,
        chain: &Chain,
        tables: &[Known],
        (before, after): (&State, &mut State),
        context: &Context,
    ) -> Result<(BTreeSet<u32>, Option<Schema>)> {
        if after.catalogs == before.catalogs {
            return Ok((BTreeSet::new(), None));
        }
        after.take_marks(&mut self.leader, tables)?;
        let (server_version, remarks) = (self.leader.server_version(), catalog::remarks(&mut self.leader)?);
        let asked = Asked { database: &chain.database, snapshot: &self.taken.id, server_version, remarks };
        let schema = tools::schema(&chain.target, asked, context)?;
        after.definitions = state::definitions(&schema);
        let differs = after.definitions != before.definitions;
        if differs {
            after.tool.clone_from(&schema.tool);
        }
        Ok((altered_tables(before, after, tables), differs.then_some(schema)))
    }
}

/// Tables whose rows have to be read whole, because something happened to their definition or to a type of theirs. A
/// `TRUNCATE`, a `GRANT` and a `VACUUM FULL` leave the same trace as what changes rows silently.
fn altered_tables(before: &State, after: &State, tables: &[Known]) -> BTreeSet<u32> {
    let types_changed = before.marks != after.marks || before.types.iter().any(|(name, was)| after.types.get(name) != Some(was));
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

/// Reads the tables that are compared, and keeps nothing but what was counted.
fn digests(moment: &mut Moment, tables: &[Known], readable: &[catalog::Table], context: &Context) -> Result<Vec<TableSummary>> {
    let is_compared = |table: &&catalog::Table| tables.iter().any(|known| known.oid == table.oid && known.is_compared);
    moment.snapshot.tables = readable.iter().filter(is_compared).cloned().collect();
    if moment.snapshot.tables.is_empty() { Ok(vec![]) } else { moment.read_on(&Nowhere, false, context) }
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

/// An incremental backup, ready to be read.
struct Incremental {
    news: News,
    history: History,
    /// Tables that are there no more.
    gone: Vec<String>,
    no_stream: Option<String>,
    chain: Chain,
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
        let stream = match &self.news {
            News::Stream(stream) => stream.bytes(),
            News::Rows(_) => 0,
        };
        stream + whole.map(|table| table.total_bytes).sum::<u64>()
    }

    fn read(mut self: Box<Self>, sink: &dyn Sink, context: &Context) -> Result<Summary> {
        if let Some(schema) = &self.schema {
            member(sink, SCHEMA_ARCHIVE, &schema.archive)?;
            member(sink, PRE_DATA, &schema.pre_data)?;
            member(sink, POST_DATA, &schema.post_data)?;
        }
        let Snapshot { at, before, ref visible, .. } = self.moment.snapshot;
        let visible = visible.clone();
        let (news, leader) = (&mut self.news, &mut self.moment.snapshot.leader);
        let write = |out: ChangeWriter<'_>| match news {
            News::Stream(stream) => {
                let sieve = stream.sieve(&visible, &self.saw);
                stream.write(Translator::new(sieve, &self.tables, &self.whole, out), context)
            }
            News::Rows(rows) => rows.write(at, &self.tables, leader, out, context).map(|changes| (changes, BTreeSet::new())),
        };
        let (changes, unclear) = gently::run(context, || changes::write(sink, context, write))?;
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
        let tables = self.moment.read(sink, true, context)?;
        let extra = Extra { unstreamed, ..self.after.extra.clone() };
        // So that no moment of the range lacks what had been committed by then: from where the prior's snapshot stood already, to
        // where this one did not yet.
        let covers = matches!(self.news, News::Stream(_)).then(|| Covered { from: self.since, to: before.max(self.since) });
        let state = self.after.write(&self.next)?;
        let position = Position {
            server: self.history,
            at,
            snapshot: visible.to_string(),
            state,
            stream: match self.news {
                News::Stream(stream) => Some(stream.goes_on()),
                News::Rows(_) => None,
            },
            no_stream: self.no_stream,
        };
        Ok(Summary {
            tables,
            gone: self.gone,
            changes: Some(changes),
            covers,
            position: to_json(&position)?,
            extra: to_json(&extra)?,
            ..Summary::default()
        })
    }
}

impl Incremental {
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
