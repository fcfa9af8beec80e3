//! Commits that are in the log and that nobody sees: they wait for a standby that is not there.

use crate::{
    chain::{Came, Chain, following_server},
    support::postgres,
};
use domain::Code;
use source::postgres::{Postgres, wire::Session};
use testkit::{PostgresServer, eventually};

fn server() -> PostgresServer {
    let server = following_server().start().unwrap();
    server.create_database("d").unwrap();
    server.psql("d", "create table t(id int primary key); create table bare(a int); insert into bare values (1)").unwrap();
    server
}

/// From now on each commit waits that does not say that it will not.
fn wait_for_nobody(server: &PostgresServer) {
    server.psql("postgres", "alter system set synchronous_standby_names = 'nobody'; select pg_reload_conf()").unwrap();
    eventually("the server waits", || server.psql("postgres", "show synchronous_standby_names").unwrap() == "nobody").unwrap();
}

/// Commits wait no more.
fn let_go(server: &PostgresServer) {
    server.psql("postgres", "alter system reset synchronous_standby_names; select pg_reload_conf()").unwrap();
}

fn until_a_commit_waits(server: &PostgresServer) {
    let waits = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'";
    eventually("the commit waits", || server.psql("postgres", waits).unwrap() == "1").unwrap();
}

/// Waits until the slot that is being made waits for a transaction of this session; or until nobody waits any more who makes one.
fn until_a_slot_waits(server: &PostgresServer, pid: &str, is_over: impl Fn() -> bool) {
    let waits = format!("select count(*) from pg_stat_activity where '{pid}' = any(pg_blocking_pids(pid))");
    eventually("the slot waits", || is_over() || server.psql("postgres", &waits).unwrap() == "1").unwrap();
}

/// Begins a transaction that writes a row, and tells whose it is.
fn begin(session: &mut Session, id: u32) -> String {
    session.execute(&format!("set synchronous_commit = local; begin; insert into t values ({id})")).unwrap();
    session.query("select pg_backend_pid()").unwrap()[0].text(0).unwrap().to_owned()
}

#[test]
fn what_is_committed_but_not_yet_visible_comes_with_the_next() {
    let server = server();
    let mut chain = Chain::begin(&server, "d");
    wait_for_nobody(&server);
    let mut stuck = postgres::session(&server, "d");
    std::thread::scope(|scope| {
        scope.spawn(|| stuck.execute("set synchronous_commit = on; insert into t values (1)").unwrap());
        // The scope waits for it, whatever happens here.
        let work = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until_a_commit_waits(&server);
            chain.sql("set synchronous_commit = local; insert into t values (2)");
            assert_eq!(chain.incremental().unwrap(), Came::Changes);
            assert_eq!(chain.last().summary.changes.unwrap().inserts, 1);
            chain.sql("set synchronous_commit = local; insert into t values (3)");
            assert_eq!(chain.incremental().unwrap(), Came::Changes);
        }));
        let_go(&server);
        work.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
    assert_eq!(chain.incremental().unwrap(), Came::Changes);
    assert_eq!(chain.last().summary.changes.unwrap().inserts, 1);
    chain.check();
}

fn busy(chain: &mut Chain<'_>) {
    let error = chain.incremental().unwrap_err();
    assert_eq!(error.code(), Code::Busy, "{error}");
    assert!(error.to_string().contains("synchronous standby"), "{error}");
}

/// A slot begins once all have ended that wrote before, and those that wrote before that: a commit in between that is stuck is
/// before the slot's stream and in its snapshot, while every other snapshot shows it as under way.
#[test]
fn what_a_new_slot_sees_before_anybody_else_is_not_lost() {
    let server = server();
    let mut chain = Chain::none(&server, "d", Postgres::new(&postgres::connection(&server, "postgres"), 2).unwrap());
    wait_for_nobody(&server);
    let [mut first, mut second, mut stuck] = [0; 3].map(|_| postgres::session(&server, "d"));
    let first_pid = begin(&mut first, 1);
    std::thread::scope(|scope| {
        let work = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let made = scope.spawn(|| {
                chain.full().unwrap();
                chain
            });
            until_a_slot_waits(&server, &first_pid, || made.is_finished());
            let second_pid = begin(&mut second, 2);
            first.execute("commit").unwrap();
            until_a_slot_waits(&server, &second_pid, || made.is_finished());
            scope.spawn(move || {
                stuck.execute("set synchronous_commit = on; insert into t values (3); insert into bare values (3)").unwrap()
            });
            until_a_commit_waits(&server);
            second.execute("commit").unwrap();
            let mut chain = made.join().unwrap();
            // The full backup has it, although nobody else sees it yet.
            assert_eq!(chain.last().members.rows("public.t"), ["[1]", "[2]", "[3]"]);
            busy(&mut chain);
            // It would be read whole, for it has no key: without the row that is not to be seen yet, and that no stream tells.
            chain.sql("set synchronous_commit = local; update bare set a = 2 where a = 1");
            busy(&mut chain);
            chain
        }));
        let_go(&server);
        let mut chain = work.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        eventually("it is seen", || chain.sql("select count(*) from bare") == "2").unwrap();
        assert_eq!(chain.incremental().unwrap(), Came::Changes);
        chain.check();
        assert_eq!(chain.last().members.rows("public.bare").len(), 2);
    });
}

/// The same for the slot that a chain is to go on with: the commit is before its stream, and this backup does not see it yet.
#[test]
fn what_a_slot_to_go_on_with_does_not_tell_comes_from_the_one_before() {
    let server = server();
    let mut chain = Chain::begin(&server, "d");
    wait_for_nobody(&server);
    let [mut first, mut second, mut stuck] = [0; 3].map(|_| postgres::session(&server, "d"));
    chain.sql("set synchronous_commit = local; insert into t values (0)");
    let first_pid = begin(&mut first, 1);
    std::thread::scope(|scope| {
        let work = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let made = scope.spawn(|| {
                assert_eq!(chain.incremental().unwrap(), Came::Changes);
                chain
            });
            // Should it have waited long enough before all of this is done, it has gone on without, which is right, too.
            until_a_slot_waits(&server, &first_pid, || made.is_finished());
            let second_pid = begin(&mut second, 2);
            first.execute("commit").unwrap();
            until_a_slot_waits(&server, &second_pid, || made.is_finished());
            scope.spawn(move || {
                stuck.execute("set synchronous_commit = on; insert into t values (3); insert into bare values (3)").unwrap()
            });
            until_a_commit_waits(&server);
            second.execute("commit").unwrap();
            made.join().unwrap()
        }));
        let_go(&server);
        let mut chain = work.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        eventually("it is seen", || chain.sql("select count(*) from bare") == "2").unwrap();
        assert_eq!(chain.incremental().unwrap(), Came::Changes);
        chain.check();
    });
}
