//! The client of PostgreSQL's protocol against a real server.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that fails is to say where")]

mod support;

use domain::{Code, Secret, TlsMode};
use source::{
    Context,
    postgres::wire::{Parameter, Session, Target, quote_literal, sqlstate},
};
use std::{
    io::Read,
    time::{Duration, Instant},
};
use support::postgres::target;
use testkit::PostgresServer;

fn session(database: &str) -> Session {
    support::postgres::session(testkit::shared().unwrap(), database)
}

#[test]
fn rows_come_back_as_text() {
    let mut session = session("postgres");
    assert!(session.server_version() >= 120_000);
    let rows = session.query("select 1, null, 'é'; select true, ''").unwrap();
    assert_eq!((rows[0].parse::<u8>(0).unwrap(), rows[0].get(1), rows[0].text(2).unwrap()), (1, None, "é"));
    assert!(rows[1].is_true(0) && rows[1].get(1) == Some(""));
    let rows = session.query(&format!("select {}", quote_literal("it's \\ here"))).unwrap();
    assert_eq!(rows[0].get(0), Some("it's \\ here"));
}

#[test]
fn an_error_keeps_its_state_and_the_session() {
    let mut session = session("postgres");
    let error = session.execute("select 1; select * from nowhere").unwrap_err();
    assert_eq!((error.code(), sqlstate(&error)), (Code::ServerError, Some("42P01")));
    assert!(error.to_string().contains("\"nowhere\"") && error.to_string().contains("127.0.0.1:"), "{error}");
    let error = session.copy_out("copy nowhere to stdout", |_| Ok(())).unwrap_err();
    assert_eq!(sqlstate(&error), Some("42P01"));
    assert!(session.execute("copy (select 1) to stdout").is_ok());
    assert_eq!(session.query("select 7").unwrap()[0].get(0), Some("7"));
}

#[test]
fn copy_goes_both_ways_and_an_unfinished_one_is_undone() {
    let server = testkit::shared().unwrap();
    let mut session = session(&server.fresh_database().unwrap());
    session.execute("create table t(a int, b text)").unwrap();
    let mut copy = session.copy_in("copy t from stdin").unwrap();
    let wide = vec![b'x'; 300_000];
    for row in 0..1000 {
        copy.write(format!("{row}\t").as_bytes()).unwrap();
        copy.write(if row == 500 { &wide } else { b"y" }).unwrap();
        copy.write(b"\n").unwrap();
    }
    assert_eq!(copy.finish().unwrap(), 1000);
    let mut copy = session.copy_in("copy t from stdin").unwrap();
    copy.write(b"1\tgone\n").unwrap();
    drop(copy);
    let mut copy = session.copy_in("copy t from stdin").unwrap();
    copy.write(b"not a number\tz\n").unwrap();
    assert_eq!(sqlstate(&copy.finish().unwrap_err()), Some("22P02"));
    let (mut rows, mut bytes) = (0, 0);
    session
        .copy_out("copy t to stdout", |row| {
            (rows, bytes) = (rows + 1, bytes + row.len());
            Ok(())
        })
        .unwrap();
    assert_eq!((rows, bytes), (1000, 2890 + 2000 + 999 + 300_000));
}

#[test]
fn what_was_asked_ahead_is_taken_later_or_called_off() {
    let (mut asking, mut watching) = (session("postgres"), session("postgres"));
    asking.ask("copy (select 1) to stdout").unwrap();
    assert_eq!(asking.query("select 2").unwrap_err().code(), Code::Internal);
    let mut rows = vec![];
    let taken = asking.copied(|row| {
        rows.extend_from_slice(row);
        Ok(())
    });
    taken.unwrap();
    assert_eq!(rows, b"1\n");
    assert_eq!(asking.copied(|_| Ok(())).unwrap_err().code(), Code::Internal);
    // An error is told when the answer is taken.
    asking.ask("copy nowhere to stdout").unwrap();
    assert_eq!(sqlstate(&asking.copied(|_| Ok(())).unwrap_err()), Some("42P01"));
    asking.ask("copy (select 'called off', pg_sleep(600)) to stdout").unwrap();
    let running = "select 1 from pg_stat_activity where state = 'active' and wait_event = 'PgSleep' and query like '%''called off''%'";
    while watching.query(running).unwrap().is_empty() {}
    drop(asking);
    assert!(watching.query(running).unwrap().is_empty());
}

#[test]
fn large_parameters_are_streamed() {
    let server = testkit::shared().unwrap();
    let mut session = session(&server.fresh_database().unwrap());
    session.execute("create table t(a bytea, b text, c jsonb, d int)").unwrap();
    let size_bytes = 20_000_000;
    let (mut bytes, mut text) = (std::io::repeat(7).take(size_bytes), std::io::repeat(b'x').take(1 << 20));
    session
        .execute_with(
            "insert into t values ($1, $2, $3, $4)",
            &mut [
                Parameter::Binary { size_bytes, reader: &mut bytes },
                Parameter::Binary { size_bytes: 1 << 20, reader: &mut text },
                Parameter::Text(b"{\"a\":1}"),
                Parameter::Null,
            ],
        )
        .unwrap();
    let row = session.query("select octet_length(a), get_byte(a, 19999999), length(b), c->>'a', d from t").unwrap().remove(0);
    assert_eq!((row.text(0).unwrap(), row.text(1).unwrap(), row.text(2).unwrap()), ("20000000", "7", "1048576"));
    assert_eq!((row.get(3), row.get(4)), (Some("1"), None));
    let error = session.execute_with("insert into t(d) values ($1)", &mut [Parameter::Text(b"x")]).unwrap_err();
    assert_eq!(sqlstate(&error), Some("22P02"));
    assert_eq!(session.query("select count(*) from t").unwrap()[0].get(0), Some("1"));
}

#[test]
fn the_wish_to_stop_ends_a_statement_at_the_server() {
    let context = Context::default();
    let target = target(testkit::shared().unwrap());
    let mut session = Session::connect(&target, "postgres", &context).unwrap();
    let pid: u32 = session.query("select pg_backend_pid()").unwrap()[0].parse(0).unwrap();
    let cancel = context.cancel.clone();
    let mut other = Session::connect(&target, "postgres", &Context::default()).unwrap();
    let error = std::thread::scope(|scope| {
        let waiting = scope.spawn(move || session.execute("select pg_sleep(600)").unwrap_err());
        let state = format!("select 1 from pg_stat_activity where pid = {pid} and wait_event = 'PgSleep'");
        while other.query(&state).unwrap().is_empty() {}
        cancel.cancel();
        waiting.join().unwrap()
    });
    assert_eq!(error.code(), Code::Cancelled);
    while !other.query(&format!("select 1 from pg_stat_activity where pid = {pid}")).unwrap().is_empty() {}
}

#[test]
fn a_session_that_is_ended_says_so() {
    let (mut victim, mut other) = (session("postgres"), session("postgres"));
    let pid = victim.query("select pg_backend_pid()").unwrap()[0].text(0).unwrap().to_owned();
    other.execute(&format!("select pg_terminate_backend({pid}, 10000)")).unwrap();
    let error = victim.query("select 1").unwrap_err();
    assert_eq!(error.code(), Code::ConnectionLost, "{error:?}");
    assert_eq!(sqlstate(&error), Some("57P01"));
}

#[test]
fn what_keeps_us_out_is_named() {
    let shared = testkit::shared().unwrap();
    let connect = |target: &Target, database: &str| Session::connect(target, database, &Context::default()).map(drop).unwrap_err();
    assert_eq!(connect(&target(shared), "no such").code(), Code::DatabaseGone);
    assert_eq!(connect(&Target { user: "nobody here".into(), ..target(shared) }, "postgres").code(), Code::AuthFailed);
    assert_eq!(connect(&Target { tls: TlsMode::Require, ..target(shared) }, "postgres").code(), Code::Tls);
    let closed = testkit::closed_port().unwrap();
    let port = closed.port();
    let error = connect(&Target { port, ..target(shared) }, "postgres");
    assert_eq!(error.code(), Code::Unreachable);
    assert!(error.to_string().contains(&port.to_string()), "{error}");
    assert_eq!(connect(&Target { host: "/nowhere".into(), ..target(shared) }, "postgres").code(), Code::Unreachable);
    assert_eq!(connect(&Target { host: "host.invalid".into(), ..target(shared) }, "postgres").code(), Code::Unreachable);
}

/// A server where passwords are asked for: over TLS by three methods, in clear text without.
fn guarded(folder: &std::path::Path) -> PostgresServer {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&key).unwrap();
    let (pem, key_pem) = (folder.join("server.pem"), folder.join("server.key"));
    std::fs::write(&pem, certificate.pem()).unwrap();
    std::fs::write(&key_pem, key.serialize_pem()).unwrap();
    let stranger = rcgen::KeyPair::generate().unwrap();
    let other = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap().self_signed(&stranger).unwrap();
    std::fs::write(folder.join("other.pem"), other.pem()).unwrap();
    let server = PostgresServer::builder()
        .tls(&pem, &key_pem)
        .hba("hostssl all scram 127.0.0.1/32 scram-sha-256")
        .hba("hostssl all md5 127.0.0.1/32 md5")
        .hba("hostssl all clear 127.0.0.1/32 password")
        .hba("hostnossl all plain 127.0.0.1/32 password")
        .hba("hostnossl all scram 127.0.0.1/32 reject")
        .start()
        .unwrap();
    let roles = "create role scram login password 'geheim€'; create role clear login password 'geheim€'; create role plain login password 'geheim€';
        set password_encryption = md5; create role md5 login password 'geheim€';";
    server.psql("postgres", roles).unwrap();
    server
}

#[test]
fn passwords_and_certificates_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    let server = guarded(folder.path());
    let with = |user: &str, password: Option<&str>, tls: TlsMode, host: &str, root: Option<&str>| {
        let target = Target {
            host: host.into(),
            user: user.into(),
            password: password.map(|password| Secret::new(password.to_owned())),
            tls,
            root_certificate: root.map(|name| folder.path().join(name)),
            ..target(&server)
        };
        let session = Session::connect(&target, "postgres", &Context::default());
        session.and_then(|mut session| Ok(session.query("select ssl from pg_stat_ssl where pid = pg_backend_pid()")?[0].is_true(0)))
    };
    let right = Some("geheim€");
    for user in ["scram", "md5", "clear"] {
        for tls in [TlsMode::Prefer, TlsMode::Require] {
            assert!(with(user, right, tls, "127.0.0.1", None).unwrap(), "{user}");
            let error = with(user, Some("wrong"), tls, "127.0.0.1", None).unwrap_err();
            assert_eq!(error.code(), Code::AuthFailed);
            assert!(!format!("{error:?}").contains("wrong"));
            let error = with(user, None, tls, "127.0.0.1", None).unwrap_err();
            assert!(error.code() == Code::AuthFailed && error.next_step().contains("PGPASSWORD"));
        }
    }
    assert!(with("scram", right, TlsMode::VerifyFull, "localhost", Some("server.pem")).unwrap());
    assert!(with("scram", right, TlsMode::VerifyCa, "127.0.0.1", Some("server.pem")).unwrap());
    assert_eq!(with("scram", right, TlsMode::VerifyFull, "127.0.0.1", Some("server.pem")).unwrap_err().code(), Code::Tls);
    assert_eq!(with("scram", right, TlsMode::VerifyCa, "localhost", Some("other.pem")).unwrap_err().code(), Code::Tls);
    assert_eq!(with("scram", right, TlsMode::Require, "localhost", Some("other.pem")).unwrap_err().code(), Code::Tls);
    assert_eq!(with("scram", right, TlsMode::VerifyFull, "localhost", None).unwrap_err().code(), Code::Tls);
    assert_eq!(with("scram", right, TlsMode::VerifyFull, "localhost", Some("missing.pem")).unwrap_err().code(), Code::Tls);
    let error = with("scram", right, TlsMode::Disable, "127.0.0.1", None).unwrap_err();
    assert!(error.code() == Code::AuthFailed && error.next_step().contains("pg_hba.conf"), "{error:?}");
    let error = with("plain", right, TlsMode::Disable, "127.0.0.1", None).unwrap_err();
    assert!(error.code() == Code::AuthFailed && error.to_string().contains("clear text"), "{error:?}");
    // Preferring TLS falls back where the server lets the role in without it only; the password still stays here.
    assert_eq!(with("plain", right, TlsMode::Prefer, "127.0.0.1", None).unwrap_err().code(), Code::AuthFailed);
    let local = Target { host: server.folder().display().to_string(), ..target(&server) };
    assert!(Session::connect(&local, "postgres", &Context::default()).is_ok());
}

#[test]
fn an_answer_can_be_taken_in_pieces_and_given_up() {
    let mut session = session("postgres");
    assert_eq!(session.next_copied().unwrap_err().code(), Code::Internal);
    session.ask("copy (select generate_series(1, 3)) to stdout").unwrap();
    assert_eq!(session.next_copied().unwrap(), Some(&b"1\n"[..]));
    assert_eq!(session.query("select 1").unwrap_err().code(), Code::Internal, "the rest comes first");
    let mut rest = vec![];
    let take = |row: &[u8]| {
        rest.extend_from_slice(row);
        Ok(())
    };
    session.copied(take).unwrap();
    assert_eq!(rest, b"2\n3\n");
    session.ask("copy (select 1 / (3 - n) from generate_series(1, 3) n) to stdout").unwrap();
    let mut rows = 0;
    let error = loop {
        match session.next_copied() {
            Ok(row) => rows += usize::from(row.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!((rows, sqlstate(&error)), (2, Some("22012")));
    let process = session.query("select pg_backend_pid()").unwrap()[0].text(0).unwrap().to_owned();
    // The server falls silent once its first row is out, and would not notice that nobody listens.
    session
        .ask("copy (select case when n < 3 then repeat('x', 100000) else pg_sleep(3600)::text end from generate_series(1, 3) n) to stdout")
        .unwrap();
    assert!(session.next_copied().unwrap().is_some());
    drop(session);
    let (server, begun) = (testkit::shared().unwrap(), Instant::now());
    while server.psql("postgres", &format!("select count(*) from pg_stat_activity where pid = {process}")).unwrap() != "0" {
        assert!(begun.elapsed() < Duration::from_secs(60), "it still sleeps");
    }
}
