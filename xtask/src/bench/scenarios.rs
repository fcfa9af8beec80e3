//! What is measured, as data: scripts for bash, with the words of `prelude.sh` and these variables.
//!
//! `SERVER`: address of the cluster as Rookery takes it (the peers reach the same loopback port by `PGHOST` and `PGPORT`);
//! `OUT`: an empty folder for each run; `KEPT`: a folder for the whole scenario;
//! `NARROW`, `DOCS`, `SMALL`, `DATABASES`, `ITEMS`: amounts after scaling.

use super::scenario::{Apart, Scenario, peer, way};

/// Every scenario, in the order of the report.
pub const SCENARIOS: [Scenario; 15] = [
    FULL,
    SEALED,
    RESTORE,
    INCREMENTAL,
    INCREMENTAL_RECENT,
    COMPARED,
    UNCHANGED,
    CHAIN,
    USERS,
    USERS_HOT,
    USERS_INCREMENTAL,
    MANY,
    SQLITE,
    SQLITE_INCREMENTAL,
    MEMORY,
];

const FULL: Scenario = Scenario {
    name: "full",
    title: "PostgreSQL: full backup of a mixed database",
    note: "One narrow table, one wide table of text and jsonb, 300 small tables. Rookery's time includes signing, and reading the \
           archive back and decoding it, which no other way does. The last way is the limit: the same rows, thrown away by the client.",
    once: "mixed mixed 1",
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
    bytes: None,
};

const SEALED: Scenario = Scenario {
    name: "sealed",
    title: "PostgreSQL: the same, sealed",
    note: "The same backup for the holder of one key, beside the plain one.",
    once: "mixed mixed 1; rookery key generate --out $KEPT/key",
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
    bytes: None,
};

const UNRESTORED: &str = "dropdb --if-exists restored 2>/dev/null; psql -Xqd postgres -c checkpoint";

const RESTORE: Scenario = Scenario {
    name: "restore",
    title: "PostgreSQL: restore of the same database",
    note: "Rookery proves the archive before it loads, then reads every table back and compares it with the archive before the new \
           database gets its name. pg_restore does neither.",
    once: "mixed mixed 1
rookery backup $SERVER --to $KEPT/root --database mixed
pg_dump -Fd -j2 -Z1 -f $KEPT/dump mixed
dropdb mixed",
    after: "dropdb --if-exists restored",
    ways: &[
        way("rookery restore", "rookery restore $KEPT/root --database mixed --into $SERVER --as restored --json").after(UNRESTORED),
        peer(
            "pg_restore -j2",
            1.1,
            "createdb -T template0 restored; pg_restore -j2 -d restored $KEPT/dump",
            "The server takes in the rows and builds the indexes for both, with both cores, and the comparison has it give all rows back once more.",
        )
        .after(UNRESTORED),
    ],
    apart: Some(Apart {
        field: "compare_seconds",
        name: "the comparison",
        aim: 0.8,
        why: "Three quarters of the time are the server's, which does the same work for both; Rookery also hashes the archive first and gathers statistics at the end.",
    }),
    bytes: None,
};

const INCREMENTAL: Scenario = Scenario {
    name: "incremental",
    title: "PostgreSQL: incremental of one row in a hundred",
    note: "Before each incremental, 20 transactions change 1 % of the rows of both large tables, at random: eight of ten updated, one \
           inserted, one deleted. The full backup is of a copy from before the changes, for reading changed pages clears old rows from them, which the server logs as \
           well. The last way is the limit: the server decodes what the first one reads, and the client throws it away.",
    once: FOLLOWED,
    after: "drop_slots; dropdb copy; dropdb mixed",
    ways: &[
        way("--kind incremental", "rookery backup $SERVER --to $KEPT/root --database mixed --kind incremental --json")
            .after("begin_limit mixed; churn mixed; end_limit mixed"),
        peer(
            "--kind full",
            0.05,
            "rookery backup $SERVER --to $OUT --database copy --json",
            "The rows lie on as many pages as there are rows, and the server puts each page into its log whole at its first change after a checkpoint: \
             half a gigabyte to decode for 8 MB of changes, which takes the server as long as the last way does.",
        )
        .after("settle"),
        way("psql COPY > /dev/null", LIMIT),
    ],
    apart: None,
    bytes: Some(0.02),
};

const INCREMENTAL_RECENT: Scenario = Scenario {
    name: "incremental-recent",
    title: "PostgreSQL: incremental of as many recent rows",
    note: "The same where all changes are among the newest tenth of the rows, as in tables that grow.",
    once: FOLLOWED,
    after: "drop_slots; dropdb copy; dropdb mixed",
    ways: &[
        way("--kind incremental", "rookery backup $SERVER --to $KEPT/root --database mixed --kind incremental --json")
            .after("begin_limit mixed; churn mixed recent; end_limit mixed"),
        peer("--kind full", 0.05, "rookery backup $SERVER --to $OUT --database copy --json", DECODED).after("settle"),
        way("psql COPY > /dev/null", LIMIT),
    ],
    apart: None,
    bytes: Some(0.02),
};

const LIMIT: &str = r#"psql -Xqd mixed -c "copy ($(cat $KEPT/limit)) to stdout" >/dev/null"#;

const DECODED: &str = "The server takes half of it to decode its log, as in the last way.";

const FOLLOWED: &str = "mixed mixed 1; begin_chain mixed; createdb -T mixed --strategy=file_copy copy; settle";

const COMPARED: Scenario = Scenario {
    name: "compared",
    title: "PostgreSQL: the same without a change stream",
    note: "What a role without REPLICATION gets: rows are told apart by the transactions that wrote them, and every table is read for it.",
    once: "mixed compared 1; begin_chain compared",
    after: "dropdb compared",
    ways: &[
        way("--kind incremental", "rookery backup $PLAIN --to $KEPT/root --database compared --kind incremental --json")
            .after("churn compared"),
        way("--kind full", "rookery backup $PLAIN --to $OUT --database compared --json").after("settle"),
    ],
    apart: None,
    bytes: Some(0.02),
};

const SLOW: &str =
    "The first look after a backup may read what the files or the log do not exclude; what was found unchanged is noted then.";

const UNCHANGED: Scenario = Scenario {
    name: "unchanged",
    title: "Incremental of an unchanged database",
    note: "The whole command, from its start to its end, on the mixed database and on one of 2.5 million rows in SQLite. The first look \
           after a backup reads what the files or the log do not exclude (the first round); what was found unchanged is noted then.",
    once: "mixed mixed 1; createdb -T mixed compared; begin_chain mixed; begin_chain compared
items; rookery backup sqlite:$KEPT/dbs --to $KEPT/root --kind incremental",
    after: "dropdb compared; drop_slots; dropdb mixed",
    ways: &[
        way("change stream", "rookery backup $SERVER --to $KEPT/root --database mixed --kind incremental --json")
            .within(0.1, SLOW)
            .after("settle"),
        way("comparing rows", "rookery backup $PLAIN --to $KEPT/root --database compared --kind incremental --json").within(0.1, SLOW),
        way("SQLite", "rookery backup sqlite:$KEPT/dbs --to $KEPT/root --kind incremental --json").within(0.1, SLOW),
    ],
    apart: None,
    bytes: None,
};

const CHAIN_WHY: &str = "All changes are read before the rows are loaded, and each row's key is looked up among theirs.";

const CHAIN: Scenario = Scenario {
    name: "chain",
    title: "PostgreSQL: restore through 20 incrementals",
    note: "A full backup and 20 incrementals, each of one row in a hundred as above, beside a full backup of what they lead to.",
    once: "mixed mixed 1; begin_chain mixed
for n in {1..20}; do churn mixed; rookery backup $SERVER --to $KEPT/root --database mixed --kind incremental; done
rookery backup $SERVER --to $KEPT/end --database mixed
drop_slots; dropdb mixed",
    after: "dropdb --if-exists restored",
    ways: &[
        way("full and 20 incrementals", "rookery restore $KEPT/root --database mixed --into $SERVER --as restored --json")
            .after(UNRESTORED),
        peer("full", 1.3, "rookery restore $KEPT/end --database mixed --into $SERVER --as restored --json", CHAIN_WHY).after(UNRESTORED),
    ],
    apart: None,
    bytes: None,
};

const BUSY: &str = "pgbench and the server use both cores alone, and a backup takes a part of them for as long as it lasts.";

const USERS: Scenario = Scenario {
    name: "users",
    title: "PostgreSQL: what users feel of full backups",
    note: "Seconds for the same number of pgbench's transactions (simple-update), by eight clients, while full backups of their database are \
           made one after another without a pause; the last way is without any.",
    once: "bank",
    after: "quiet; dropdb bank",
    ways: &[
        way("during rookery backup", "meanwhile 'rookery backup $SERVER --to $OUT --database bank'").after("quiet"),
        way("during pg_dump -Fd -j2", "meanwhile 'rm -rf $OUT/dump; pg_dump -Fd -j2 -f $OUT/dump bank'").after("quiet"),
        peer("alone", 1.11, "transactions", BUSY).after("quiet"),
    ],
    apart: None,
    bytes: None,
};

const USERS_HOT: Scenario = Scenario {
    name: "users-hot",
    title: "PostgreSQL: what users who change the same rows feel",
    note: "The same with pgbench's other kind of transactions, which all change one of 51 rows, too: the server keeps every version of \
           these for as long as a snapshot is held, and looks through them. The third way does nothing but hold one.",
    once: "bank",
    after: "quiet; dropdb bank",
    ways: &[
        way("during rookery backup", "MIX=tpcb-like meanwhile 'rookery backup $SERVER --to $OUT --database bank'").after("quiet"),
        way("during pg_dump -Fd -j2", "MIX=tpcb-like meanwhile 'rm -rf $OUT/dump; pg_dump -Fd -j2 -f $OUT/dump bank'").after("quiet"),
        way(
            "during a snapshot",
            "MIX=tpcb-like meanwhile 'psql -Xqd bank -c \"begin isolation level repeatable read; select 1; select pg_sleep(30); commit\"'",
        )
        .after("quiet"),
        peer("alone", 1.11, "MIX=tpcb-like transactions", HOT).after("quiet"),
    ],
    apart: None,
    bytes: None,
};

const HOT: &str = "Holding a snapshot is a good part of it: a slower backup would take less of the processors, and hold it longer.";

const USERS_INCREMENTAL: Scenario = Scenario {
    name: "users-incremental",
    title: "PostgreSQL: what users feel of incrementals",
    note: "The same while incrementals are made one after another: without a pause, and every five seconds, which is oftener than any \
           schedule can ask for. Without a pause users are slowed down by more than the aim: what the server does to begin an incremental and \
           to decode its log is not made to rest.",
    once: "bank; begin_chain bank",
    after: "quiet; drop_slots; dropdb bank",
    ways: &[
        way("every 5 s", "meanwhile 'rookery backup $SERVER --to $KEPT/root --database bank --kind incremental; sleep 5'").after("quiet"),
        way("without a pause", "meanwhile 'rookery backup $SERVER --to $KEPT/root --database bank --kind incremental'").after("quiet"),
        peer("alone", 1.11, "transactions", BUSY).after("quiet"),
    ],
    apart: None,
    bytes: None,
};

const MANY: Scenario = Scenario {
    name: "many",
    title: "PostgreSQL: many small databases",
    note: "200 databases with five tables of 200 rows each. Rookery backs up the roles, too.",
    once: r#"createdb pattern
for n in 1 2 3 4 5; do psql -Xqd pattern -c "create table t$n as select i as id, md5(i::text) as name, now() as at from generate_series(1, 200) i"; done
for n in $(seq $DATABASES); do echo "create database many_$n template pattern;"; done | psql -Xqd postgres
dropdb pattern"#,
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
    bytes: None,
};

const SQLITE: Scenario = Scenario {
    name: "sqlite",
    title: "SQLite: full backup",
    note: "One file with one indexed table of numbers, text and small blobs.",
    once: "items",
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
    bytes: None,
};

const SQLITE_INCREMENTAL: Scenario = Scenario {
    name: "sqlite-incremental",
    title: "SQLite: incremental of one row in a hundred",
    note: "Before each incremental, 1 % of the rows change, at random: eight of ten updated, one inserted, one deleted. Whatever changed, \
           the whole database is read and compared.",
    once: "items; rookery backup sqlite:$KEPT/dbs --to $KEPT/root --kind incremental",
    after: "",
    ways: &[
        way("--kind incremental", "rookery backup sqlite:$KEPT/dbs --to $KEPT/root --kind incremental --json").after("churn_items"),
        way("--kind full", "rookery backup sqlite:$KEPT/dbs --to $OUT --json"),
    ],
    apart: None,
    bytes: Some(0.02),
};

const MEMORY: Scenario = Scenario {
    name: "memory",
    title: "Peak memory",
    note: "Rookery alone, on databases like the mixed one. The aim: 64 MiB and 32 MiB more for each run at once, whatever the size.",
    once: "mixed twentieth 20
mixed eighth_1 8
for n in 2 3 4 5 6 7 8; do createdb -T eighth_1 eighth_$n; done
mixed mixed 1",
    after: "for name in twentieth mixed eighth_{1..8}; do dropdb $name; done",
    ways: &[
        way("1 run of a twentieth", "rookery backup $SERVER --to $OUT --database twentieth --jobs 1 --json"),
        way("1 run of the whole", "rookery backup $SERVER --to $OUT --database mixed --jobs 1 --json"),
        way("8 runs of an eighth", "rookery backup $SERVER --to $OUT $(printf -- '--database eighth_%s ' {1..8}) --jobs 8 --json"),
    ],
    apart: None,
    bytes: None,
};
