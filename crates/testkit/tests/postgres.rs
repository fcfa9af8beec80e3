//! The private cluster: it starts, talks, comes back, and leaves nothing behind.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::Result;
use testkit::{PostgresServer, eventually, shared};

fn answers(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn survives_a_restart_and_leaves_nothing_when_dropped() -> Result<()> {
    let mut server = PostgresServer::builder().conf("max_connections = 37").start()?;
    let (port, folder) = (server.port(), server.folder().to_owned());
    assert_eq!(server.address(), format!("postgres://postgres@127.0.0.1:{port}"));
    assert_eq!(server.psql("postgres", "show max_connections")?, "37");
    server.psql("postgres", "create table kept(a int, b text); insert into kept values (1, 'x'), (2, null)")?;
    server.stop()?;
    assert!(!answers(port) && server.pid().is_none() && server.psql("postgres", "select 1").is_err());
    server.restart()?;
    assert_eq!(server.port(), port);
    assert_eq!(server.psql("postgres", "select * from kept order by a")?, "1|x\n2|");
    drop(server);
    assert!(!answers(port) && !folder.exists());
    Ok(())
}

#[test]
fn hostile_database_names_are_only_names() -> Result<()> {
    let server = shared()?;
    for name in ["host=evil port=1 dbname=x", "--file=x", "we\"ird", "o'brien", "a/b", "..", "naïve🐦"] {
        server.create_database(name)?;
        assert_eq!(server.psql(name, "select current_database()")?, name);
        server.psql(name, "create table only_here(a int)")?;
        assert!(server.dump(name)?.contains("CREATE TABLE public.only_here ("), "{name}");
    }
    Ok(())
}

#[test]
fn dumps_of_equal_databases_are_equal_and_of_different_ones_not() -> Result<()> {
    let server = shared()?;
    let (one, two) = (server.fresh_database()?, server.fresh_database()?);
    assert_ne!(one, two);
    let filled = "create table t(a int); insert into t values (1), (2); select lo_from_bytea(4711, 'x')";
    server.psql(&one, filled)?;
    server.psql(&two, filled)?;
    assert_ne!(server.dump(&one)?, "");
    assert_eq!(server.dump(&one)?, server.dump(&two)?);
    server.psql(&two, "update t set a = 3 where a = 2")?;
    assert_ne!(server.dump(&one)?, server.dump(&two)?);
    Ok(())
}

#[test]
fn a_failing_statement_is_an_error_with_the_servers_message() -> Result<()> {
    let error = shared()?.psql("postgres", "select 1; select nonsense; select 2").unwrap_err();
    assert!(error.to_string().contains("column \"nonsense\" does not exist"), "{error}");
    Ok(())
}

#[test]
fn own_lines_decide_who_comes_over_tcp() -> Result<()> {
    let server = PostgresServer::builder().hba("host all all 127.0.0.1/32 scram-sha-256").encoding("LATIN1").locale("C").start()?;
    server.psql("postgres", "create role visitor login password 'right'")?;
    assert_eq!(server.psql("postgres", "show server_encoding")?, "LATIN1");
    let visit = |password: &str| {
        let mut command = server.client("psql", "postgres");
        command.args(["-X", "-A", "-t", "-c", "select 1"]).envs([("PGHOST", "127.0.0.1"), ("PGUSER", "visitor"), ("PGPASSWORD", password)]);
        command.output().map(|out| out.status.success())
    };
    assert!(visit("right")? && !visit("wrong")?);
    Ok(())
}

#[test]
fn a_broken_setting_is_reported_with_the_servers_log() {
    let error = PostgresServer::builder().conf("no_such_setting = 1").start().unwrap_err();
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}

/// Not a test of its own: the next one runs it in a process that it kills.
#[test]
fn start_and_wait_to_be_killed() -> Result<()> {
    let Some(report) = std::env::var_os("TESTKIT_REPORT_TO") else { return Ok(()) };
    let server = shared()?;
    let written = Path::new(&report).with_extension("part");
    std::fs::write(&written, format!("{} {}", server.port(), server.folder().display()))?;
    std::fs::rename(written, report)?;
    loop {
        std::thread::park();
    }
}

#[test]
fn a_killed_test_leaves_no_server_and_no_folder() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let report = folder.path().join("report");
    let mut victim = Command::new(std::env::current_exe()?)
        .args(["--exact", "start_and_wait_to_be_killed"])
        .env("TESTKIT_REPORT_TO", &report)
        .stdout(Stdio::null())
        .spawn()?;
    eventually("the victim starts its server", || report.exists())?;
    let said = std::fs::read_to_string(&report)?;
    let (port, server_folder) = said.split_once(' ').unwrap_or_default();
    let port = port.parse()?;
    assert!(answers(port));
    victim.kill()?;
    victim.wait()?;
    eventually("the server of a killed test ends", || !answers(port))?;
    eventually("its folder is removed", || !Path::new(server_folder).exists())?;
    Ok(())
}
