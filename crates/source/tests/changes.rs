//! Changes, written and read.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is to say where")]

mod support;

use domain::ChangeSummary;
use jiff::Timestamp;
use source::{
    Context, Members,
    changes::{Change, ChangeReader, Shape, Transaction, count, parts, write},
};
use std::{borrow::Cow, sync::Arc};
use support::Archive;

fn shape() -> Arc<Shape> {
    Arc::new(Shape { columns: vec!["id".into(), "name".into()], types: vec!["integer".into(), "text".into()], key: vec!["id".into()] })
}

/// The lines of all parts, and what was counted in each way.
fn lines(archive: &Archive) -> (Vec<String>, ChangeSummary) {
    let (mut lines, mut counted, mut arrays) = (vec![], ChangeSummary::default(), 0);
    for part in parts(archive) {
        let mut reader = ChangeReader::new(archive.open(&part).unwrap());
        while let Some(line) = reader.next_line().unwrap() {
            arrays += count(line, &mut counted).unwrap().filter(|array| array.starts_with(b"[")).count() as u64;
            lines.push(String::from_utf8(line.to_vec()).unwrap());
        }
    }
    assert_eq!(arrays, counted.inserts + 2 * counted.updates + counted.deletes);
    (lines, counted)
}

#[test]
fn changes_are_read_as_they_were_written_and_counted() {
    let archive = Archive::default();
    let transaction = Transaction { xid: Some("735".into()), at: "2026-11-22T03:10:12.123456Z".parse().unwrap() };
    let written = write(&archive, &Context::default(), |mut writer| {
        writer.begin(&transaction)?;
        writer.insert("a\"\\b", &shape(), b"[1,\"x\"]")?;
        writer.update("a\"\\b", &shape(), b"[1]", b"[2,{\"unchanged\":true}]")?;
        writer.delete("c", &shape(), b"[1.50]")?;
        writer.truncate(&["c", "d"])?;
        writer.commit()?;
        writer.finish()
    })
    .unwrap();
    let (lines, counted) = lines(&archive);
    assert_eq!(written, counted);
    assert_eq!((written.transactions, written.rows(), written.truncates), (1, 3, 2));
    assert_eq!(lines.len(), 8, "{lines:#?}");
    let mut readers: Vec<_> = lines.iter().map(|line| ChangeReader::new([line.as_bytes(), b"\n"].concat().leak() as &[u8])).collect();
    let changes: Vec<_> = readers.iter_mut().map(|reader| reader.next_change().unwrap().unwrap()).collect();
    let table = Cow::Borrowed("a\"\\b");
    assert_eq!(changes[0], Change::Begin(transaction));
    assert_eq!(changes[1], Change::Table(table.clone().into_owned(), (*shape()).clone()));
    assert_eq!(changes[2], Change::Insert(table.clone(), b"[1,\"x\"]"));
    assert_eq!(changes[3], Change::Update(table, b"[1]", b"[2,{\"unchanged\":true}]"));
    assert_eq!(changes[5], Change::Delete("c".into(), b"[1.50]"));
    assert_eq!(changes[6..], [Change::Truncate(vec!["c".into(), "d".into()]), Change::Commit]);
}

#[test]
fn each_part_can_be_read_by_itself() {
    let archive = Archive::default();
    let row = format!("[1,\"{}\"]", "x".repeat(700 << 10));
    let written = write(&archive, &Context::default(), |mut writer| {
        writer.begin(&Transaction { xid: None, at: Timestamp::UNIX_EPOCH })?;
        for _ in 0..10 {
            writer.insert("t", &shape(), row.as_bytes())?;
        }
        writer.commit()?;
        writer.finish()
    })
    .unwrap();
    assert_eq!(lines(&archive).1, written);
    let parts = parts(&archive);
    assert!(parts.len() > 1, "{parts:?}");
    for part in &parts {
        let mut reader = ChangeReader::new(archive.open(part).unwrap());
        let told = (0..2).any(|_| matches!(reader.next_change().unwrap(), Some(Change::Table(..))));
        assert!(told, "{part}");
    }
}

#[test]
fn lines_that_are_no_changes_are_refused() {
    for line in [
        "",
        "[]",
        "{}",
        "[\"insert\"]",
        "[\"insert\",\"t\",{}]",
        "[\"insert\",1,[]]",
        "[\"upsert\",\"t\",[]]",
        "[\"commit\",1]",
        "[\"begin\",{}]",
        "[\"truncate\",\"t\"]",
        "[\"delete\",\"t\",[1]] ,",
    ] {
        let line = format!("{line}\n");
        assert_eq!(ChangeReader::new(line.as_bytes()).next_change().unwrap_err().code(), domain::Code::Damaged, "{line}");
    }
    let mut cut = ChangeReader::new(&b"[\"commit\"]\n[\"comm"[..]);
    assert_eq!(cut.next_change().unwrap(), Some(Change::Commit));
    assert!(cut.next_change().is_err());
}
