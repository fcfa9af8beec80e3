//! A source that gives and takes what a script says, so that the engine can be tested without a server.

use domain::{ChangeSummary, Code, Comparison, Dbms, Error, Result, Summary, TableSummary};
use jiff::Timestamp;
use source::{
    Ahead, Applied, Begun, Capabilities, Context, Database, Description, Following, Identity, Members, Nowhere, Owner, Reading, Scope,
    Since, Sink, Source, StageRequest, Staging,
    table::{Header, RowReader, Table},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// Tables by name, each with its encoded rows.
pub type Tables = BTreeMap<String, Vec<String>>;

/// A server whose databases are in memory; staging databases are kept apart and must be gone in the end.
#[derive(Clone, Default)]
pub struct Scripted(Arc<Mutex<State>>);

#[derive(Default)]
pub struct State {
    pub databases: BTreeMap<String, Tables>,
    pub staging: BTreeMap<u64, Tables>,
    next: u64,
    /// Changes the rows of this table while it is loaded, as a defect would.
    pub spoil: Option<String>,
    /// What differs beside rows.
    pub different: Option<String>,
    /// Positions that were settled, oldest first.
    pub settled: Vec<serde_json::Value>,
    /// Why no incremental can be read, and whether one was begun and showed it.
    pub unreadable: Option<(String, bool)>,
    /// Whether moments between backups are said to be there.
    pub gives_moments: bool,
}

impl Scripted {
    pub fn with(name: &str, tables: Tables) -> Self {
        let scripted = Self::default();
        scripted.state().databases.insert(name.into(), tables);
        scripted
    }

    pub fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    fn moment(&self, name: &str) -> Result<Moment> {
        let tables = self.state().databases.get(name).cloned().ok_or_else(|| missing(name))?;
        let description = Description {
            format: Description::FORMAT,
            dbms: Dbms::Sqlite,
            version: "1".into(),
            database: name.into(),
            properties: serde_json::Value::Null,
            notes: vec![],
            tools: vec![],
        };
        Ok(Moment { server: self.clone(), tables, description, since: None, next: None })
    }
}

/// A few tables, one of several parts.
pub fn tables() -> Tables {
    let rows = |count: u32, width: usize| (0..count).map(|i| format!("[{i},\"{}\"]", "x".repeat(width + i as usize % 7))).collect();
    BTreeMap::from([
        ("empty".into(), vec![]),
        ("small".into(), rows(10, 3)),
        ("public.\"we\"\"ird\"".into(), rows(3, 1)),
        ("big".into(), rows(20_000, 900)),
    ])
}

pub fn missing(name: &str) -> Error {
    Error::new(Code::DatabaseGone, format!("Database {name:?} is gone."), "Check its name.")
}

impl Source for Scripted {
    fn identify(&self, _: &Context) -> Result<Identity> {
        Ok(Identity { dbms: Dbms::Sqlite, version: "1".into(), instance: "scripted".into(), has_globals: false, encrypted_at_rest: None })
    }

    fn databases(&self, _: &Context) -> Result<Vec<Database>> {
        Ok(self.state().databases.keys().map(|name| Database { name: name.clone(), size_bytes: None }).collect())
    }

    fn capabilities(&self, _: &str, _: &Context) -> Result<Capabilities> {
        Ok(Capabilities::default())
    }

    fn begin_full(&self, scope: &Scope, context: &Context) -> Result<Box<dyn Reading>> {
        context.check()?;
        let Scope::Database(name) = scope else { return Err(missing("_globals")) };
        let moment = self.moment(name)?;
        Ok(Box::new(moment))
    }

    fn follow(&self, database: &str, _: &Owner) -> Box<dyn Following> {
        Box::new(Chain { server: self.clone(), database: database.into() })
    }

    fn check_needs(&self, request: &StageRequest, _: &Context) -> Result<()> {
        if self.state().databases.contains_key(&request.name) {
            return Err(Error::new(Code::NameTaken, "A database of that name exists.", "Choose another."));
        }
        Ok(())
    }

    fn stage(&self, request: &StageRequest, context: &Context) -> Result<Box<dyn Staging>> {
        context.check()?;
        self.check_needs(request, context)?;
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        state.staging.insert(id, Tables::new());
        Ok(Box::new(Stage { server: self.clone(), id, name: request.name.clone(), only: request.only_table.clone() }))
    }

    fn sweep(&self, _: &Context) -> Result<()> {
        Ok(())
    }
}

struct Moment {
    server: Scripted,
    tables: Tables,
    description: Description,
    /// What an incremental builds on.
    since: Option<Tables>,
    /// Where the state goes.
    next: Option<PathBuf>,
}

/// The chain of one database: its state is its tables, and an incremental replaces those that differ.
struct Chain {
    server: Scripted,
    database: String,
}

const STATE: &str = "tables.json";

impl Following for Chain {
    fn begin_full(&self, next: &Path, context: &Context) -> Result<Box<dyn Reading>> {
        context.check()?;
        Ok(Box::new(Moment { next: Some(next.into()), ..self.server.moment(&self.database)? }))
    }

    fn begin_incremental(&self, since: &Since<'_>, context: &Context) -> Result<Begun> {
        context.check()?;
        if let Some((why, _)) = self.server.state().unreadable.take_if(|(_, is_known)| *is_known) {
            return Ok(Begun::MustBeFull(why));
        }
        let moment = self.server.moment(&self.database)?;
        let Ok(kept) = std::fs::read(since.state.join(STATE)) else { return Ok(Begun::StateLost) };
        let before: Tables = serde_json::from_slice(&kept).unwrap();
        if before.keys().ne(moment.tables.keys()) {
            return Ok(Begun::MustBeFull("There are other tables.".into()));
        }
        if before == moment.tables {
            return Ok(Begun::Unchanged);
        }
        Ok(Begun::Changes(Box::new(Moment { since: Some(before), next: Some(since.next.into()), ..moment })))
    }

    fn rebuild(&self, chain: &[&dyn Members], state: &Path, context: &Context) -> Result<()> {
        let mut tables = Tables::new();
        chain.iter().try_for_each(|archive| take(&mut tables, *archive, None, context))?;
        std::fs::write(state.join(STATE), serde_json::to_vec(&tables).unwrap()).unwrap();
        Ok(())
    }

    fn gives_moments(&self, _: &serde_json::Value) -> bool {
        self.server.state().gives_moments
    }

    fn settle(&self, position: &serde_json::Value, _: &Context) -> Result<()> {
        self.server.state().settled.push(position.clone());
        Ok(())
    }

    fn held_bytes(&self, _: &Context) -> Result<Option<u64>> {
        Ok(None)
    }

    fn release(&self, _: &Context) -> Result<()> {
        Ok(())
    }
}

impl Reading for Moment {
    fn description(&self) -> &Description {
        &self.description
    }

    fn expected_bytes(&self) -> u64 {
        0
    }

    fn read(self: Box<Self>, sink: &dyn Sink, context: &Context) -> Result<Summary> {
        if let Some(next) = &self.next {
            std::fs::write(next.join(STATE), serde_json::to_vec(&self.tables).unwrap()).unwrap();
        }
        // Nothing comes after one that nobody follows.
        let position = match self.next {
            Some(_) => serde_json::json!({ "rows": self.tables.values().map(Vec::len).sum::<usize>() }),
            None => serde_json::Value::Null,
        };
        let Some(before) = &self.since else {
            return Ok(Summary { tables: write(&self.tables, sink, context)?, position, ..Summary::default() });
        };
        let same = |(name, rows): &(String, Vec<String>)| before.get(name) == Some(rows);
        let (same, replaced): (Tables, Tables) = self.tables.clone().into_iter().partition(same);
        let after = write(&same, &Nowhere, context)?;
        let tables = write(&replaced, sink, context)?;
        if let Some((why, is_known)) = &mut self.server.state().unreadable {
            *is_known = true;
            return Err(Error::new(Code::StateLost, why.clone(), "Start again."));
        }
        Ok(Summary { tables, after, changes: Some(ChangeSummary::default()), position, ..Summary::default() })
    }
}

fn write(tables: &Tables, sink: &dyn Sink, context: &Context) -> Result<Vec<TableSummary>> {
    tables
        .iter()
        .map(|(name, rows)| {
            let header = Header { table: name.clone(), columns: vec!["a".into(), "b".into()], types: vec!["int".into(), "text".into()] };
            let table = Table::new(sink, &header)?;
            let mut writer = table.writer(context);
            rows.iter().try_for_each(|row| writer.row(row.as_bytes()))?;
            table.finish()?;
            writer.finish()
        })
        .collect()
}

/// Takes the tables of an archive, in the place of those of the same name.
fn take(tables: &mut Tables, archive: &dyn Members, only: Option<&str>, context: &Context) -> Result<()> {
    let mut taken = Tables::new();
    for member in archive.names().iter().filter(|name| name.starts_with("data/")) {
        let mut reader = RowReader::new(archive.open(member)?)?;
        let name = reader.header().table.clone();
        let wanted = only.is_none_or(|only| *only == name);
        let rows = taken.entry(name).or_default();
        while let Some(row) = reader.next_row()? {
            context.check()?;
            if wanted {
                rows.push(String::from_utf8(row.to_vec()).unwrap());
            }
        }
    }
    tables.extend(taken);
    Ok(())
}

struct Stage {
    server: Scripted,
    id: u64,
    name: String,
    only: Option<String>,
}

impl Stage {
    fn tables_now(&self) -> Tables {
        self.server.state().staging.get(&self.id).cloned().unwrap_or_default()
    }
}

impl Staging for Stage {
    fn load(&mut self, chain: &[&dyn Members], _: Option<Timestamp>, context: &Context) -> Result<Vec<Ahead>> {
        let mut tables = Tables::new();
        take(&mut tables, chain[0], self.only.as_deref(), context)?;
        let mut state = self.server.state();
        if let Some(rows) = state.spoil.clone().and_then(|name| tables.get_mut(&name)) {
            rows[0] = "[0,\"spoiled\"]".into();
        }
        state.staging.insert(self.id, tables);
        Ok(vec![])
    }

    fn apply(&mut self, archive: &dyn Members, _: Option<Timestamp>, context: &Context) -> Result<Applied> {
        let mut tables = self.tables_now();
        take(&mut tables, archive, self.only.as_deref(), context)?;
        self.server.state().staging.insert(self.id, tables);
        Ok(Applied::default())
    }

    fn finish(&mut self, _: &dyn Members, context: &Context) -> Result<()> {
        context.check()
    }

    fn tables(&mut self, only: Option<&BTreeSet<String>>, context: &Context) -> Result<Vec<TableSummary>> {
        let mut tables = self.tables_now();
        tables.retain(|name, _| only.is_none_or(|only| only.contains(name)));
        write(&tables, &Nowhere, context)
    }

    fn compare(&mut self, _: &dyn Members, _: &Context) -> Result<Vec<Comparison>> {
        Ok(vec![Comparison::new("sequences", 1, self.server.state().different.iter().cloned().collect())])
    }

    fn publish(self: Box<Self>, _: &Context) -> Result<()> {
        let tables = self.tables_now();
        self.server.state().databases.insert(self.name.clone(), tables);
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.server.state().staging.remove(&self.id);
    }
}
