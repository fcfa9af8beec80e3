//! The work of a full reading, cut into pieces that several sessions share.

use super::catalog::Table;
use std::sync::{Mutex, PoisonError};

/// Tables above this size are cut, and the pieces are of about this size.
const PIECE_BYTES: u64 = 64 << 20;

/// A table is not cut into more pieces than this.
const MOST_PIECES: u64 = 1024;

/// Large objects in one piece.
const OBJECTS: usize = 500;

/// From this server version on a range of blocks is read without scanning the whole table.
const RANGE_SCAN_VERSION: u32 = 140_000;

/// Something that one session reads with one COPY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Rows of a table, by its index: all, or those in blocks from the first up to, not with, the second; the last
    /// piece of a table has no end.
    Rows { table: usize, blocks: Option<(u64, Option<u64>)> },
    /// Large objects with these numbers, ascending.
    Objects(Vec<u32>),
}

/// The pieces that are left, the largest first, and those that only the session which holds the locks can read.
pub(super) struct Queue {
    open: Mutex<Vec<(u64, Piece)>>,
    kept: Mutex<Vec<Piece>>,
}

impl Queue {
    /// Cuts everything into pieces.
    pub fn new(tables: &[Table], objects: &[u32], server_version: u32, block_bytes: u64) -> Self {
        let mut pieces = Vec::new();
        for (table, known) in tables.iter().enumerate().filter(|(_, known)| !known.is_away) {
            let cut = server_version >= RANGE_SCAN_VERSION && known.is_heap && known.condition.is_none();
            let blocks = if cut { ranges(known, block_bytes) } else { vec![None] };
            let size = known.total_bytes / blocks.len() as u64;
            pieces.extend(blocks.into_iter().map(|blocks| (size, Piece::Rows { table, blocks })));
        }
        pieces.extend(objects.chunks(OBJECTS).map(|some| (PIECE_BYTES, Piece::Objects(some.to_vec()))));
        pieces.sort_by_key(|(size, _)| *size);
        Self { open: Mutex::new(pieces), kept: Mutex::default() }
    }

    /// Takes a piece.
    pub fn next(&self) -> Option<Piece> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).pop().map(|(_, piece)| piece)
    }

    /// Leaves a piece to the session that holds the locks.
    pub fn keep(&self, piece: Piece) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(piece);
    }

    /// Takes a piece that was left.
    pub fn next_kept(&self) -> Option<Piece> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// Number of pieces left.
    pub fn len(&self) -> usize {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

fn ranges(table: &Table, block_bytes: u64) -> Vec<Option<(u64, Option<u64>)>> {
    let blocks = table.heap_bytes / block_bytes.max(1);
    let count = (table.total_bytes / PIECE_BYTES).min(MOST_PIECES).min(blocks);
    if count < 2 {
        return vec![None];
    }
    let step = blocks.div_ceil(count);
    let starts: Vec<_> = (0..count).map(|at| at * step).filter(|start| *start < blocks).collect();
    let end = |at: usize| starts.get(at + 1).copied();
    starts.iter().enumerate().map(|(at, start)| Some((*start, end(at)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(heap_bytes: u64, total_bytes: u64) -> Table {
        let (quoted, label) = Default::default();
        Table {
            oid: 1,
            quoted,
            label,
            columns: vec![],
            heap_bytes,
            total_bytes,
            toast_bytes: 0,
            is_heap: true,
            condition: None,
            is_away: false,
        }
    }

    #[test]
    fn ranges_cover_every_block_once() {
        for (heap, total) in
            [(0, 0), (8192, 1 << 40), (100 << 20, 100 << 20), (1000 << 20, 1001 << 20), (1 << 20, 9 << 30), (1 << 42, 1 << 42)]
        {
            let found = ranges(&table(heap, total), 8192);
            if found.len() == 1 {
                assert_eq!(found, [None]);
                continue;
            }
            let mut next = Some(0);
            for range in found {
                let (from, to) = range.unwrap();
                assert_eq!(Some(from), next);
                assert!(to.is_none_or(|to| to > from));
                next = to;
            }
            assert_eq!(next, None, "the last range has no end");
        }
    }

    #[test]
    fn the_largest_comes_first_and_old_servers_are_not_cut() {
        let tables = [table(8192, 8192), table(1 << 30, 1 << 30)];
        let queue = Queue::new(&tables, &[], 130_000, 8192);
        assert_eq!(queue.next(), Some(Piece::Rows { table: 1, blocks: None }));
        assert_eq!((queue.next(), queue.next()), (Some(Piece::Rows { table: 0, blocks: None }), None));
        assert_eq!(Queue::new(&tables, &[1, 2], 150_000, 8192).len(), 16 + 1 + 1);
    }
}
