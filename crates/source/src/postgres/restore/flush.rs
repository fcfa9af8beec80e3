//! Net changes of a table, written into it: a temporary table and one statement for each kind of change.
//!
//! Each statement must hit exactly the rows that are named; else what was restored is not what the changes were made of.

use super::{
    net::{self, Net},
    rows::Target,
};
use crate::{
    changes::Shape,
    postgres::{
        decode,
        wire::{Session, quote_ident, quote_literal},
    },
    table::Header,
    value::damaged,
};
use domain::{Code, Error, Result};
use std::collections::HashMap;

/// A table of the new database that changes go to.
pub(super) struct Goal {
    target: Target,
    label: String,
    columns: Vec<Column>,
    /// Places of the key's columns among the columns, and the operator of equality of each.
    key: Vec<(usize, String)>,
    /// Whether an identity column that cannot be set is among those that rows may change.
    is_fixed: bool,
}

struct Column {
    quoted: String,
    /// The type below all domains, which asks nothing of its values.
    base: String,
}

impl Goal {
    /// The table, with an index on its key.
    pub fn new(label: &str, shape: &Shape, session: &mut Session) -> Result<Self> {
        let header = Header { table: label.to_owned(), columns: shape.columns.clone(), types: shape.types.clone() };
        let target = Target::new(&header)?;
        let rows = session.query(&format!(
            "WITH RECURSIVE base(oid, below) AS (
                 SELECT t.oid, t.oid FROM pg_catalog.pg_type t WHERE t.typtype <> 'd'
                 UNION ALL SELECT t.oid, b.below FROM pg_catalog.pg_type t JOIN base b ON b.oid = t.typbasetype WHERE t.typtype = 'd')
             SELECT a.attname, a.attnum, pg_catalog.format_type(b.below, CASE WHEN b.below = a.atttypid THEN a.atttypmod END), a.attidentity = 'a'
             FROM pg_catalog.pg_attribute a JOIN base b ON b.oid = a.atttypid
             WHERE a.attrelid = {}::pg_catalog.regclass AND a.attnum > 0 AND NOT a.attisdropped",
            quote_literal(label)
        ))?;
        let mut known = HashMap::new();
        for row in &rows {
            known.insert(row.text(0)?, (row.parse::<i16>(1)?, row.text(2)?, row.is_true(3)));
        }
        let unknown = || damaged(format!("The changes of {label} in the archive are not of its columns."));
        let (mut columns, mut is_fixed) = (vec![], false);
        for name in &shape.columns {
            let (_, base, is_always) = known.get(name.as_str()).ok_or_else(unknown)?;
            is_fixed |= is_always & !shape.key.contains(name);
            columns.push(Column { quoted: quote_ident(name), base: (*base).to_owned() });
        }
        let places: Option<Vec<_>> = shape.key.iter().map(|key| shape.columns.iter().position(|column| column == key)).collect();
        let places = places.ok_or_else(unknown)?;
        let numbers: Vec<_> = shape.key.iter().filter_map(|key| known.get(key.as_str()).map(|(number, ..)| *number)).collect();
        let mut goal = Self { target, label: label.to_owned(), columns, key: vec![], is_fixed };
        if !places.is_empty() {
            let operators = goal.operators(&numbers, &places, session)?;
            goal.key = places.into_iter().zip(operators).collect();
        }
        Ok(goal)
    }

    /// Places of the key's columns.
    pub fn places(&self) -> Vec<usize> {
        self.key.iter().map(|(place, _)| *place).collect()
    }

    /// The operators of an index on the key. Where none is there yet, one is made that goes before the end.
    fn operators(&self, numbers: &[i16], places: &[usize], session: &mut Session) -> Result<Vec<String>> {
        let list = numbers.iter().map(i16::to_string).collect::<Vec<_>>().join(",");
        let find = format!(
            "SELECT pg_catalog.format('OPERATOR(%I.%s)', n.nspname, o.oprname) FROM (
                 SELECT indclass, indnkeyatts FROM pg_catalog.pg_index
                 WHERE indrelid = {}::pg_catalog.regclass AND indisvalid AND indpred IS NULL
                   AND (indkey::pg_catalog.int2[])[0:indnkeyatts - 1] = '{{{list}}}'::pg_catalog.int2[] LIMIT 1) i
             CROSS JOIN pg_catalog.generate_series(0, i.indnkeyatts - 1) AS g(at)
             JOIN pg_catalog.pg_opclass c ON c.oid = i.indclass[g.at]
             JOIN pg_catalog.pg_amop a ON a.amopfamily = c.opcfamily AND a.amoplefttype = c.opcintype AND a.amoprighttype = c.opcintype AND a.amopstrategy = 3
             JOIN pg_catalog.pg_operator o ON o.oid = a.amopopr JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace ORDER BY g.at",
            quote_literal(&self.label)
        );
        for _ in 0..2 {
            let rows = session.query(&find)?;
            if rows.len() == numbers.len() {
                return rows.iter().map(|row| row.text(0).map(str::to_owned)).collect();
            }
            let columns: Vec<_> = places.iter().map(|place| self.columns[*place].quoted.as_str()).collect();
            session.execute(&format!(
                "CREATE INDEX {} ON ONLY {} USING btree ({})",
                quote_ident(&self.index()),
                self.target.table,
                columns.join(", ")
            ))?;
        }
        Err(Error::internal(format!("The key of {} has no operator of equality.", self.label)))
    }

    /// Name of the index that is made for the changes; a table has only one key.
    fn index(&self) -> String {
        format!("{INDEX}{:032x}", xxhash_rust::xxh3::xxh3_128(self.label.as_bytes()))
    }

    /// Writes changes, all or none.
    pub fn flush(&self, net: &Net, session: &mut Session) -> Result<()> {
        session.execute(BY_INDEX)?;
        let written = self.write(net, session);
        match written {
            Ok(()) => session.execute("COMMIT"),
            Err(error) => {
                // The first error is the one to tell.
                let _ = session.execute("ROLLBACK");
                Err(match error.code() {
                    Code::Cancelled | Code::ConnectionLost => error,
                    _ => error.during(format!("Applying changes to the table {}", self.label)),
                })
            }
        }
    }

    fn write(&self, net: &Net, session: &mut Session) -> Result<()> {
        if net.is_emptied {
            session.execute(&format!("TRUNCATE ONLY {}", self.target.table))?;
        }
        let changed = || net.rows.iter().filter_map(|(key, row)| row.origin.as_ref().map(|origin| (key, origin, &row.row)));
        let stays = |key: &Vec<u8>, origin: &Vec<u8>| key == origin && !self.is_fixed;
        let updates: Vec<_> = changed().filter(|(key, origin, _)| stays(key, origin)).map(|(_, origin, row)| (origin, row)).collect();
        let moves: Vec<_> = changed().filter(|(key, origin, _)| !stays(key, origin)).map(|(_, origin, row)| (origin, row)).collect();
        if !moves.is_empty() {
            let unchanged = self.rows("rookery_moves", &moves, session)?;
            for at in (0..self.columns.len()).filter(|at| unchanged[*at]) {
                let column = &self.columns[at].quoted;
                self.expect(
                    None,
                    &format!(
                        "UPDATE pg_temp.rookery_moves AS c SET c{at} = t.{column} FROM ONLY {} AS t WHERE {} AND substr(c.f, {}, 1) = '1'",
                        self.target.table,
                        self.same(),
                        at + 1
                    ),
                    session,
                )?;
            }
        }
        let gone: Vec<_> = net.gone.iter().chain(moves.iter().map(|(origin, _)| *origin)).collect();
        self.delete(&gone, session)?;
        self.update(&updates, session)?;
        if !moves.is_empty() {
            let values: Vec<_> = (0..self.columns.len()).map(|at| format!("c{at}")).collect();
            let sql = format!(
                "INSERT INTO {}{} OVERRIDING SYSTEM VALUE SELECT {} FROM pg_temp.rookery_moves",
                self.target.table,
                self.target.columns,
                values.join(", ")
            );
            self.expect(Some(moves.len()), &sql, session)?;
        }
        let new = net.rows.values().filter(|row| row.origin.is_none()).map(|row| &row.row);
        self.insert(new.chain(&net.appended), session)
    }

    fn delete(&self, keys: &[&Vec<u8>], session: &mut Session) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let columns: Vec<_> = self.key_columns().collect();
        self.make("rookery_deletes", &columns.join(", "), session)?;
        let mut keys = keys.to_vec();
        keys.sort_unstable();
        let lines = keys.iter().map(|key| Ok(key.to_vec()));
        self.copy("pg_temp.rookery_deletes", lines, self.key.len(), session)?;
        let sql = format!("DELETE FROM ONLY {} AS t USING pg_temp.rookery_deletes AS c WHERE {}", self.target.table, self.same());
        self.expect(Some(keys.len()), &sql, session)
    }

    fn update(&self, updates: &[(&Vec<u8>, &Vec<u8>)], session: &mut Session) -> Result<()> {
        let set: Vec<_> = (0..self.columns.len()).filter(|at| self.key.iter().all(|(place, _)| place != at)).collect();
        if updates.is_empty() || set.is_empty() {
            return Ok(());
        }
        let unchanged = self.rows("rookery_updates", updates, session)?;
        let set: Vec<_> = set
            .into_iter()
            .map(|at| {
                let column = &self.columns[at].quoted;
                if unchanged[at] {
                    format!("{column} = CASE WHEN substr(c.f, {}, 1) = '1' THEN t.{column} ELSE c.c{at} END", at + 1)
                } else {
                    format!("{column} = c.c{at}")
                }
            })
            .collect();
        let (table, set) = (&self.target.table, set.join(", "));
        let sql = format!("UPDATE ONLY {table} AS t SET {set} FROM pg_temp.rookery_updates AS c WHERE {}", self.same());
        self.expect(Some(updates.len()), &sql, session)
    }

    fn insert<'r>(&self, rows: impl Iterator<Item = &'r Vec<u8>>, session: &mut Session) -> Result<()> {
        let mut rows = rows.peekable();
        if rows.peek().is_none() {
            return Ok(());
        }
        let into = format!("{}{}", self.target.table, self.target.columns);
        self.copy(&into, rows.map(|row| Ok(row.clone())), self.columns.len(), session)
    }

    /// A temporary table `name` of changed rows, each with the key it had and with a mark for each value that did not change; says
    /// of which columns there are such.
    fn rows(&self, name: &str, rows: &[(&Vec<u8>, &Vec<u8>)], session: &mut Session) -> Result<Vec<bool>> {
        let values = self.columns.iter().enumerate().map(|(at, column)| format!("{}::{} AS c{at}", column.quoted, column.base));
        let columns: Vec<_> = self.key_columns().chain(values).chain(["''::pg_catalog.text AS f".to_owned()]).collect();
        self.make(name, &columns.join(", "), session)?;
        let mut unchanged = vec![false; self.columns.len()];
        let mut rows = rows.to_vec();
        rows.sort_unstable();
        let lines = rows.iter().map(|(key, row)| -> Result<_> {
            let (key, values) = (net::values(key)?, net::values(row)?);
            let marks: String = values.iter().map(|value| if net::is_unchanged(value) { '1' } else { '0' }).collect();
            marks.bytes().zip(&mut unchanged).for_each(|(mark, seen)| *seen |= mark == b'1');
            let values = values.iter().map(|value| if net::is_unchanged(value) { "null" } else { value.get() });
            let marks = format!("\"{marks}\"");
            Ok(net::encoded(key.iter().map(|value| value.get()).chain(values).chain([marks.as_str()])))
        });
        self.copy(&format!("pg_temp.{name}"), lines, self.key.len() + self.columns.len() + 1, session)?;
        Ok(unchanged)
    }

    fn make(&self, name: &str, columns: &str, session: &mut Session) -> Result<()> {
        session.execute(&format!(
            "CREATE TEMPORARY TABLE {name} ON COMMIT DROP AS SELECT {columns} FROM ONLY {} WITH NO DATA",
            self.target.table
        ))
    }

    fn key_columns(&self) -> impl Iterator<Item = String> {
        self.key.iter().enumerate().map(|(at, (place, _))| {
            let column = &self.columns[*place];
            format!("{}::{} AS k{at}", column.quoted, column.base)
        })
    }

    /// The condition that a row `t` of the table is the one that the row `c` of changes names.
    fn same(&self) -> String {
        let one = |(at, (place, equals)): (usize, &(usize, String))| format!("t.{} {equals} c.k{at}", self.columns[*place].quoted);
        self.key.iter().enumerate().map(one).collect::<Vec<_>>().join(" AND ")
    }

    fn copy(&self, into: &str, rows: impl Iterator<Item = Result<Vec<u8>>>, columns: usize, session: &mut Session) -> Result<()> {
        let mut copy = session.copy_in(&format!("COPY {into} FROM STDIN"))?;
        let (mut text, mut sent) = (vec![], 0);
        for row in rows {
            text.clear();
            if !decode::copy_line(&row?, columns, &mut text)? {
                return Err(damaged("a changed row in the archive is not in its place."));
            }
            copy.write(&text)?;
            sent += 1;
        }
        let taken = copy.finish()?;
        if taken == sent {
            Ok(())
        } else {
            Err(Error::internal(format!("The server took {taken} of {sent} changed rows of {}.", self.label)))
        }
    }

    /// Runs a statement that has to hit so many rows.
    fn expect(&self, rows: Option<usize>, sql: &str, session: &mut Session) -> Result<()> {
        let hit = session.affect(sql)?;
        match rows {
            Some(rows) if rows as u64 != hit => {
                Err(damaged(format!("the changes in the archive do not fit the rows: {rows} are named, and {hit} were found.")))
            }
            _ => Ok(()),
        }
    }
}

/// Begins a transaction in which changes find their rows by the key's index, one after another in the order of their keys. Nobody has
/// told the server yet how large the table is: left to itself it reads all of it, for every few changes.
const BY_INDEX: &str = "BEGIN; SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off; SET LOCAL enable_seqscan = off";

/// What the names of indexes begin with that are made for the changes.
const INDEX: &str = "rookery_key_";

/// Removes the indexes that were made for the changes.
pub(super) fn drop_indexes(session: &mut Session) -> Result<()> {
    let rows = session.query(&format!(
        "SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind = 'i' AND c.relname ~ '^{INDEX}[0-9a-f]{{32}}$'"
    ))?;
    rows.iter().try_for_each(|row| session.execute(&format!("DROP INDEX {}", row.text(0)?)))
}
