//! Databases of every shape through an archive and back.

mod support;

use domain::Code;
use rusqlite::params;
use source::{Context, Source};
use support::{
    load_whole,
    sqlite::{Folder, assert_same, sqlite3},
};

#[test]
fn a_shop_with_everything_in_it() {
    let folder = Folder::new();
    folder.make(
        "shop.db",
        "PRAGMA user_version=7; PRAGMA application_id=-5;
         CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT NOT NULL, price REAL, data BLOB, extra);
         CREATE INDEX item_name ON item(name); CREATE VIEW cheap AS SELECT * FROM item WHERE price<10;
         CREATE TABLE log(at TEXT, item INTEGER REFERENCES item(id), PRIMARY KEY(at,item)) WITHOUT ROWID;
         CREATE TRIGGER t AFTER INSERT ON item BEGIN INSERT INTO log VALUES('now'||new.id,new.id); END;",
    );
    let connection = folder.connect("shop.db");
    connection.execute_batch("BEGIN").unwrap();
    for i in 1_i64..=5000 {
        let name = format!("näme\n\"{i}\"\t\\ 🐦");
        let price = (i % 7 != 0).then(|| i as f64 / 3.0);
        let data: Vec<u8> = (0..(i % 256) as u8).collect();
        connection.execute("INSERT INTO item(id,name,price,data,extra) VALUES(?,?,?,?,?)", params![i, name, price, data, i % 5]).unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    drop(connection);
    let backup = folder.round_trip("shop.db", "copy.db");
    assert_eq!(backup.summary.rows(), 10_000);
    let pre = String::from_utf8(backup.archive.get("schema/pre-data.sql").unwrap()).unwrap();
    assert!(pre.contains("CREATE TABLE item(") && !pre.contains("CREATE VIEW"));
    assert!(folder.backup("shop.db").unwrap().description.notes.is_empty());
}

#[test]
fn every_storage_class_survives() {
    let folder = Folder::new();
    folder.make(
        "v.db",
        "CREATE TABLE v(id INTEGER PRIMARY KEY, x);
         INSERT INTO v(x) VALUES (NULL), (0), (-9223372036854775808), (9223372036854775807), (1.0), (-0.0), (0.1), (1e300), (5e-324),
           (9e999), (-9e999), (1e16), (123456789012345680.0), (''), ('null'), ('1'), ('1.0'), (x''), (x'00ff'), ('a'||char(0)||'b'),
           (CAST(x'ff00fe' AS TEXT)), (CAST(x'' AS TEXT)), ('{\"b64\":\"AA==\"}'), (char(1,8,12,31,127,128,0x2028,0xfeff,0x10ffff));",
    );
    let backup = folder.round_trip("v.db", "w.db");
    let rows = backup.archive.rows("v");
    for (at, row) in [
        (2, "[3,-9223372036854775808]"),
        (4, "[5,1.0]"),
        (5, "[6,-0.0]"),
        (6, "[7,0.1]"),
        (9, r#"[10,{"real":"inf"}]"#),
        (10, r#"[11,{"real":"-inf"}]"#),
        (11, "[12,1e16]"),
        (17, r#"[18,{"b64":""}]"#),
        (19, r#"[20,"a\u0000b"]"#),
        (20, r#"[21,{"text":"/wD+"}]"#),
    ] {
        assert_eq!(rows[at], row);
    }
    let command = "SELECT id, typeof(x), quote(x), hex(x), length(x) FROM v ORDER BY id";
    assert_eq!(sqlite3(&folder.path("v.db"), command), sqlite3(&folder.path("w.db"), command));
}

#[test]
fn tables_of_every_kind() {
    let folder = Folder::new();
    folder.make(
        "k.db",
        r#"PRAGMA page_size=1024; PRAGMA auto_vacuum=2; PRAGMA foreign_keys=OFF;
         CREATE TABLE heap(a, b); INSERT INTO heap(rowid, a) VALUES (5, 'five'), (-3, 'minus'), (9223372036854775807, 'last');
         CREATE TABLE shadowed(rowid TEXT, x); INSERT INTO shadowed(_rowid_, rowid) VALUES (42, 'text');
         CREATE TABLE hidden(rowid, _rowid_, oid); INSERT INTO hidden VALUES (1,2,3);
         CREATE TABLE descending(id INTEGER PRIMARY KEY DESC, x); INSERT INTO descending(rowid, id) VALUES (7, 1), (8, NULL);
         CREATE TABLE strict_one(a INT, b TEXT, c ANY, d BLOB, e REAL) STRICT; INSERT INTO strict_one VALUES (1,'x','007',x'00',3);
         CREATE TABLE generated(a, s AS (a*2) STORED, b, v TEXT AS (b||'!')); INSERT INTO generated(a,b) VALUES (1,'x'),(2,'y');
         CREATE INDEX by_v ON generated(v); CREATE INDEX part ON heap(a) WHERE b IS NOT NULL; CREATE UNIQUE INDEX expr ON heap(lower(a) COLLATE NOCASE DESC);
         CREATE TABLE auto(id INTEGER PRIMARY KEY AUTOINCREMENT, x); INSERT INTO auto VALUES (10,'a'),(90,'b'); DELETE FROM auto WHERE id=90;
         CREATE TABLE many(a UNIQUE, b UNIQUE, c, PRIMARY KEY (c, a), CHECK (b <> 'never')); INSERT INTO many VALUES (1,2,3);
         CREATE TABLE pairs(a TEXT COLLATE NOCASE, b, c, PRIMARY KEY (b DESC, a)) WITHOUT ROWID; INSERT INTO pairs VALUES ('x',1,NULL),('Y',1.5,x'');
         CREATE TABLE "a b"("select" INT, "x""y" TEXT, 'q''r'); INSERT INTO "a b" VALUES (9223372036854775807,'e',1),(-1,NULL,2);
         CREATE TABLE "näme/../\"("é" INT); CREATE TABLE "line
break" ("c
d");
         CREATE TABLE child(p REFERENCES missing(x)); INSERT INTO child VALUES (99);
         CREATE VIEW "v w" AS SELECT * FROM heap; CREATE TRIGGER on_view INSTEAD OF INSERT ON "v w" BEGIN SELECT 1; END;
         CREATE TABLE empty_one(a, b);
         CREATE TABLE made AS SELECT 1 AS one, 'x' AS two;
         ALTER TABLE made RENAME TO "made again"; ALTER TABLE "made again" ADD COLUMN three DEFAULT 'd';
         CREATE VIEW broken AS SELECT no_such_column FROM nowhere;
         ANALYZE;"#,
    );
    let backup = folder.round_trip("k.db", "copy.db");
    assert!(backup.archive.rows("heap").contains(&r#"[-3,"minus",null]"#.to_owned()));
    assert!(backup.archive.rows("generated").contains(&r#"[2,2,"y"]"#.to_owned()));
    let rowids = "SELECT rowid, a FROM heap ORDER BY 1; SELECT _rowid_, * FROM shadowed; SELECT rowid, * FROM descending; SELECT rowid, * FROM sqlite_sequence";
    assert_eq!(sqlite3(&folder.path("k.db"), rowids), sqlite3(&folder.path("copy.db"), rowids));
}

#[test]
fn virtual_tables_come_with_the_tables_behind_them() {
    let folder = Folder::new();
    folder.make(
        "fts.db",
        "CREATE VIRTUAL TABLE doc USING fts5(body); INSERT INTO doc VALUES('the rook'),('a raven');
         CREATE TABLE content(id INTEGER PRIMARY KEY, t TEXT); INSERT INTO content VALUES (3,'external words');
         CREATE VIRTUAL TABLE ext USING fts5(t, content='content', content_rowid='id'); INSERT INTO ext(ext) VALUES('rebuild');
         CREATE TRIGGER sync AFTER INSERT ON content BEGIN INSERT INTO ext(rowid, t) VALUES (new.id, new.t); END;
         CREATE VIRTUAL TABLE old USING fts4(subject, body); INSERT INTO old VALUES ('s','birds of a feather');
         CREATE VIRTUAL TABLE box USING rtree(id, x0, x1, y0, y1); INSERT INTO box VALUES (1,0,1,0,1),(2,5,6,5,6);
         CREATE TABLE after(x);",
    );
    folder.round_trip("fts.db", "copy.db");
    let copy = folder.connect("copy.db");
    let found = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(found("SELECT count(*) FROM doc WHERE doc MATCH 'rook'"), 1);
    assert_eq!(found("SELECT rowid FROM ext WHERE ext MATCH 'words'"), 3);
    assert_eq!(found("SELECT count(*) FROM old WHERE body MATCH 'feather'"), 1);
    assert_eq!(found("SELECT id FROM box WHERE x0 > 4"), 2);
}

#[test]
fn a_virtual_table_of_a_module_that_is_not_here() {
    let folder = Folder::new();
    folder.make(
        "m.db",
        "CREATE TABLE a(x); PRAGMA writable_schema=ON;
         INSERT INTO sqlite_schema VALUES('table','geo','geo',0,'CREATE VIRTUAL TABLE geo USING spatial_thing(x, y)');
         PRAGMA writable_schema=OFF; CREATE TABLE b(y);",
    );
    let backup = folder.backup("m.db").unwrap();
    folder.restore(&backup, "copy.db").unwrap();
    let schema = "SELECT rowid, name, sql FROM sqlite_schema";
    assert_eq!(sqlite3(&folder.path("m.db"), schema), sqlite3(&folder.path("copy.db"), schema));
}

#[test]
fn encodings_and_text_that_is_not_valid_in_them() {
    for encoding in ["UTF-16le", "UTF-16be"] {
        let folder = Folder::new();
        folder.make(
            "u.db",
            &format!(
                "PRAGMA encoding='{encoding}'; CREATE TABLE t(a TEXT, b INT DEFAULT 'ü');
                 INSERT INTO t VALUES ('plain', 1), ('🐦é', 'text'), (char(0xfeff)||'bom', x'00d8'), ('', NULL), ('a'||char(0)||'b', 2.0);
                 INSERT INTO t VALUES (CAST(x'00d84100' AS TEXT), 1), (CAST(x'd8000041' AS TEXT), 2), (CAST(x'616263' AS TEXT), 3);
                 CREATE INDEX i ON t(a);"
            ),
        );
        let backup = folder.round_trip("u.db", "copy.db");
        assert!(backup.archive.rows("t").iter().any(|row| row.contains("utf16")));
        let bytes = "SELECT rowid, typeof(a), hex(CAST(a AS BLOB)), typeof(b), hex(CAST(b AS BLOB)) FROM t";
        assert_eq!(sqlite3(&folder.path("u.db"), bytes), sqlite3(&folder.path("copy.db"), bytes));
    }
}

#[test]
fn definitions_that_are_not_utf8() {
    let folder = Folder::new();
    folder.make("l.db", "CREATE TABLE t(a, b DEFAULT 'caf?', c AS (a || 'x?x') STORED); INSERT INTO t(a) VALUES ('v'); CREATE INDEX i ON t(a) WHERE a <> 'caf?';");
    let connection = folder.connect("l.db");
    connection
        .execute_batch(
            "PRAGMA writable_schema=ON;
             UPDATE sqlite_schema SET sql = CAST(replace(CAST(sql AS BLOB), x'3f', x'e9') AS TEXT);
             PRAGMA writable_schema=RESET; UPDATE t SET a = 'caf'; REINDEX; INSERT INTO t(a) VALUES (CAST(x'636166e9' AS TEXT));",
        )
        .unwrap();
    drop(connection);
    folder.round_trip("l.db", "copy.db");
}

#[test]
fn functions_and_collations_of_another_program() {
    let folder = Folder::new();
    let connection = folder.connect("f.db");
    connection.create_scalar_function("checked", 1, rusqlite::functions::FunctionFlags::SQLITE_DETERMINISTIC, |_| Ok(1)).unwrap();
    connection.create_collation("BACKWARDS", |a, b| b.cmp(a)).unwrap();
    connection
        .execute_batch(
            "CREATE TABLE t(a CHECK (checked(a)), b TEXT COLLATE BACKWARDS);
             INSERT INTO t VALUES (1,'a'),(2,'b'),(3,'c'); CREATE INDEX i ON t(b);
             CREATE TABLE w(k TEXT COLLATE BACKWARDS PRIMARY KEY, x) WITHOUT ROWID; INSERT INTO w VALUES ('a',1),('b',2);",
        )
        .unwrap();
    let backup = folder.backup("f.db").unwrap();
    assert!(backup.description.notes.iter().any(|note| note.contains("REINDEX BACKWARDS")), "{:?}", backup.description.notes);
    assert_eq!(folder.restore(&backup, "copy.db").unwrap(), backup.summary.tables);
    let copy = folder.connect("copy.db");
    copy.create_scalar_function("checked", 1, rusqlite::functions::FunctionFlags::SQLITE_DETERMINISTIC, |_| Ok(1)).unwrap();
    copy.create_collation("BACKWARDS", |a, b| b.cmp(a)).unwrap();
    copy.execute_batch("REINDEX BACKWARDS").unwrap();
    for connection in [&connection, &copy] {
        assert_eq!(connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
        let all: String = connection
            .query_row("SELECT group_concat(b||a) || (SELECT group_concat(k||x) FROM w) FROM (SELECT * FROM t ORDER BY b)", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(all, "c3,b2,a1b2,a1");
    }

    connection.execute_batch("CREATE TABLE s(a, g AS (checked(a)) STORED); INSERT INTO s VALUES (1)").unwrap();
    let backup = folder.backup("f.db").unwrap();
    assert!(backup.description.notes.iter().any(|note| note.contains("\"checked\"")));
    let error = folder.restore(&backup, "never.db").unwrap_err();
    assert_eq!(error.code(), Code::RestoreNeeds);
    assert!(error.to_string().contains("checked"), "{error}");
    assert!(!folder.path("never.db").exists());
}

#[test]
fn values_too_large_for_a_row_lie_out_of_line_once() {
    let folder = Folder::new();
    let connection = folder.connect("big.db");
    connection.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, x)").unwrap();
    let blob: Vec<u8> = (0..20_u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut broken = b"\xff".to_vec();
    broken.resize(17 << 20, b'a');
    connection.execute("INSERT INTO t(x) VALUES (?1), (?1), (CAST(?2 AS TEXT))", params![blob, broken]).unwrap();
    drop(connection);
    let backup = folder.round_trip("big.db", "copy.db");
    let wide: Vec<_> = source::Members::names(&backup.archive).into_iter().filter(|name| name.starts_with("wide/")).collect();
    assert_eq!(wide.len(), 2, "{wide:?}");

    backup.archive.put(&wide[0], "other");
    assert_eq!(folder.restore(&backup, "bad.db").unwrap_err().code(), Code::Damaged);
}

#[test]
fn a_big_table_is_read_by_several_connections() {
    for mode in ["wal", "delete"] {
        let mut folder = Folder::new();
        folder.workers = 4;
        folder.make(
            "big.db",
            &format!(
                "PRAGMA journal_mode={mode}; CREATE TABLE big(id INTEGER PRIMARY KEY, x BLOB);
                 INSERT INTO big SELECT value * 7 - 100000, randomblob(400) FROM generate_series(1, 100000);"
            )
            .replace(
                "generate_series(1, 100000)",
                "(WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value+1 FROM n LIMIT 100000) SELECT value FROM n)",
            ),
        );
        folder
            .make("big.db", "CREATE TABLE heap(a); INSERT INTO heap SELECT id FROM big; CREATE TABLE one(a); INSERT INTO one VALUES (1);");
        let backup = folder.backup("big.db").unwrap();
        assert_eq!(backup.summary.rows(), 200_001);
        assert!(source::table::parts(&backup.archive, "big").len() > 4);
        assert_eq!(folder.restore(&backup, "copy.db").unwrap(), backup.summary.tables);
        assert_same(&folder.path("big.db"), &folder.path("copy.db"));
    }
}

#[test]
fn a_property_that_did_not_come_back_is_named() {
    let folder = Folder::new();
    folder.make("s.db", "CREATE TABLE a(x); INSERT INTO a VALUES (1)");
    let backup = folder.backup("s.db").unwrap();
    let context = Context::default();
    let mut request = folder.request(&backup, "copy.db");
    // SQLite passes over a size that cannot be, without a word.
    request.description.properties["page_size"] = 1000.into();
    let mut staging = folder.source().stage(&request, &context).unwrap();
    load_whole(&mut *staging, &backup.archive, &context).unwrap();
    staging.tables(None, &context).unwrap();
    let compared = staging.compare(&backup.archive, &context).unwrap();
    assert_eq!(compared[1].different, ["The database's page size is 4096, instead of 1000."]);
}

#[test]
fn one_table_alone_with_all_definitions() {
    let folder = Folder::new();
    folder.make(
        "s.db",
        "CREATE TABLE a(x); INSERT INTO a VALUES (1),(2); CREATE TABLE b(x); INSERT INTO b VALUES (3); CREATE INDEX i ON b(x);
         CREATE VIRTUAL TABLE doc USING fts5(body); INSERT INTO doc VALUES('the rook'); CREATE TABLE c(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO c VALUES (5);",
    );
    let backup = folder.backup("s.db").unwrap();
    let context = Context::default();
    let restore = |table: &str, name: &str| {
        let request = source::StageRequest { only_table: Some(table.into()), ..folder.request(&backup, name) };
        let mut staging = folder.source().stage(&request, &context)?;
        load_whole(&mut *staging, &backup.archive, &context)?;
        staging.publish(&context)
    };
    restore("a", "one.db").unwrap();
    let copy = folder.connect("one.db");
    let count = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(
        (count("SELECT count(*) FROM a"), count("SELECT count(*) FROM b"), count("SELECT count(*) FROM doc WHERE doc MATCH 'rook'")),
        (2, 0, 0)
    );
    assert_eq!(count("SELECT count(*) FROM sqlite_schema"), 11);
    copy.execute_batch("INSERT INTO doc VALUES ('works'); PRAGMA integrity_check").unwrap();
    assert_eq!(restore("nope", "two.db").unwrap_err().code(), Code::NotFound);
}
