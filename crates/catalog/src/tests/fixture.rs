//! Records to start from; each test changes what it is about.

use crate::{
    AuditRecord, BackupRecord, Catalog, DestinationRecord, KeyRecord, RoundRecord, RoundServerRecord, RunRecord, ServerRecord,
    SessionRecord, TaskRecord, UserRecord,
};
use domain::{
    BackupKind, BackupType, ChainLimit, Connection, Dbms, Destination, DestinationId, KeyId, Label, Origin, Role, RoundId, RoundState,
    RunId, RunKind, RunState, Schedules, Selection, Server, ServerId, Task, TaskId, UserId, view::run::LogLine,
};
use jiff::{SignedDuration, Timestamp};
use std::ops::Deref;
use uuid::Uuid;

/// A catalog in a folder of its own.
pub struct Opened {
    catalog: Catalog,
    folder: tempfile::TempDir,
}

impl Opened {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&format!("sqlite:{}", folder.path().join("catalog.db").display())).await.unwrap();
        Self { catalog, folder }
    }

    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// A server, a destination, and a task between them.
    pub async fn with_task(&self) -> TaskRecord {
        let (server, destination) = (server("shop"), destination("vault"));
        self.insert_server(&server, &audit()).await.unwrap();
        self.insert_destination(&destination, &audit()).await.unwrap();
        let task = task("nightly", server.id, destination.id);
        self.insert_task(&task, &audit()).await.unwrap();
        task
    }
}

impl Deref for Opened {
    type Target = Catalog;

    fn deref(&self) -> &Catalog {
        &self.catalog
    }
}

/// A fixed moment, some minutes after the first one.
pub fn at(minutes: i64) -> Timestamp {
    "2026-11-22T02:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}

/// A line of a run's log.
pub fn line(run: RunId, text: &str) -> LogLine {
    LogLine { at: at(0), run: Some(run), server: String::new(), database: "orders".into(), text: text.into(), bad: false }
}

pub fn audit() -> AuditRecord {
    AuditRecord {
        at: at(0),
        actor: "ada".into(),
        address: "127.0.0.1".into(),
        action: "tested".into(),
        subject: "it".into(),
        path: Some("/".into()),
        detail: String::new(),
    }
}

pub fn server(name: &str) -> ServerRecord {
    let connection = Connection::Sqlite { folder: "/srv/apps".into() };
    ServerRecord {
        id: ServerId::new(Uuid::now_v7()),
        server: Server { name: name.into(), connection, most_held_bytes: None },
        sealed_password: Some("sealed".into()),
        jobs: Some(3),
        note: "of the shop".into(),
        version: 1,
        created_at: at(0),
        seen: None,
        instance: None,
        encrypted_at_rest: None,
    }
}

pub fn destination(name: &str) -> DestinationRecord {
    DestinationRecord {
        id: DestinationId::new(Uuid::now_v7()),
        name: name.into(),
        destination: Destination::Local { root: "/srv/backups".into() },
        note: String::new(),
        version: 1,
        created_at: at(0),
        read_at: None,
        read_error: None,
    }
}

pub fn key(name: &str) -> KeyRecord {
    KeyRecord {
        id: KeyId::new(Uuid::now_v7()),
        name: name.into(),
        fingerprint: format!("fingerprint of {name}"),
        public_key: format!("public half of {name}"),
        derivation: Some(serde_json::json!({"salt": "c2FsdA=="})),
        note: String::new(),
        version: 1,
        created_at: at(0),
        proven_at: None,
    }
}

pub fn task(name: &str, server: ServerId, destination: DestinationId) -> TaskRecord {
    let task = Task {
        name: name.into(),
        servers: vec![server],
        selection: Selection::all_but("scratch\ntmp_*"),
        schedules: Schedules { full: Some("0 2 * * 0".into()), incremental: Some("0 2 * * *".into()), time_zone: "Europe/Berlin".into() },
        chain_limit: ChainLimit { incrementals: Some(30), days: None },
        catch_up: true,
        destination,
        retention: Some("days=30,count=5".parse().unwrap()),
        recipients: vec![],
    };
    TaskRecord {
        id: TaskId::new(Uuid::now_v7()),
        task,
        enabled: true,
        next_at: Some(at(60)),
        put_off_from: None,
        version: 1,
        created_at: at(0),
    }
}

pub fn round(task: &TaskRecord, began_at: Timestamp) -> RoundRecord {
    RoundRecord {
        id: RoundId::new(Uuid::now_v7()),
        task: Some(task.id),
        task_name: task.task.name.clone(),
        servers: task.task.servers.iter().copied().map(RoundServerRecord::new).collect(),
        destination: task.task.destination,
        only_database: None,
        wanted: BackupKind::Full,
        once: None,
        state: RoundState::Running,
        origin: Origin::Schedule,
        started_by: None,
        attempt: 1,
        retry_at: None,
        due_at: began_at,
        began_at,
        ended_at: None,
        error: None,
    }
}

/// A round that has ended.
pub fn ended(task: &TaskRecord, began_at: Timestamp, state: RoundState) -> RoundRecord {
    RoundRecord { state, ended_at: Some(began_at + SignedDuration::from_mins(1)), ..round(task, began_at) }
}

pub fn run(round: &RoundRecord, database: &str) -> RunRecord {
    RunRecord {
        id: RunId::new(Uuid::now_v7()),
        round: Some(round.id),
        kind: RunKind::Backup,
        wanted: Some(BackupKind::Full),
        server: Some(round.servers[0].server),
        destination: round.destination,
        database: database.into(),
        state: RunState::Queued,
        attempt: 1,
        started_by: None,
        queued_at: round.began_at,
        began_at: None,
        ended_at: None,
        retry_at: None,
        reason: None,
        request: None,
        label: None,
        stored_bytes: None,
        rows: None,
        proven: None,
        compared: vec![],
        notes: vec![],
        error: None,
    }
}

pub fn backup(destination: DestinationId, database: &str, at: Timestamp) -> BackupRecord {
    let label = Label::new(at, BackupKind::Full, BackupType::Logical);
    BackupRecord {
        destination,
        folder: format!("{database}/{}.shop", label.time()),
        label,
        database: database.into(),
        server_name: Some("shop".into()),
        server_instance: Some("instance of shop".into()),
        dbms: Some(Dbms::Sqlite),
        at,
        size_bytes: Some(1000),
        rows: Some(10),
        plain_bytes: Some(2000),
        suspicion: None,
        task_name: Some("nightly".into()),
        read_fault: None,
        verify_fault: None,
        trusted: true,
        checked_at: at,
        proven_at: None,
    }
}

pub fn user(name: &str, role: Role) -> UserRecord {
    UserRecord {
        id: UserId::new(Uuid::now_v7()),
        name: name.into(),
        role,
        password_hash: "$argon2id$secret".into(),
        created_at: at(0),
        signed_in_at: None,
    }
}

pub fn session(token_hash: &str, user: &UserRecord, created_at: Timestamp) -> SessionRecord {
    SessionRecord {
        token_hash: token_hash.into(),
        user: user.id,
        created_at,
        seen_at: created_at,
        address: "127.0.0.1".into(),
        agent: "Browser".into(),
    }
}
