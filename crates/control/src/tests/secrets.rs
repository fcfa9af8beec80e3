use super::*;
use domain::{Code, Connection};
use testkit::PostgresServer;

/// Everything that the catalog has written so far, the log beside it too.
pub fn catalog_bytes(console: &Console) -> Vec<u8> {
    let files = ["catalog.db", "catalog.db-wal"].map(|file| std::fs::read(console.path(file)).unwrap_or_default());
    files.concat()
}

pub fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A server that lets `backup` in with a password alone.
fn locked_server() -> PostgresServer {
    let server = PostgresServer::builder().hba("host all all 127.0.0.1/32 scram-sha-256").start().unwrap();
    server.psql("postgres", "CREATE ROLE backup LOGIN PASSWORD 'hunter2-is-secret' IN ROLE pg_read_all_data").unwrap();
    server
}

fn form(server: &PostgresServer) -> ServerForm {
    ServerForm {
        name: "shop".into(),
        dbms: "postgresql".into(),
        host: "127.0.0.1".into(),
        port: server.port().to_string(),
        user: "backup".into(),
        password: "hunter2-is-secret".into(),
        ..ServerForm::default()
    }
}

#[tokio::test]
async fn a_password_is_sealed_used_and_never_shown() {
    let (server, (console, ada)) = (locked_server(), Console::with_ada().await);
    let control = &console.control;
    let wrong = ServerForm { password: "wrong".into(), ..form(&server) };
    let error = control.probe_server(&ada, &wrong, None).await.unwrap_err();
    assert_eq!(error.code(), Code::AuthFailed);
    assert!(!field(&error, "password").contains("PGPASS"), "{error:?}");

    let id = control.add_server(&ada, &form(&server)).await.unwrap();
    let view = control.server(&ada, id).await.unwrap();
    let seen = view.line.seen.as_ref().unwrap();
    assert_eq!((view.has_password, seen.error.as_ref(), seen.version.is_some()), (true, None, true));
    let Connection::Postgresql { password, .. } = &view.connection else { panic!("{view:?}") };
    assert!(password.is_none());
    assert!(!serde_json::to_string(&view).unwrap().contains("hunter2"));

    // A form that leaves it empty keeps it, and so does a test of the connection.
    let kept = ServerForm { name: "store".into(), password: String::new(), ..form(&server) };
    assert_eq!(control.probe_server(&ada, &kept, None).await.unwrap_err().code(), Code::AuthFailed);
    control.probe_server(&ada, &kept, Some(id)).await.unwrap();
    control.change_server(&ada, id, view.version, &kept).await.unwrap();
    control.look(&ada, id).await.unwrap();

    let files = catalog_bytes(&console);
    assert!(contains(&files, "store") && !contains(&files, "hunter2"));
}

#[tokio::test]
async fn a_stored_password_goes_to_nobody_but_whom_it_was_stored_for() {
    let (server, (console, ada)) = (locked_server(), Console::with_ada().await);
    let control = &console.control;
    let id = control.add_server(&ada, &form(&server)).await.unwrap();
    let elsewhere = ServerForm { host: "localhost".into(), password: String::new(), ..form(&server) };
    field(&control.probe_server(&ada, &elsewhere, Some(id)).await.unwrap_err(), "password");
    field(&control.change_server(&ada, id, 1, &elsewhere).await.unwrap_err(), "password");
    let somebody_else = ServerForm { user: "postgres".into(), password: String::new(), ..form(&server) };
    field(&control.change_server(&ada, id, 1, &somebody_else).await.unwrap_err(), "password");
}

#[tokio::test]
async fn with_another_key_the_password_is_asked_for_again() {
    let (server, (console, ada)) = (locked_server(), Console::with_ada().await);
    let id = console.control.add_server(&ada, &form(&server)).await.unwrap();
    std::fs::remove_file(console.path("catalog-key")).unwrap();
    let again = console.again().await;
    let error = again.look(&ada, id).await.unwrap_err();
    assert_eq!(
        (error.code(), error.to_string().as_str()),
        (Code::DataDir, "The stored secret of this server cannot be opened with the key in the data directory.")
    );
    again.change_server(&ada, id, 1, &form(&server)).await.unwrap();
    again.look(&ada, id).await.unwrap();
}
