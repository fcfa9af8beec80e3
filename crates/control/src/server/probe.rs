//! Tries a server now, before anything of it is stored.

use super::{kept_password, open::workers, password};
use crate::{Administer, Control, Permit, server::for_console};
use domain::{Code, Connection, Dbms, Error, Result, Server, ServerForm, ServerId, view::server::ServerProbe};
use source::{Context, Database, Source};
use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

/// Databases that are looked into. A backup looks into each of them; a test shall be quick.
const MOST_DATABASES: usize = 25;
/// No further database is looked into after so long.
const ENOUGH: Duration = Duration::from_secs(8);
/// What is being looked into is left after so long.
const TOO_LONG: Duration = Duration::from_secs(20);

impl Control {
    /// Tries to connect as the form says, and looks what would stand in the way of a backup. With `known`, an empty password
    /// is the one that is stored for that server.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every field that is wrong, or why the server cannot be used, at the field that it is about.
    pub async fn probe_server(&self, _permit: &Permit<Administer>, form: &ServerForm, known: Option<ServerId>) -> Result<ServerProbe> {
        // A connection can be tried before the server has a name.
        let mut server = ServerForm { name: "probe".into(), ..form.clone() }.check()?;
        if let (Some(id), None) = (known, password(&server.connection)) {
            self.add_stored_password(id, &mut server).await?;
        }
        let dbms = server.dbms();
        let context = Context::default();
        let _cancelled_when_dropped = context.cancel.clone().drop_guard();
        let out_of_time = async {
            tokio::time::sleep(TOO_LONG).await;
            context.cancel.cancel();
            std::future::pending::<Infallible>().await
        };
        let probing = crate::blocking({
            let context = context.clone();
            move |_| probe(source::open(&server, workers())?.as_ref(), dbms, &context)
        });
        let probed = tokio::select! {
            probed = probing => probed,
            never = out_of_time => match never {},
        };
        probed.map_err(|error| at_field(for_console(error), dbms))
    }

    async fn add_stored_password(&self, id: ServerId, server: &mut Server) -> Result<()> {
        let record = self.catalog.server(id).await?;
        let known = kept_password(&record, &server.connection)?.is_some();
        if let (true, Connection::Postgresql { password, .. }, Connection::Postgresql { password: stored, .. }) =
            (known, &mut server.connection, self.unsealed(&record)?.connection)
        {
            *password = stored;
        }
        Ok(())
    }
}

/// The field whose value the error is about.
fn at_field(error: Error, dbms: Dbms) -> Error {
    let field = match (dbms, error.code()) {
        (Dbms::Sqlite, Code::NotFound | Code::Usage | Code::Privilege | Code::Unreachable) => "folder",
        (Dbms::Postgresql, Code::Unreachable | Code::Silent) => "host",
        (Dbms::Postgresql, Code::AuthFailed) => "password",
        (Dbms::Postgresql, Code::Tls) => "tls",
        (Dbms::Postgresql, Code::DatabaseGone) => "maintenance_database",
        _ => return error,
    };
    error.at_field(field)
}

fn probe(source: &dyn Source, dbms: Dbms, context: &Context) -> Result<ServerProbe> {
    let began = Instant::now();
    let identity = source.identify(context)?;
    let answered_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let databases = source.databases(context)?;
    let mut probe = ServerProbe {
        dbms,
        version: identity.version,
        answered_ms,
        databases: databases.len() as u64,
        size_bytes: databases.iter().filter_map(|database| database.size_bytes).sum(),
        obstacles: vec![],
        notes: vec![],
    };
    if databases.is_empty() {
        probe.obstacles.push("There is no database to back up.".into());
    }
    look_into(source, &databases, &mut probe, context);
    Ok(probe)
}

/// Notes that hold for every database are told once.
fn look_into(source: &dyn Source, databases: &[Database], probe: &mut ServerProbe, context: &Context) {
    let began = Instant::now();
    let looked_into = databases
        .iter()
        .take(MOST_DATABASES)
        .take_while(|database| began.elapsed() < ENOUGH && look_into_one(source, &database.name, probe, context))
        .count();
    if looked_into < databases.len() {
        probe.notes.push(format!("{looked_into} of {} databases were looked into; each backup looks into its own.", databases.len()));
    }
}

/// Whether it could be looked into before time was up.
fn look_into_one(source: &dyn Source, name: &str, probe: &mut ServerProbe, context: &Context) -> bool {
    match source.capabilities(name, context) {
        Ok(found) => {
            probe.obstacles.extend(found.obstacles.into_iter().map(|obstacle| format!("{name}: {obstacle}")));
            for note in found.notes {
                if !probe.notes.contains(&note) {
                    probe.notes.push(note);
                }
            }
            true
        }
        Err(error) if error.code() == Code::Cancelled => false,
        Err(error) => {
            probe.obstacles.push(format!("{name}: {error} {}", error.next_step()));
            true
        }
    }
}
