//! Moments inside of an incremental, and what cannot be had of them.

use crate::chain::{Came, Chain, filled, server};
use domain::Code;
use jiff::{SignedDuration, Timestamp};
use source::changes;

fn now(chain: &Chain<'_>) -> Timestamp {
    let micros = chain.sql("select (extract(epoch from clock_timestamp()) * 1000000)::bigint").parse().unwrap();
    Timestamp::from_microsecond(micros).unwrap()
}

fn changed(chain: &mut Chain<'_>) {
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
}

/// All rows of `t` in a restored database, in one line.
fn rows(chain: &Chain<'_>, until: Option<Timestamp>) -> (String, Vec<String>) {
    let (name, notes) = chain.restore(until).unwrap();
    (chain.server.psql(&name, "select coalesce(string_agg(t::text, ' ' order by t), '') from t").unwrap(), notes)
}

#[test]
fn any_moment_between_two_backups_comes_back() {
    let mut chain = Chain::begin(server(), &filled("create table t(id int primary key, v text); insert into t values (1, 'a')"));
    let start = now(&chain);
    chain.sql("insert into t values (2, 'b')");
    let first = now(&chain);
    chain.sql("update t set v = 'c'; delete from t where id = 1");
    changed(&mut chain);
    let second = now(&chain);
    chain.sql("update t set id = id + 10");
    let third = now(&chain);
    chain.sql("delete from t");
    changed(&mut chain);
    let found = [start, first, second, third].map(|at| rows(&chain, Some(at)).0);
    assert_eq!(found, ["(1,a)", "(1,a) (2,b)", "(2,c)", "(12,c)"]);
    assert_eq!(rows(&chain, None).0, "");
    let end = chain.backups[1].summary.covers.unwrap().to;
    assert_eq!(rows(&chain, Some(end)).0, "(2,c)");
}

#[test]
fn commits_count_in_the_order_of_the_log_and_not_of_their_times() {
    let mut chain = Chain::begin(server(), &filled("create table t(id int primary key)"));
    for id in 1..=3 {
        chain.sql(&format!("insert into t values ({id})"));
    }
    changed(&mut chain);
    // The second says that it was committed before the first, as happens: a time is taken before a place in the log.
    let part = changes::parts(&chain.last().members).remove(0);
    let text = String::from_utf8(chain.last().members.get(&part).unwrap()).unwrap();
    let at = |line: &str| line.split("\"at\":\"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned());
    let times: Vec<_> = text.lines().filter_map(at).collect();
    let second: Timestamp = times[1].parse().unwrap();
    let earlier = times[0].parse::<Timestamp>().unwrap() - SignedDuration::from_millis(5);
    chain.last().members.put(&part, text.replace(&times[1], &earlier.to_string()));
    assert_eq!(rows(&chain, Some(earlier)).0, "", "the first is later than the moment, and ends it");
    assert_eq!(rows(&chain, Some(second)).0, "(1) (2)");
}

#[test]
fn a_moment_before_definitions_changed_is_refused_by_name() {
    let mut chain = Chain::begin(server(), &filled("create table t(id int primary key, v text); insert into t values (1, 'a')"));
    chain.sql("insert into t values (2, 'b')");
    changed(&mut chain);
    chain.sql("insert into t values (3, 'c')");
    let before = now(&chain);
    chain.sql("alter table t add w int default 5; insert into t values (4, 'd', 6)");
    let after = now(&chain);
    changed(&mut chain);
    chain.sql("update t set w = w + 1 where id > 2");
    let later = now(&chain);
    chain.sql("drop table t; create table t(x int); insert into t values (9)");
    changed(&mut chain);
    for at in [before, after, later] {
        let error = chain.restore(Some(at)).unwrap_err();
        let covered = chain.backups.iter().filter_map(|backup| backup.summary.covers).find(|covered| at <= covered.to).unwrap();
        assert_eq!(error.code(), Code::NotFound);
        assert!(error.next_step().contains(&covered.from.to_string()) && error.next_step().contains(&covered.to.to_string()), "{error}");
    }
    let ends: Vec<_> = chain.backups[1..].iter().map(|backup| rows(&chain, Some(backup.summary.covers.unwrap().to)).0).collect();
    assert_eq!(ends, ["(1,a) (2,b)", "(1,a,5) (2,b,5) (3,c,5) (4,d,6)", "(9)"]);
    chain.check();
    // Before anything is loaded: the rows of the full backup would not let themselves be.
    let rows = source::table::parts(&chain.backups[0].members, "public.t").remove(0);
    chain.backups[0].members.replace(&rows, "no rows");
    assert_eq!(chain.restore(Some(before)).unwrap_err().code(), Code::NotFound);
    assert_eq!(chain.restore_first(1, None).unwrap_err().code(), Code::Damaged);
}

#[test]
fn a_table_without_a_key_is_exact_up_to_its_first_update() {
    let mut chain = Chain::begin(server(), &filled("create table t(id int); insert into t values (1)"));
    chain.sql("insert into t values (2)");
    let first = now(&chain);
    chain.sql("insert into t values (3)");
    chain.sql("update t set id = id * 10");
    chain.sql("insert into t values (4)");
    let second = now(&chain);
    changed(&mut chain);
    assert_eq!(rows(&chain, Some(first)), ("(1) (2)".into(), vec![]));
    let (found, notes) = rows(&chain, Some(second));
    assert_eq!(found, "(1) (2) (3)");
    assert!(notes.len() == 1 && notes[0].starts_with("The table public.t stands as it stood before the transaction of "), "{notes:?}");
    assert_eq!(rows(&chain, None), ("(4) (10) (20) (30)".into(), vec![]));
    // Later changes go on from what was read whole.
    chain.sql("insert into t values (5)");
    let third = now(&chain);
    chain.sql("delete from t where id = 10");
    changed(&mut chain);
    assert_eq!(rows(&chain, Some(third)), ("(4) (5) (10) (20) (30)".into(), vec![]));
    chain.check();
}

#[test]
fn what_was_truncated_stands_as_before_and_that_is_said() {
    let mut chain =
        Chain::begin(server(), &filled("create table t(id int primary key); insert into t values (1); create table u(id int primary key)"));
    chain.sql("insert into t values (2); insert into u values (1)");
    changed(&mut chain);
    chain.sql("truncate t; insert into t values (3); insert into u values (2)");
    let at = now(&chain);
    chain.sql("insert into t values (4)");
    changed(&mut chain);
    let (found, notes) = rows(&chain, Some(at));
    assert_eq!(found, "(1) (2)");
    assert!(notes.len() == 1 && notes[0].contains("public.t") && notes[0].contains("truncated"), "{notes:?}");
    assert!(chain.restored(Some(at)).unwrap().2.iter().eq(["public.t"]), "and that nothing is proven of it");
    assert!(chain.restored(None).unwrap().2.is_empty());
    assert_eq!(rows(&chain, None), ("(3) (4)".into(), vec![]));
}

#[test]
fn large_objects_and_sequences_have_no_moments_of_their_own() {
    let mut chain = Chain::begin(server(), &filled("create table t(id int primary key); create sequence s; select lo_from_bytea(5, 'a')"));
    chain.sql("insert into t values (1); select nextval('s')");
    let at = now(&chain);
    chain.sql("select lo_from_bytea(6, 'b'), setval('s', 100); insert into t values (2)");
    changed(&mut chain);
    let (name, notes) = chain.restore(Some(at)).unwrap();
    assert_eq!(
        chain
            .server
            .psql(
                &name,
                "select (select string_agg(oid::text, ' ') from pg_largeobject_metadata), last_value, (select count(*) from t) from s"
            )
            .unwrap(),
        "5|100|1"
    );
    assert!(notes.len() == 1 && notes[0].starts_with("Large objects"), "{notes:?}");
    assert!(chain.restored(Some(at)).unwrap().2.iter().eq(["pg_largeobject"]));
}

#[test]
fn a_transaction_that_cannot_be_told_whole_is_not_told_in_part() {
    let mut chain = Chain::begin(server(), &filled("create table t(id int); insert into t values (1); create table u(id int primary key)"));
    chain.sql("insert into t values (2)");
    let before = now(&chain);
    chain.sql("begin; insert into t values (3); insert into u values (1); update t set id = id * 10 where id = 1; insert into t values (4); insert into u values (2); commit");
    let after = now(&chain);
    chain.sql("insert into t values (5); insert into u values (3)");
    changed(&mut chain);
    assert_eq!(rows(&chain, Some(before)), ("(1) (2)".into(), vec![]));
    let (name, notes, elsewhere) = chain.restored(Some(after)).unwrap();
    let all = "select (select string_agg(id::text, ' ' order by id) from t), (select string_agg(id::text, ' ' order by id) from u)";
    assert_eq!(chain.server.psql(&name, all).unwrap(), "1 2|1 2", "{notes:?}");
    assert!(elsewhere.iter().eq(["public.t"]));
}

/// A snapshot is taken in no time that a clock could tell: the range ends before it, and the next begins after it.
#[test]
fn no_moment_of_a_range_lacks_what_was_committed_by_then() {
    let mut chain = Chain::begin(server(), &filled("create table t(id int primary key)"));
    for id in 0..3 {
        let stood: Timestamp = chain.last().summary.position["at"].as_str().unwrap().parse().unwrap();
        chain.sql(&format!("insert into t values ({id})"));
        let begun = now(&chain);
        changed(&mut chain);
        let covered = chain.last().summary.covers.unwrap();
        let taken: Timestamp = chain.last().summary.position["at"].as_str().unwrap().parse().unwrap();
        assert_eq!(covered.from, stood);
        assert!(begun < covered.to && covered.to < taken, "{begun} {covered:?} {taken}");
    }
}
