//! What a sweep takes, and what it leaves alone.

use crate::round::{back_up, source, source_from, staged};
use source::{Context, Source};
use std::{fs, os::unix::fs::PermissionsExt, thread};
use testkit::{PostgresServer, Puppet, eventually};

const LEFT: [&str; 6] = [
    "rookery_staging_0000000000000001",
    "rookery_staging_0000000000000002",
    "rookery_staging_0000000000000003",
    "rookery_staging_0000000000000004",
    "rookery_staging_0000000000000005",
    "rookery_staging_0000000000000006",
];

#[test]
fn a_sweep_leaves_what_it_may_not_take_and_what_it_cannot_judge() {
    let mut server = PostgresServer::start().unwrap();
    LEFT.iter().for_each(|name| server.create_database(name).unwrap());
    let [foreign, closed, invalid, young, old, here] = LEFT;
    let sql = |sql: &str| server.psql("postgres", sql).unwrap();
    sql(&format!("alter database {closed} allow_connections false; update pg_database set datconnlimit = -2 where datname = '{invalid}'"));
    let mark = |name: &str, age: u32, maker: &str| {
        let second = sql(&format!("select date_part('epoch', now())::bigint - {age}"));
        sql(&format!("comment on database {name} is 'Rookery gives this database its name since {second} in {maker}'"));
    };
    mark(young, 60, "another database");
    mark(old, 7200, "another database");
    // Its maker would hold the lock that the sweep takes.
    mark(here, 60, "postgres");
    sql(
        "create role poor login createdb; create role swept; create role used; create role person login; create table t(); alter table t owner to used",
    );
    for role in ["swept", "used", "person"] {
        sql(&format!("comment on role {role} is 'rookery_staging_00000000000000ff'"));
    }
    let sweep = |user: &str| source(&server, user).sweep(&Context::default()).unwrap();
    sweep("poor");
    assert_eq!(staged(&server), LEFT, "databases of somebody else");
    sql(&format!("alter database {foreign} owner to poor"));
    sweep("postgres");
    assert_eq!(staged(&server), [closed, young]);
    assert_eq!(sql("select string_agg(rolname, ' ' order by rolname) from pg_roles where rolname !~ '^pg_'"), "person poor postgres used");

    // As a standby, where nothing can be dropped.
    sql(&format!("comment on database {young} is null"));
    server.stop().unwrap();
    let signal = server.folder().join("data/standby.signal");
    fs::write(&signal, "").unwrap();
    fs::set_permissions(&signal, fs::Permissions::from_mode(0o666)).unwrap();
    server.restart().unwrap();
    source(&server, "postgres").sweep(&Context::default()).unwrap();
    assert_eq!(staged(&server), [closed, young]);
}

#[test]
fn a_database_that_waits_for_its_name_is_not_swept() {
    let server = PostgresServer::start().unwrap();
    server.create_database("a").unwrap();
    server.create_database("elsewhere").unwrap();
    server.psql("a", "create table t(a int); insert into t values (1)").unwrap();
    let archive = back_up(&server, "a");
    let context = Context::default();
    let staging = archive.load(&server, &archive.request("b"), &context).unwrap();
    let name = staged(&server).remove(0);
    // Whoever is in it is in the way of the renaming; the session that was idle since the beginning is lost.
    let mut command = server.client("psql", &name);
    command.args(["-qAtX", "-c", "select 'inside'", "-c", "select pg_sleep(600)"]);
    let mut inside = Puppet::start(command).unwrap();
    inside.wait_for_line("inside").unwrap();
    let lose = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'rookery' and datname = 'postgres'";
    assert_eq!(server.psql("postgres", lose).unwrap(), "1");
    thread::scope(|scope| {
        let published = scope.spawn(|| staging.publish(&context));
        let waiting = format!(
            "select count(*) from pg_stat_activity where query like 'ALTER DATABASE%RENAME%' and state = 'active' and not exists
             (select from pg_stat_activity where datname = '{name}' and application_name = 'rookery')"
        );
        eventually("the renaming waits", || server.psql("postgres", &waiting).unwrap() == "1").unwrap();
        let locks =
            "select count(*) from pg_locks join pg_database d on d.oid = database where locktype = 'advisory' and datname = 'postgres'";
        assert_eq!(server.psql("postgres", locks).unwrap(), "1", "the lock is held again");
        for maintenance in ["elsewhere", "postgres"] {
            source_from(server.port(), "postgres", maintenance).sweep(&context).unwrap();
        }
        server.psql("postgres", &format!("select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'")).unwrap();
        published.join().unwrap().unwrap();
    });
    assert_eq!(staged(&server), [""; 0]);
    assert_eq!(
        server
            .psql("b", "select a, shobj_description((select oid from pg_database where datname = 'b'), 'pg_database') is null from t")
            .unwrap(),
        "1|t"
    );
}
