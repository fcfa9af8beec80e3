//! What is measured, as data: scripts for bash, with the words of `prelude.sh` and these variables.
//!
//! `SERVER`: address of the cluster as Rookery takes it (the peers reach the same loopback port by `PGHOST` and `PGPORT`);
//! `OUT`: an empty folder for each run; `KEPT`: a folder for the whole scenario;
//! `NARROW`, `DOCS`, `SMALL`, `DATABASES`, `ITEMS`: amounts after scaling.

/// Ways to do the same work, measured side by side.
pub struct Scenario {
    /// Short name for the command line.
    pub name: &'static str,
    /// Heading in the report.
    pub title: &'static str,
    /// What one should know to read the figures.
    pub note: &'static str,
    /// Runs once before the first round, untimed.
    pub once: &'static str,
    /// Runs before each timed run, untimed.
    pub before: &'static str,
    /// Runs once after the last round, untimed.
    pub after: &'static str,
    /// The ways to do it, ours first.
    pub ways: &'static [Way],
    /// A part of our time that the others do not have.
    pub apart: Option<Apart>,
}

/// One way to do the work.
pub struct Way {
    /// Name in the report.
    pub name: &'static str,
    /// The timed script.
    pub script: &'static str,
    /// What our time divided by this one's is to be at most.
    pub aim: Option<f64>,
    /// Why that is not reached, one sentence: printed only where it is not.
    pub why: &'static str,
}

/// A part of our time that is also shown taken out.
pub struct Apart {
    /// Field of the JSON on our standard output that holds its seconds.
    pub field: &'static str,
    /// Its name in the report.
    pub name: &'static str,
    /// What the rest divided by the last way's time is to be at most.
    pub aim: f64,
    /// Why that is not reached, as in [`Way::why`].
    pub why: &'static str,
}

const fn way(name: &'static str, script: &'static str) -> Way {
    Way { name, script, aim: None, why: "" }
}

const fn peer(name: &'static str, aim: f64, script: &'static str, why: &'static str) -> Way {
    Way { name, script, aim: Some(aim), why }
}

/// Every scenario, in the order of the report.
pub const SCENARIOS: [Scenario; 6] = [FULL, SEALED, RESTORE, MANY, SQLITE, MEMORY];

const FULL: Scenario = Scenario {
    name: "full",
    title: "PostgreSQL: full backup of a mixed database",
    note: "One narrow table, one wide table of text and jsonb, 300 small tables. Rookery's time includes signing, and reading the \
           archive back and decoding it, which no other way does. The last way is the limit: the same rows, thrown away by the client.",
    once: "mixed mixed 1",
    before: "",
    after: "dropdb mixed",
    ways: &[
        way("rookery backup", "rookery backup $SERVER --to $OUT --database mixed --json"),
        peer(
            "pg_dump -Fc",
            0.12,
            "pg_dump -Fc -f $OUT/dump mixed",
            "On two cores the server alone takes longer to give the rows than this allows (the last way), and zstd has to share the cores with it.",
        ),
        way("pg_dump -Fd -j2", "pg_dump -Fd -j2 -f $OUT/dump mixed"),
        way("pg_dump -Fd -j2 -Z1", "pg_dump -Fd -j2 -Z1 -f $OUT/dump mixed"),
        peer(
            "psql COPY, zstd -3",
            1.0,
            r#"each_table "\\copy %1\$I to program 'zstd -q -3 -T0 -o $OUT/%1\$s.zst'" | psql -Xqd mixed"#,
            "Rookery also syncs the archive to the disk, hashes it from there, and decompresses and counts every row again.",
        ),
        peer(
            "psql COPY > /dev/null",
            2.0,
            r#"each_table "copy %I to stdout;" | psql -Xqd mixed >/dev/null"#,
            "Compressing and checking share two cores with the server.",
        ),
    ],
    apart: None,
};

const SEALED: Scenario = Scenario {
    name: "sealed",
    title: "PostgreSQL: the same, sealed",
    note: "The same backup for the holder of one key, beside the plain one.",
    once: "mixed mixed 1; rookery key generate --out $KEPT/key",
    before: "",
    after: "dropdb mixed",
    ways: &[
        way(
            "rookery backup --recipient",
            "rookery backup $SERVER --to $OUT --database mixed --json --recipient \"$(sed -n 's/^# public key: *//p' $KEPT/key)\"",
        ),
        peer(
            "rookery backup",
            1.1,
            "rookery backup $SERVER --to $OUT --database mixed --json",
            "The cipher shares two cores with the server and with zstd.",
        ),
    ],
    apart: None,
};

const RESTORE: Scenario = Scenario {
    name: "restore",
    title: "PostgreSQL: restore of the same database",
    note: "Rookery proves the archive before it loads, then reads every table back and compares it with the archive before the new \
           database gets its name. pg_restore does neither.",
    once: "mixed mixed 1
rookery backup $SERVER --to $KEPT/root --database mixed
pg_dump -Fd -j2 -Z1 -f $KEPT/dump mixed
dropdb mixed",
    before: "dropdb --if-exists restored 2>/dev/null; psql -Xqd postgres -c checkpoint",
    after: "dropdb --if-exists restored",
    ways: &[
        way("rookery restore", "rookery restore $KEPT/root --database mixed --into $SERVER --as restored --json"),
        peer(
            "pg_restore -j2",
            1.1,
            "createdb -T template0 restored; pg_restore -j2 -d restored $KEPT/dump",
            "The server takes in the rows and builds the indexes for both, with both cores, and the comparison has it give all rows back once more.",
        ),
    ],
    apart: Some(Apart {
        field: "compare_seconds",
        name: "the comparison",
        aim: 0.8,
        why: "Three quarters of the time are the server's, which does the same work for both; Rookery also hashes the archive first and gathers statistics at the end.",
    }),
};

const MANY: Scenario = Scenario {
    name: "many",
    title: "PostgreSQL: many small databases",
    note: "200 databases with five tables of 200 rows each. Rookery backs up the roles, too.",
    once: r#"createdb pattern
for n in 1 2 3 4 5; do psql -Xqd pattern -c "create table t$n as select i as id, md5(i::text) as name, now() as at from generate_series(1, 200) i"; done
for n in $(seq $DATABASES); do echo "create database many_$n template pattern;"; done | psql -Xqd postgres
dropdb pattern"#,
    before: "",
    after: r#"for n in $(seq $DATABASES); do echo "drop database many_$n;"; done | psql -Xqd postgres"#,
    ways: &[
        way("rookery backup", "rookery backup $SERVER --to $OUT --exclude 'template*' --exclude postgres --json"),
        peer(
            "loop of pg_dump -Fc",
            0.5,
            "for n in $(seq $DATABASES); do pg_dump -Fc -f $OUT/$n.dump many_$n; done",
            "Each database costs one run of pg_dump for its definitions, and two such runs at once (the last way) already miss it; two of pg_restore and a session of our own come on top.",
        ),
        way("two loops at once", "seq $DATABASES | xargs -P2 -I% pg_dump -Fc -f $OUT/%.dump many_%"),
    ],
    apart: None,
};

const SQLITE: Scenario = Scenario {
    name: "sqlite",
    title: "SQLite: full backup",
    note: "One file with one indexed table of numbers, text and small blobs.",
    once: r#"mkdir $KEPT/dbs
sqlite3 $KEPT/dbs/big.db "create table item(id integer primary key, name text not null, price real, body text, data blob);
with recursive n(i) as (select 1 union all select i + 1 from n where i < $ITEMS)
insert into item select i, 'item ' || i, i / 7.0, hex(randomblob(40)) || ' the rook and the raven share one tree and fly home at night', randomblob(40) from n;
create index item_name on item(name);""#,
    before: "",
    after: "",
    ways: &[
        way("rookery backup", "rookery backup sqlite:$KEPT/dbs --to $OUT --json"),
        peer(
            "sqlite3 .dump, zstd -3",
            0.5,
            "sqlite3 $KEPT/dbs/big.db .dump | zstd -q -3 -T0 -o $OUT/big.sql.zst",
            "zstd takes a third of the work on either side; Rookery copies the pages first, so that writers need not wait, and reads the archive back.",
        ),
    ],
    apart: None,
};

const MEMORY: Scenario = Scenario {
    name: "memory",
    title: "Peak memory",
    note: "Rookery alone, on databases like the mixed one. The aim: 64 MiB and 32 MiB more for each run at once, whatever the size.",
    once: "mixed twentieth 20
mixed eighth_1 8
for n in 2 3 4 5 6 7 8; do createdb -T eighth_1 eighth_$n; done
mixed mixed 1",
    before: "",
    after: "for name in twentieth mixed eighth_{1..8}; do dropdb $name; done",
    ways: &[
        way("1 run of a twentieth", "rookery backup $SERVER --to $OUT --database twentieth --jobs 1 --json"),
        way("1 run of the whole", "rookery backup $SERVER --to $OUT --database mixed --jobs 1 --json"),
        way("8 runs of an eighth", "rookery backup $SERVER --to $OUT $(printf -- '--database eighth_%s ' {1..8}) --jobs 8 --json"),
    ],
    apart: None,
};
