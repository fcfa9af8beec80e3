//! Records for tests of decisions, and a console to take its steps one by one.

use crate::{Control, Options, Safe, cause::Cause};
use catalog::{Catalog, DestinationRecord, RoundRecord, RoundServerRecord, RunRecord, ServerRecord, TaskRecord};
use domain::{
    BackupKind, ChainLimit, Connection, Destination, DestinationId, Origin, RoundId, RoundState, RunId, RunKind, RunState, Schedules,
    Selection, Server, ServerId, Task, TaskId,
};
use jiff::Timestamp;
use repository::{Instance, Trust};
use std::{path::Path, sync::Arc};
use tempfile::TempDir;
use uuid::Uuid;

/// A moment of the 24th of November 2026, such as `02:00:00`.
pub fn at(time: &str) -> Timestamp {
    format!("2026-11-24T{time}Z").parse().unwrap()
}

/// A server.
pub fn server() -> ServerId {
    ServerId::new(Uuid::now_v7())
}

/// A backup run that waits.
pub fn run(database: &str) -> RunRecord {
    RunRecord {
        id: RunId::new(Uuid::now_v7()),
        round: Some(RoundId::new(Uuid::now_v7())),
        kind: RunKind::Backup,
        wanted: Some(BackupKind::Full),
        server: Some(server()),
        destination: DestinationId::new(Uuid::now_v7()),
        database: database.into(),
        state: RunState::Queued,
        attempt: 1,
        started_by: None,
        queued_at: at("02:00:00"),
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

/// A task that makes a full backup every day at two, made up for if missed.
pub fn task() -> TaskRecord {
    TaskRecord {
        id: TaskId::new(Uuid::now_v7()),
        task: Task {
            name: "nightly".into(),
            servers: vec![server()],
            selection: Selection::default(),
            schedules: Schedules::parse("0 2 * * *", "", "UTC").unwrap(),
            chain_limit: ChainLimit::default(),
            catch_up: true,
            destination: DestinationId::new(Uuid::now_v7()),
            retention: None,
            recipients: vec![],
        },
        enabled: true,
        next_at: Some(at("02:00:00")),
        put_off_from: None,
        version: 1,
        created_at: at("00:00:00"),
    }
}

/// A round of a task that its schedule began when it was due.
pub fn round(task: &TaskRecord, state: RoundState) -> RoundRecord {
    RoundRecord {
        id: RoundId::new(Uuid::now_v7()),
        task: Some(task.id),
        task_name: task.task.name.clone(),
        servers: task.task.servers.iter().copied().map(RoundServerRecord::new).collect(),
        destination: task.task.destination,
        only_database: None,
        wanted: BackupKind::Full,
        once: None,
        state,
        origin: Origin::Schedule,
        started_by: None,
        attempt: 1,
        retry_at: None,
        due_at: at("02:00:00"),
        began_at: at("02:00:00"),
        ended_at: None,
        error: None,
    }
}

/// The same, with its servers looked at.
pub fn looked_at(mut round: RoundRecord) -> RoundRecord {
    round.servers.iter_mut().for_each(|one| one.state = RunState::Succeeded);
    round
}

/// A console that does nothing by itself: tests take its steps one by one, at moments that they choose.
pub async fn console() -> (Control, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let instance = Arc::new(Instance::generate().unwrap());
    let control = Control::open(Options {
        catalog: Catalog::open(&format!("sqlite:{}", folder.path().join("catalog").display())).await.unwrap(),
        safe: Safe::new(&[7; 32]),
        trust: Trust::new([instance.fingerprint()]),
        accept: Box::new(|fingerprint| Ok(Trust::new([fingerprint]))),
        instance,
        data_dir: folder.path().into(),
        version: "0.0.0-test",
        sample: None,
        sample_root: None,
    });
    (control.await.unwrap(), folder)
}

/// Adds a task, with a server and a destination for it that are folders which do not exist.
pub async fn add_task(control: &Control, task: &TaskRecord) {
    add_task_in(control, task, Path::new("/nowhere")).await;
}

/// The same with the folders `dbs` and `root` in this one.
pub async fn add_task_in(control: &Control, task: &TaskRecord, folder: &Path) {
    let (dbs, root) = (folder.join("dbs"), folder.join("root"));
    let audit = Cause::console("").audit(at("00:00:00"), "test", "", String::new());
    let server = ServerRecord {
        id: task.task.servers[0],
        server: Server { name: "apps".into(), connection: Connection::Sqlite { folder: dbs }, most_held_bytes: None },
        sealed_password: None,
        jobs: None,
        note: String::new(),
        version: 1,
        created_at: at("00:00:00"),
        seen: None,
        instance: None,
        encrypted_at_rest: None,
    };
    let destination = DestinationRecord {
        id: task.task.destination,
        name: "vault".into(),
        destination: Destination::Local { root },
        note: String::new(),
        version: 1,
        created_at: at("00:00:00"),
        read_at: None,
        read_error: None,
    };
    control.catalog.insert_server(&server, &audit).await.unwrap();
    control.catalog.insert_destination(&destination, &audit).await.unwrap();
    control.catalog.insert_task(task, &audit).await.unwrap();
}
