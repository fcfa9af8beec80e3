//! A console of its own over real folders, as its pages use it.
#![allow(dead_code, clippy::unwrap_used, clippy::panic, reason = "helpers of tests, of which each test binary uses its part")]

use catalog::{AuditRecord, Catalog};
use control::{Actor, Administer, Caller, Control, Options, Permit, Safe};
use domain::{
    BackupKind, Code, DestinationForm, DestinationId, KeyForm, KeyId, Result, RoundId, RoundState, RunId, RunState, ServerForm, ServerId,
    TaskForm, TaskId, UserForm,
    view::{
        key::SealedView,
        run::{RoundView, RunLine, RunView},
    },
};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use repository::{Instance, Trust};
use rusqlite::Connection;
use seal::{Envelope, PrivateKey};
use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use testkit::PostgresServer;

/// Bounds a test that fails; nothing waits for it otherwise.
const LIMIT: Duration = Duration::from_secs(60);

/// Folders that outlive the consoles that work in them.
pub struct World {
    pub folder: TempDir,
    instance: Arc<Instance>,
}

/// A console with its administrator.
pub struct Console {
    pub control: Control,
    pub actor: Actor,
    pub permit: Permit<Administer>,
}

impl World {
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("rookery-control-").tempdir().unwrap();
        for name in ["data", "dbs", "root"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self { folder, instance: Arc::new(Instance::generate().unwrap()) }
    }

    /// What this world's consoles sign with.
    pub fn fingerprint(&self) -> String {
        self.instance.fingerprint().to_string()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file of a database.
    pub fn db(&self, name: &str) -> PathBuf {
        self.path("dbs").join(name)
    }

    /// Makes a SQLite database with some rows.
    pub fn make(&self, name: &str) {
        let path = self.db(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let connection = Connection::open(path).unwrap();
        connection.execute_batch("CREATE TABLE t (id INTEGER PRIMARY KEY, x TEXT); INSERT INTO t (x) VALUES ('a'), ('b'), ('c');").unwrap();
    }

    /// Adds a row to a database.
    pub fn insert(&self, name: &str) {
        Connection::open(self.db(name)).unwrap().execute_batch("INSERT INTO t (x) VALUES ('new')").unwrap();
    }

    /// A file that says that it is a database and is none.
    pub fn make_broken(&self, name: &str) {
        self.make(name);
        let mut bytes = fs::read(self.db(name)).unwrap();
        bytes[100..].fill(0xEE);
        fs::write(self.db(name), bytes).unwrap();
    }

    /// Keeps everybody else from a database until it is dropped: a backup of it waits.
    pub fn hold(&self, name: &str) -> Connection {
        let connection = Connection::open(self.db(name)).unwrap();
        connection.execute_batch("BEGIN EXCLUSIVE").unwrap();
        connection
    }

    pub async fn catalog(&self) -> Catalog {
        Catalog::open(&format!("sqlite:{}", self.path("data/catalog").display())).await.unwrap()
    }

    /// A console that does nothing by itself yet.
    pub async fn open(&self) -> Console {
        let own = self.instance.fingerprint();
        let control = Control::open(Options {
            catalog: self.catalog().await,
            safe: Safe::new(&[7; 32]),
            instance: Arc::clone(&self.instance),
            trust: Trust::new([self.instance.fingerprint()]),
            accept: Box::new(move |fingerprint| Ok(Trust::new([own, fingerprint]))),
            data_dir: self.path("data"),
            version: "0.0.0-test",
            sample: None,
            sample_root: None,
        })
        .await
        .unwrap();
        let caller = Caller { address: "192.0.2.1".into(), agent: "test".into() };
        let signed_in = match control.setup_token() {
            Some(token) => {
                let form = UserForm { name: "ana".into(), role: "administrator".into(), password: "correct horse".into() };
                control.set_up(token.expose(), &form, &caller).await.unwrap()
            }
            None => control.sign_in("ana", "correct horse", &caller).await.unwrap(),
        };
        let actor = control.actor(signed_in.token.expose()).await.unwrap().unwrap();
        let permit = actor.permit().unwrap();
        Console { control, actor, permit }
    }

    /// A console at work.
    pub async fn start(&self) -> Console {
        let console = self.open().await;
        console.control.start().await.unwrap();
        console
    }

    /// A console at work as soon as the one before it is gone.
    pub async fn start_when_free(&self) -> Console {
        let began = Instant::now();
        let console = self.open().await;
        while let Err(error) = console.control.start().await {
            assert!(error.code() == Code::Busy && began.elapsed() < LIMIT, "{error:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        console
    }

    /// A server over the folder of databases, doing `jobs` runs at once, with a destination and a task that is not due while a test runs.
    pub async fn task(&self, console: &Console, jobs: &str) -> (ServerId, DestinationId, TaskId) {
        let server = console.add_folder("apps", self, jobs).await;
        let form = DestinationForm { name: "vault".into(), root: self.path("root").display().to_string(), note: String::new() };
        let destination = console.control.add_destination(&console.permit, &form).await.unwrap();
        let task = console.add_task("nightly", server, destination, "").await;
        (server, destination, task)
    }
}

impl Console {
    pub async fn add_folder(&self, name: &str, world: &World, jobs: &str) -> ServerId {
        let form = ServerForm {
            name: name.into(),
            dbms: "sqlite".into(),
            folder: world.path("dbs").display().to_string(),
            jobs: jobs.into(),
            ..Default::default()
        };
        self.control.add_server(&self.permit, &form).await.unwrap()
    }

    /// Adds a PostgreSQL server of a test, with a limit for the log that it keeps.
    pub async fn add_postgres(&self, name: &str, postgres: &PostgresServer, most_held: &str) -> (ServerId, ServerForm) {
        let form = ServerForm {
            name: name.into(),
            dbms: "postgresql".into(),
            host: "127.0.0.1".into(),
            port: postgres.port().to_string(),
            user: "postgres".into(),
            tls: "disable".into(),
            most_held: most_held.into(),
            ..Default::default()
        };
        (self.control.add_server(&self.permit, &form).await.unwrap(), form)
    }

    pub async fn add_task(&self, name: &str, server: ServerId, destination: DestinationId, excluded: &str) -> TaskId {
        let form = TaskForm {
            name: name.into(),
            servers: server.to_string(),
            full: far_off(),
            incremental: String::new(),
            destination: destination.to_string(),
            excluded: excluded.into(),
            encryption: "none".into(),
            ..Default::default()
        };
        self.control.add_task(&self.permit, &form).await.unwrap()
    }

    /// Adds a key, as the browser does that made it.
    pub async fn add_key(&self, name: &str, key: &PrivateKey) -> KeyId {
        let public = key.public().unwrap();
        let form = KeyForm {
            name: name.into(),
            public_key: public.to_string(),
            typed_fingerprint: public.fingerprint().to_string(),
            understood: "on".into(),
            ..KeyForm::default()
        };
        self.control.add_key(&self.permit, &form).await.unwrap()
    }

    /// Lets a task seal for keys.
    pub async fn seal_for(&self, task: TaskId, keys: &[KeyId]) {
        let (mut form, version) = self.control.task_form(&self.permit, task).await.unwrap();
        form.encryption = "sealed".into();
        form.recipients = keys.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        self.control.change_task(&self.permit, task, version, &form).await.unwrap();
    }

    /// What a sealed restore point begins with.
    pub async fn sealed_point(&self, destination: DestinationId, database: &str, label: &str) -> SealedView {
        self.control.sealed_point(&self.permit, destination, database, label, None).await.unwrap().unwrap()
    }

    pub async fn round(&self, id: RoundId) -> RoundView {
        self.control.round(&self.permit, id).await.unwrap()
    }

    pub async fn run(&self, id: RunId) -> RunView {
        self.control.run(&self.permit, id).await.unwrap()
    }

    /// Waits until a round is as wanted.
    pub async fn round_when(&self, id: RoundId, what: &str, is: impl Fn(&RoundView) -> bool) -> RoundView {
        let began = Instant::now();
        loop {
            let view = self.round(id).await;
            if is(&view) {
                return view;
            }
            assert!(began.elapsed() < LIMIT, "not {what}: {view:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn round_ended(&self, id: RoundId) -> RoundView {
        self.round_when(id, "ended", |view| view.line.state.has_ended()).await
    }

    pub async fn run_ended(&self, id: RunId) -> RunView {
        let began = Instant::now();
        loop {
            let view = self.run(id).await;
            if view.line.state.has_ended() {
                return view;
            }
            assert!(began.elapsed() < LIMIT, "not ended: {view:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Backs up now and waits until a run of it works.
    pub async fn at_work(&self, task: TaskId) -> RoundView {
        let id = self.control.back_up_now(&self.permit, task, None, None).await.unwrap();
        self.round_when(id, "at work", |round| round.runs.iter().any(|run| run.state == RunState::Running)).await
    }

    /// Backs up incrementally now, and waits for the end.
    pub async fn back_up_changes(&self, task: TaskId) -> RoundView {
        let id = self.control.back_up_now(&self.permit, task, None, Some(BackupKind::Incremental)).await.unwrap();
        self.round_ended(id).await
    }

    /// Backs up now and waits for the end.
    pub async fn back_up(&self, task: TaskId) -> RoundView {
        let id = self.control.back_up_now(&self.permit, task, None, None).await.unwrap();
        self.round_ended(id).await
    }

    pub async fn stop(self) {
        self.control.stop(Duration::from_secs(30)).await;
    }
}

/// A schedule that is due about half a year from now, whenever the test runs.
pub fn far_off() -> String {
    let then = (Timestamp::now() + SignedDuration::from_hours(182 * 24)).to_zoned(TimeZone::UTC);
    format!("0 0 {} {} *", then.day().min(28), then.month())
}

/// What the browser does: it takes the data keys out of the envelopes.
pub fn opened(view: &SealedView, key: &PrivateKey) -> String {
    let open = |text: &String| Envelope::parse(&seal::base64_bytes(text).unwrap()).unwrap().open(key).unwrap().to_base64().to_string();
    view.envelopes.iter().map(open).collect::<Vec<_>>().join(" ")
}

/// The run of a database.
pub fn of<'a>(round: &'a RoundView, database: &str) -> &'a RunLine {
    round.runs.iter().find(|run| run.database == database).unwrap_or_else(|| panic!("no run of {database}: {round:#?}"))
}

#[track_caller]
pub fn assert_state(round: &RoundView, state: RoundState) {
    assert_eq!(round.line.state, state, "{round:#?}");
}

/// The error of something that must fail.
#[track_caller]
pub fn refused<T>(outcome: Result<T>) -> domain::Error {
    match outcome {
        Err(error) => error,
        Ok(_) => panic!("it was not refused"),
    }
}

/// A line for what a test does to the catalog behind the console's back.
pub fn audit() -> AuditRecord {
    AuditRecord {
        at: Timestamp::now(),
        actor: "test".into(),
        address: String::new(),
        action: "test".into(),
        subject: String::new(),
        path: None,
        detail: String::new(),
    }
}
