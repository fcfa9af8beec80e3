//! Reading pieces: what the sessions of one full reading share, and what each does.

use super::{
    archive::LARGE_OBJECTS,
    blobs,
    catalog::{Bulk, Table},
    copy::{Encoder, Kind},
    moment::Snapshotted,
    pieces::{Piece, Queue},
    snapshot, wide,
    wire::{Session, quote_ident},
};
use crate::{
    Context, Sink,
    table::{self, Header, RowWriter},
};
use domain::{Code, Error, Result, TableSummary};
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

/// What is being read, and what has been counted of it.
pub(super) struct Reader<'a> {
    pub sink: &'a dyn Sink,
    pub context: &'a Context,
    /// Whether the bytes of large values are wanted, or only their hashes.
    keeps_values: bool,
    tables: Vec<Open<'a>>,
    objects: Option<(table::Table<'a>, Mutex<TableSummary>)>,
    queue: Queue,
    /// Members of large values that have been begun.
    values: Mutex<HashSet<u128>>,
}

struct Open<'a> {
    known: &'a Table,
    table: table::Table<'a>,
    encoder: Encoder,
    summary: Mutex<TableSummary>,
}

impl<'a> Reader<'a> {
    /// A reading of `tables` and, if there are any, of large objects.
    pub fn new(
        tables: &'a [Table],
        objects: bool,
        queue: Queue,
        sink: &'a dyn Sink,
        keeps_values: bool,
        context: &'a Context,
    ) -> Result<Self> {
        let open = |known: &'a Table| -> Result<Open<'a>> {
            Ok(Open {
                known,
                table: table::Table::new(sink, &header(known))?,
                encoder: Encoder::new(known.columns.iter().map(|column| column.kind).collect()),
                summary: Mutex::new(none_of(&known.label)),
            })
        };
        let header = Header {
            table: LARGE_OBJECTS.into(),
            columns: ["loid", "offset", "data"].map(Into::into).into(),
            types: ["oid", "bigint", "bytea"].map(Into::into).into(),
        };
        let blobs = || -> Result<_> { Ok((table::Table::new(sink, &header)?, Mutex::new(none_of(LARGE_OBJECTS)))) };
        Ok(Self {
            sink,
            context,
            keeps_values,
            tables: tables.iter().map(open).collect::<Result<_>>()?,
            objects: objects.then(blobs).transpose()?,
            queue,
            values: Mutex::default(),
        })
    }

    /// Pieces that nobody has taken.
    pub fn left(&self) -> usize {
        self.queue.len()
    }

    /// One more session reads pieces until none is left. A server that has no room for one more is no error: the
    /// others read on.
    pub fn help(&self, moment: &Snapshotted<'_>) -> Result<()> {
        if self.left() == 0 {
            return Ok(());
        }
        match snapshot::join(moment) {
            Ok(mut session) => self.assist(&mut session),
            Err(error) if error.code() == Code::Busy => {
                tracing::info!(%error, "one session fewer reads");
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Reads pieces until none is left, but leaves those to the leader whose table it could only wait for. Whoever it
    /// waited for could be waiting for the leader, and the leader for this session: no server sees that circle.
    fn assist(&self, session: &mut Session) -> Result<()> {
        while let Some(piece) = self.queue.next() {
            let free = match &piece {
                Piece::Rows { table, .. } => snapshot::lock_at_once(session, self.tables[*table].known)?,
                Piece::Objects(_) => true,
            };
            if free {
                self.piece(session, piece)?;
            } else {
                self.queue.keep(piece);
            }
        }
        Ok(())
    }

    /// The session that holds the locks reads pieces until none is left.
    pub fn lead(&self, leader: &mut Session) -> Result<()> {
        while let Some(piece) = self.queue.next() {
            self.piece(leader, piece)?;
        }
        Ok(())
    }

    /// The session that holds the locks reads what the others, when all are done, have left to it.
    pub fn lead_kept(&self, leader: &mut Session) -> Result<()> {
        while let Some(piece) = self.queue.next_kept() {
            self.piece(leader, piece)?;
        }
        Ok(())
    }

    fn piece(&self, session: &mut Session, piece: Piece) -> Result<()> {
        self.context.check()?;
        match piece {
            Piece::Rows { table, blocks } => {
                let open = &self.tables[table];
                self.rows(session, open, blocks).map_err(|error| named(error, &open.known.label))
            }
            Piece::Objects(oids) => self.blobs(session, &oids),
        }
    }

    fn rows(&self, session: &mut Session, open: &Open<'_>, blocks: Option<(u64, Option<u64>)>) -> Result<()> {
        let table = open.known;
        let mut filters = range(blocks);
        let mut writer = open.table.writer(self.context);
        if let Some(is_wide) = wide::condition(table) {
            let found = wide::find(session, table, &filters, &is_wide)?;
            if !found.is_empty() {
                wide::rows(self, session, table, &open.encoder, &found, &mut writer)?;
                filters.push(format!("NOT ({is_wide})"));
            }
        }
        copy(session, &statement(table, &filters), &open.encoder, &mut writer)?;
        merge(&open.summary, writer.finish()?);
        Ok(())
    }

    fn blobs(&self, session: &mut Session, oids: &[u32]) -> Result<()> {
        let Some((table, summary)) = &self.objects else { return Err(Error::internal("Large objects were found where none are read.")) };
        let mut writer = table.writer(self.context);
        blobs::read(session, oids, &mut writer)?;
        merge(summary, writer.finish()?);
        Ok(())
    }

    /// Whether the value with this hash is still to be written; the caller then writes it.
    pub fn claims(&self, hash: u128) -> bool {
        self.keeps_values && self.values.lock().unwrap_or_else(PoisonError::into_inner).insert(hash)
    }

    /// What was counted, ordered by name.
    pub fn finish(self) -> Result<Vec<TableSummary>> {
        let mut summaries = Vec::with_capacity(self.tables.len() + 1);
        for open in self.tables {
            open.table.finish()?;
            summaries.push(open.summary.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        if let Some((table, summary)) = self.objects {
            table.finish()?;
            summaries.push(summary.into_inner().unwrap_or_else(PoisonError::into_inner));
        }
        summaries.sort_by(|a, b| a.table.cmp(&b.table));
        Ok(summaries)
    }
}

fn header(table: &Table) -> Header {
    let (columns, types) = table.columns.iter().map(|column| (column.name.clone(), column.type_name.clone())).unzip();
    Header { table: table.label.clone(), columns, types }
}

fn none_of(table: &str) -> TableSummary {
    TableSummary { table: table.into(), rows: 0, bytes: 0, digest: domain::RowDigest::default() }
}

fn merge(into: &Mutex<TableSummary>, part: TableSummary) {
    let mut whole = into.lock().unwrap_or_else(PoisonError::into_inner);
    whole.rows += part.rows;
    whole.bytes += part.bytes;
    whole.digest.merge(part.digest);
}

/// Runs a COPY and writes its rows.
pub(super) fn copy(session: &mut Session, sql: &str, encoder: &Encoder, writer: &mut RowWriter<'_>) -> Result<()> {
    let mut row = Vec::new();
    session.copy_out(sql, |line| {
        encoder.row(line, &mut row)?;
        writer.row(&row)
    })
}

/// The filters for a range of blocks.
fn range(blocks: Option<(u64, Option<u64>)>) -> Vec<String> {
    let Some((from, to)) = blocks else { return vec![] };
    let mut filters = vec![format!("ctid >= '({from},0)'")];
    filters.extend(to.map(|to| format!("ctid < '({to},0)'")));
    filters
}

/// The COPY of a table's own rows, without those of tables that inherit from it.
fn statement(table: &Table, filters: &[String]) -> String {
    let columns: Vec<_> = table.columns.iter().map(|column| quote_ident(&column.name)).collect();
    let (columns, quoted) = (columns.join(", "), &table.quoted);
    let filter = match &table.condition {
        Some(condition) => condition.clone(),
        None if filters.is_empty() && !columns.is_empty() => return format!("COPY {quoted} ({columns}) TO STDOUT"),
        None if filters.is_empty() => String::new(),
        None => format!("WHERE {}", filters.join(" AND ")),
    };
    format!("COPY (SELECT {columns} FROM ONLY {quoted} {filter}) TO STDOUT")
}

/// The same error, with the table it is about in front where the server's own words may not name it.
fn named(error: Error, label: &str) -> Error {
    match error.code() {
        Code::Cancelled | Code::ConnectionLost | Code::DatabaseGone => error,
        _ => error.during(format!("The table {label} could not be read")),
    }
}

/// Whether rows of the table can hold values of this size at all.
pub(super) fn is_bulky(table: &Table) -> bool {
    table.condition.is_none() && table.is_heap && table.columns.iter().any(|column| column.bulk != Bulk::Small)
}

/// The kinds of a row of large objects.
pub(super) const OBJECT_KINDS: [Kind; 3] = [Kind::Number, Kind::Number, Kind::Text];
