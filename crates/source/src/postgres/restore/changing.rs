//! Changes of a small table, and what they make of it: what tests hold against what restores make of changes.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::net::KeyPlaces;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// The key is the first column.
pub const KEY: &KeyPlaces = &[0];

/// A row: its key, a small value, and a large one, which may stay as it is.
pub type Rows = BTreeMap<u8, (u8, u8)>;

#[derive(Clone, Debug)]
pub enum Op {
    Insert(u8, u8, u8),
    Update(u8, u8, u8, Option<u8>),
    Delete(u8),
    Empty,
}

/// One change, as an archive tells it.
pub enum Told {
    Insert(Vec<u8>),
    Update(Vec<u8>, Vec<u8>),
    Delete(Vec<u8>),
    Empty,
}

pub fn rows() -> impl Strategy<Value = Rows> {
    proptest::collection::btree_map(0..5_u8, (any::<u8>(), any::<u8>()), 0..5)
}

pub fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = || 0..5_u8;
    let op = prop_oneof![
        4 => (key(), any::<u8>(), any::<u8>()).prop_map(|(key, a, b)| Op::Insert(key, a, b)),
        6 => (key(), key(), any::<u8>(), proptest::option::of(any::<u8>())).prop_map(|(old, new, a, b)| Op::Update(old, new, a, b)),
        3 => key().prop_map(Op::Delete),
        1 => Just(Op::Empty),
    ];
    proptest::collection::vec(op, 0..30)
}

pub fn key(key: u8) -> Vec<u8> {
    format!("[{key}]").into_bytes()
}

pub fn row(key: u8, (a, b): (u8, u8)) -> Vec<u8> {
    format!("[{key},{a},{b}]").into_bytes()
}

/// Does what can be done, one after the other: what an archive tells of it.
pub fn told(rows: &mut Rows, ops: Vec<Op>) -> Vec<Told> {
    let mut told = vec![];
    for op in ops {
        match op {
            Op::Insert(new, a, b) if !rows.contains_key(&new) => {
                rows.insert(new, (a, b));
                told.push(Told::Insert(row(new, (a, b))));
            }
            Op::Update(old, new, a, b) if rows.contains_key(&old) && (old == new || !rows.contains_key(&new)) => {
                let (_, large) = rows.remove(&old).unwrap();
                rows.insert(new, (a, b.unwrap_or(large)));
                let large = b.map_or(r#"{"unchanged":true}"#.to_owned(), |b| b.to_string());
                told.push(Told::Update(key(old), format!("[{new},{a},{large}]").into_bytes()));
            }
            Op::Delete(old) if rows.remove(&old).is_some() => told.push(Told::Delete(key(old))),
            Op::Empty => {
                rows.clear();
                told.push(Told::Empty);
            }
            _ => {}
        }
    }
    told
}
