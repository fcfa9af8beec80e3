//! Servers: records, and looking at them.

mod open;
mod probe;
mod slots;

pub(crate) use open::for_console;

use crate::{
    Administer, Control, Operate, Permit, View,
    conflict::changed_meanwhile,
    survey::{PAGE_SIZE, Survey},
    underway::Nudge,
};
use catalog::ServerRecord;
use domain::{
    Code, Connection, Destination, DestinationForm, Error, Result, Secret, ServerForm, ServerId, size,
    view::{
        Page,
        server::{DatabaseLine, DatabaseQuery, ServerLine, ServerView},
    },
};
use jiff::Timestamp;
use std::time::Duration;
use uuid::Uuid;

/// The kind under which passwords of servers are sealed.
const SEALED_AS: &str = "server";
/// Rounds on a server's page.
const ROUNDS: u64 = 20;
/// How long a form waits for the first look at its server; the look goes on without it.
const PATIENCE: Duration = Duration::from_secs(15);

impl Control {
    /// All servers, by name.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn servers(&self, _permit: &Permit<View>) -> Result<Vec<ServerLine>> {
        let survey = Survey::of_all(self, Timestamp::now()).await?;
        Ok(survey.servers().map(|server| survey.server_line(server)).collect())
    }

    /// One server with its settings and newest rounds.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn server(&self, _permit: &Permit<View>, id: ServerId) -> Result<ServerView> {
        let server = self.catalog.server(id).await?;
        let survey = Survey::of_server(self, server.clone(), Timestamp::now()).await?;
        let rounds = self.catalog.rounds_of_server(id, ROUNDS).await?;
        Ok(ServerView {
            line: survey.server_line(&server),
            has_password: server.sealed_password.is_some(),
            connection: server.server.connection,
            most_held_bytes: server.server.most_held_bytes,
            jobs: server.jobs,
            note: server.note,
            version: server.version,
            rounds: self.round_lines(rounds).await?,
            now: survey.now(),
        })
    }

    /// A page of a server's databases.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn databases(&self, _permit: &Permit<View>, id: ServerId, query: &DatabaseQuery) -> Result<Page<DatabaseLine>> {
        let server = self.catalog.server(id).await?;
        let survey = Survey::of_server(self, server.clone(), Timestamp::now()).await?.with_runs_of(self, id).await?;
        let mut lines = survey.database_lines(&server);
        lines.retain(|line| domain::form::filter_matches(&query.filter, &line.name));
        if query.only == "attention" {
            lines.retain(crate::survey::needs_attention);
        }
        crate::survey::sort(&mut lines, &query.sort);
        Ok(Page::of(lines, query.page, PAGE_SIZE as u64))
    }

    /// Adds a server and takes a first look at it. One that cannot be reached is added all the same, and says why.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every field that is wrong.
    pub async fn add_server(&self, permit: &Permit<Administer>, form: &ServerForm) -> Result<ServerId> {
        let (server, jobs) = (form.check()?, form.jobs_at_once()?);
        let id = ServerId::new(Uuid::now_v7());
        let record = ServerRecord {
            id,
            sealed_password: self.sealed(id, &server.connection)?,
            server,
            jobs,
            note: form.note.trim().into(),
            version: 1,
            created_at: Timestamp::now(),
            seen: None,
            instance: None,
            encrypted_at_rest: None,
        };
        let detail = format!("{} at {}.", record.server.dbms(), record.server.connection);
        self.catalog.insert_server(&record, &permit.audit("server added", &record.server.name, Some(page(id)), detail)).await?;
        self.look_soon(record).await;
        Ok(id)
    }

    /// Changes a server. An empty password keeps the one that is stored, unless the server is another one now.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every field that is wrong; [`Code::Conflict`] if somebody else was quicker.
    pub async fn change_server(&self, permit: &Permit<Administer>, id: ServerId, version: i64, form: &ServerForm) -> Result<()> {
        let (server, jobs) = (form.check()?, form.jobs_at_once()?);
        let known = self.catalog.server(id).await?;
        if server.dbms() != known.server.dbms() {
            return Err(Error::invalid_field("dbms", "A server stays of its kind. Add the other one as a server of its own."));
        }
        let sealed_password = match self.sealed(id, &server.connection)? {
            None => kept_password(&known, &server.connection)?,
            typed => typed,
        };
        let record = ServerRecord { server, sealed_password, jobs, note: form.note.trim().into(), version, ..known };
        let detail = format!("{} at {}.", record.server.dbms(), record.server.connection);
        let audit = permit.audit("server changed", &record.server.name, Some(page(id)), detail);
        match self.catalog.update_server(&record, &audit).await {
            Err(error) if error.code() == Code::Conflict => {
                let theirs = self.catalog.server(id).await?;
                return Err(changed_meanwhile("server", theirs.version, &form_of(&theirs), &form_of(&record)));
            }
            done => done?,
        }
        self.nudge(Nudge::Queue);
        // The limit for what it keeps may be another one.
        self.nudge(Nudge::Chains);
        self.look_soon(record).await;
        Ok(())
    }

    /// Forgets a server, its databases, rounds and runs. Its backups stay.
    ///
    /// # Errors
    /// [`Code::Busy`] while it has tasks or runs; [`Code::Invalid`] at the field `typed_name`.
    pub async fn remove_server(&self, permit: &Permit<Administer>, id: ServerId, typed_name: &str) -> Result<()> {
        let record = self.catalog.server(id).await?;
        ensure_typed(typed_name, &record.server.name)?;
        self.ensure_unused_server(id).await?;
        let left = self.release_chains_of(&record).await?.map(|left| format!(" {left}")).unwrap_or_default();
        let detail = format!("{} at {}. Its backups stay.{left}", record.server.dbms(), record.server.connection);
        self.catalog.delete_server(id, &permit.audit("server removed", &record.server.name, None, detail)).await
    }

    /// Looks at a server now: who it is, and which databases it has.
    ///
    /// # Errors
    /// Why it cannot be reached.
    pub async fn look(&self, permit: &Permit<Operate>, id: ServerId) -> Result<()> {
        let record = self.catalog.server(id).await?;
        let (identity, databases) = self.discover(&record).await?;
        let found = format!("{} {}; databases: {}.", identity.dbms, identity.version, databases.len());
        self.catalog.append_audit(&permit.audit("server looked at", &record.server.name, Some(page(id)), found)).await
    }

    /// Adds the sample databases as a server, and the local root that is offered with them as a destination.
    ///
    /// # Errors
    /// [`Code::NotFound`] if this console has no samples; [`Code::Invalid`] if they were added already.
    pub async fn add_sample(&self, permit: &Permit<Administer>) -> Result<ServerId> {
        let folder = self.sample.as_ref().map(|folder| folder.display().to_string()).ok_or_else(|| {
            Error::new(Code::NotFound, "This console has no sample databases.", "Start it with --sample FOLDER, or add a server of yours.")
        })?;
        if let Some(root) = &self.sample_root {
            let root = Destination::Local { root: root.clone() };
            if !self.catalog.destinations().await?.iter().any(|known| known.destination == root) {
                let form = DestinationForm { name: "Local backups".into(), root: root.to_string(), note: String::new() };
                self.add_destination(permit, &form).await?;
            }
        }
        let form = ServerForm { name: "Sample databases".into(), dbms: "sqlite".into(), folder, ..ServerForm::default() };
        self.add_server(permit, &form).await
    }

    /// Looks at a server for a form that does not wait for ever. What is found, or why nothing is, is told by the record.
    async fn look_soon(&self, record: ServerRecord) {
        let control = self.clone();
        let looking = tokio::spawn(async move { control.discover(&record).await.map(drop) });
        if tokio::time::timeout(PATIENCE, looking).await.is_err() {
            tracing::debug!("The first look at a server takes long; it goes on.");
        }
    }

    fn sealed(&self, id: ServerId, connection: &Connection) -> Result<Option<String>> {
        password(connection).map(|password| self.safe.seal(SEALED_AS, id, password)).transpose()
    }
}

fn password(connection: &Connection) -> Option<&Secret<String>> {
    match connection {
        Connection::Sqlite { .. } => None,
        Connection::Postgresql { password, .. } => password.as_ref(),
    }
}

/// The stored password, for a form that left it empty. It is sent to nobody but whom it was stored for: otherwise whoever
/// may change the address could have it sent to himself.
fn kept_password(known: &ServerRecord, connection: &Connection) -> Result<Option<String>> {
    if known.sealed_password.is_none() || receiver(&known.server.connection) == receiver(connection) {
        return Ok(known.sealed_password.clone());
    }
    Err(Error::invalid_field("password", "Host, port or user are others now: type the password for them."))
}

/// Who gets the password.
fn receiver(connection: &Connection) -> Option<(&str, u16, &str)> {
    match connection {
        Connection::Sqlite { .. } => None,
        Connection::Postgresql { host, port, user, .. } => Some((host, *port, user)),
    }
}

/// Whoever removes something types its name: what is lost cannot be brought back.
pub(crate) fn ensure_typed(typed: &str, name: &str) -> Result<()> {
    if typed.trim() == name {
        return Ok(());
    }
    Err(Error::invalid_field("typed_name", format!("Type its name, {name}, to confirm.")))
}

/// The form of a server as it is stored; the password stays out.
fn form_of(record: &ServerRecord) -> ServerForm {
    let form = ServerForm {
        name: record.server.name.clone(),
        jobs: record.jobs.map_or_else(String::new, |jobs| jobs.to_string()),
        note: record.note.clone(),
        ..ServerForm::default()
    };
    match &record.server.connection {
        Connection::Sqlite { folder } => ServerForm { dbms: "sqlite".into(), folder: folder.display().to_string(), ..form },
        Connection::Postgresql { host, port, user, maintenance_database, tls, root_certificate, .. } => ServerForm {
            dbms: "postgresql".into(),
            host: host.clone(),
            port: port.to_string(),
            user: user.clone(),
            maintenance_database: maintenance_database.clone(),
            tls: tls.as_str().into(),
            root_certificate: root_certificate.as_ref().map_or_else(String::new, |path| path.display().to_string()),
            most_held: record.server.most_held_bytes.map(size::exact).unwrap_or_default(),
            ..form
        },
    }
}

fn page(id: ServerId) -> String {
    format!("/servers/{id}")
}
