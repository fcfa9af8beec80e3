//! The console's records and people, on a real catalog file, real SQLite folders and a real PostgreSQL.

mod destinations;
mod overview;
mod people;
mod secrets;
mod servers;
mod sessions;
mod tasks;

use crate::{Administer, Caller, Control, Level, Options, Permit, Safe, SignedIn};
use catalog::Catalog;
use domain::{DestinationForm, DestinationId, Error, Role, ServerForm, ServerId, TaskForm, UserForm, UserId};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use repository::{Instance, Trust};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tempfile::TempDir;

/// A console in a folder of its own, which is gone with it.
struct Console {
    control: Control,
    folder: TempDir,
}

const PASSWORD: &str = "correct horse";

impl Console {
    /// As it is at the first start.
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let control = open(folder.path()).await;
        Self { control, folder }
    }

    /// With its first administrator, Ada, who has just signed in.
    async fn with_ada() -> (Self, Permit<Administer>) {
        let console = Self::new().await;
        let token = console.control.setup_token().unwrap();
        let form = UserForm { name: "Ada".into(), password: PASSWORD.into(), ..UserForm::default() };
        let signed_in = console.control.set_up(token.expose(), &form, &caller()).await.unwrap();
        let permit = console.permit(&signed_in).await;
        (console, permit)
    }

    /// The same console in a new process.
    async fn again(&self) -> Control {
        open(self.folder.path()).await
    }

    async fn permit<L: Level>(&self, signed_in: &SignedIn) -> Permit<L> {
        self.control.actor(signed_in.token.expose()).await.unwrap().unwrap().permit().unwrap()
    }

    async fn add_user(&self, permit: &Permit<Administer>, name: &str, role: Role) -> UserId {
        let form = UserForm { name: name.into(), role: role.to_string(), password: PASSWORD.into() };
        self.control.add_user(permit, &form).await.unwrap()
    }

    async fn sign_in(&self, name: &str) -> SignedIn {
        self.control.sign_in(name, PASSWORD, &caller()).await.unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A server that is a folder with these SQLite databases.
    async fn add_folder(&self, permit: &Permit<Administer>, name: &str, databases: &[&str]) -> ServerId {
        for database in databases {
            make_database(&self.path(name).join(database));
        }
        self.control.add_server(permit, &folder_form(name, &self.path(name))).await.unwrap()
    }

    async fn add_destination(&self, permit: &Permit<Administer>, name: &str) -> DestinationId {
        self.control.add_destination(permit, &self.root_form(name)).await.unwrap()
    }

    fn root_form(&self, name: &str) -> DestinationForm {
        DestinationForm { name: name.into(), root: self.path(name).display().to_string(), note: String::new() }
    }
}

async fn open(folder: &Path) -> Control {
    let catalog = Catalog::open(&format!("sqlite:{}", folder.join("catalog.db").display())).await.unwrap();
    let instance = Arc::new(Instance::generate().unwrap());
    let trust = Trust::new([instance.fingerprint()]);
    let options = Options {
        catalog,
        safe: Safe::open(folder).unwrap(),
        instance,
        trust,
        accept: Box::new(|fingerprint| Ok(Trust::new([fingerprint]))),
        data_dir: folder.into(),
        version: "1.2.3",
        sample: Some(folder.join("samples")),
        sample_root: Some(folder.join("local")),
    };
    Control::open(options).await.unwrap()
}

fn caller() -> Caller {
    Caller { address: "192.0.2.1".into(), agent: "a browser".into() }
}

fn folder_form(name: &str, folder: &Path) -> ServerForm {
    ServerForm { name: name.into(), dbms: "sqlite".into(), folder: folder.display().to_string(), ..ServerForm::default() }
}

/// A task that is due about half a year from now, whenever the test runs.
fn task_form(name: &str, server: ServerId, destination: DestinationId) -> TaskForm {
    let then = (Timestamp::now() + SignedDuration::from_hours(182 * 24)).to_zoned(TimeZone::UTC);
    TaskForm {
        name: name.into(),
        full: format!("0 2 {} {} *", then.day().min(28), then.month()),
        incremental: String::new(),
        servers: server.to_string(),
        destination: destination.to_string(),
        encryption: "none".into(),
        ..TaskForm::default()
    }
}

/// The hour, in UTC, that is half a day away: what is due then is not due while a test runs.
fn far_hour() -> i8 {
    (Timestamp::now() + SignedDuration::from_hours(12)).to_zoned(TimeZone::UTC).hour()
}

fn make_database(file: &Path) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    rusqlite::Connection::open(file).unwrap().execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1);").unwrap();
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// The field that an error is told at, with its sentence.
fn field<'a>(error: &'a Error, name: &str) -> &'a str {
    error.told().field(name).unwrap_or_else(|| panic!("nothing at {name}: {:?}", error.told()))
}
