//! One table to be read, in ranges that several connections claim one after the other.

use super::{cell::Encoding, connect::quoted, fault::Subject, schema::Table};
use crate::{Sink, keys::Sorter, table};
use domain::{Result, TableSummary};
use rusqlite::Connection;
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// Tables whose rowids span less than this are read in one go.
const SPLIT_FROM_ROWIDS: i128 = 10_000;

/// A table and how far reading it is.
pub struct Job<'s> {
    /// How it is stored.
    pub table: Table,
    /// The query; takes the first and last rowid if the table is read in ranges.
    pub select: String,
    /// Where the rows go.
    pub output: table::Table<'s>,
    /// First and last rowid, if the table is read in ranges.
    pub span: Option<(i64, i64)>,
    pieces: u64,
    next_piece: AtomicU64,
    counted: Mutex<(TableSummary, Vec<Sorter>)>,
}

impl<'s> Job<'s> {
    /// Prepares `table` to be read in at most `pieces` ranges.
    pub fn new(
        connection: &Connection,
        table: Table,
        encoding: Encoding,
        pieces: u64,
        sink: &'s dyn Sink,
        subject: &Subject,
    ) -> Result<Self> {
        let fault = |error| subject.fault(format_args!("Reading the table {:?}", table.name), error);
        let span = if pieces > 1 { span(connection, &table).map_err(fault)? } else { None };
        let width = span.map_or(1, |(first, last)| i128::from(last) - i128::from(first) + 1);
        Ok(Self {
            select: select(&table, encoding, span.is_some()),
            output: table::Table::new(sink, &table.header())?,
            pieces: if span.is_some() { pieces.min(u64::try_from(width).unwrap_or(u64::MAX)) } else { 1 },
            next_piece: AtomicU64::new(0),
            counted: Mutex::new((
                TableSummary { table: table.name.clone(), rows: 0, bytes: 0, digest: domain::RowDigest::default() },
                vec![],
            )),
            table,
            span,
        })
    }

    /// The next range that nobody has claimed.
    pub fn claim(&self) -> Option<u64> {
        Some(self.next_piece.fetch_add(1, Relaxed)).filter(|&piece| piece < self.pieces)
    }

    /// First and last rowid of a range.
    pub fn range(&self, piece: u64) -> Option<(i64, i64)> {
        let (first, last) = self.span?;
        let width = i128::from(last) - i128::from(first) + 1;
        let edge = |piece: u64| i128::from(first) + width * i128::from(piece) / i128::from(self.pieces);
        // Both lie within the span, so they fit.
        Some((i64::try_from(edge(piece)).unwrap_or(first), i64::try_from(edge(piece + 1) - 1).unwrap_or(last)))
    }

    /// Adds what one connection has read, and its keys.
    pub fn add(&self, part: &TableSummary, keys: Option<Sorter>) {
        let mut guard = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let (counted, sorters) = &mut *guard;
        sorters.extend(keys);
        counted.rows += part.rows;
        counted.bytes += part.bytes;
        counted.digest.merge(part.digest);
    }

    /// What all connections have read.
    pub fn counted(self) -> (TableSummary, Vec<Sorter>) {
        self.counted.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `NOT INDEXED`, so that rows come from the table itself and not from an index that might differ.
pub fn select(table: &Table, encoding: Encoding, in_ranges: bool) -> String {
    let values: Vec<String> = table
        .values()
        .iter()
        .map(|name| match encoding {
            Encoding::Utf8 => name.clone(),
            // SQLite's own conversion does not keep invalid UTF-16, so stored bytes are asked for.
            _ => format!("CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB) ELSE {name} END, typeof({name}) = 'text'"),
        })
        .collect();
    let mut sql = format!("SELECT {} FROM main.{} NOT INDEXED", values.join(", "), quoted(&table.name));
    if let (true, Some(rowid)) = (in_ranges, &table.rowid) {
        sql.push_str(&format!(" WHERE {rowid} BETWEEN ?1 AND ?2"));
    }
    sql
}

fn span(connection: &Connection, table: &Table) -> rusqlite::Result<Option<(i64, i64)>> {
    let Some(rowid) = &table.rowid else { return Ok(None) };
    let name = quoted(&table.name);
    // Two queries: SQLite looks only at the ends of a table if asked for one of them.
    let sql = format!("SELECT (SELECT min({rowid}) FROM main.{name}), (SELECT max({rowid}) FROM main.{name})");
    let (first, last): (Option<i64>, Option<i64>) = connection.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let span = first.zip(last);
    Ok(span.filter(|(first, last)| i128::from(*last) - i128::from(*first) >= SPLIT_FROM_ROWIDS))
}
