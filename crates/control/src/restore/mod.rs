//! Restores and verifications, as people ask for them. They wait in the same line as backups.

mod draft;
mod name;
mod needs;
mod opened;

use crate::{Administer, Control, Operate, Permit, cause::Cause, run::carried_through, shelf};
use catalog::{DestinationRecord, RunRecord, ServerRecord};
use domain::{
    Code, DestinationId, Error, Label, RestoreForm, Result, RunId, RunKind, RunState, ServerId,
    view::{backup::FolderQuery, restore::RestorePreview},
};
use engine::RestoreRequest;
use jiff::Timestamp;
use repository::{Key, Place, Repository};
use serde::{Deserialize, Serialize};
use source::Source;
use std::sync::Arc;
use uuid::Uuid;

/// Which backup is read, and how it is restored; kept with the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The database whose backup it is.
    pub database: String,
    /// The server that it came from, as its manifest names it.
    pub origin: Option<String>,
    /// Which restore point.
    pub label: Label,
    /// The moment before its end that is restored, if it is one of those that it covers.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// Leave ownership and privileges out.
    #[serde(default)]
    pub no_owner: bool,
    /// Create roles that are missing, without the right to log in.
    #[serde(default)]
    pub create_roles: bool,
    /// Whether a key was given, which is in memory alone.
    #[serde(default)]
    pub with_key: bool,
}

/// A restore that can be begun.
pub(crate) struct Order {
    pub destination: DestinationRecord,
    pub server: ServerRecord,
    pub request: Request,
    pub name: String,
}

impl Request {
    /// What a run was asked for.
    pub fn of(run: &RunRecord) -> Result<Self> {
        let request = run.request.clone().unwrap_or_default();
        serde_json::from_value(request).map_err(|error| Error::internal("What the run was asked for cannot be read.").because(error))
    }

    /// An error if a key was given and is gone: it was in memory alone.
    pub fn ensure_has(&self, key: Option<&Key>) -> Result<()> {
        if key.is_some() || !self.with_key {
            return Ok(());
        }
        Err(Error::new(
            Code::KeyNeeded,
            "The backup is sealed, and its key is gone: the console was started anew since, and writes no key down.",
            "Start it again, and give the key again.",
        ))
    }

    /// The restore that it asks for. A database that differs from its backup is not kept.
    pub fn for_engine(&self, source: Arc<dyn Source>, repository: Repository, name: String, key: Option<Key>) -> RestoreRequest {
        RestoreRequest {
            source,
            repository,
            name,
            no_owner: self.no_owner,
            create_roles: self.create_roles,
            only_table: None,
            keep_different: false,
            key,
            until: self.until,
        }
    }
}

impl Control {
    /// What the restore wizard shows: what can be chosen, of folders those that were asked for, what is wrong so far, and what would happen. Bad input is no
    /// error of this, it is in the answer.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn preview_restore(&self, _: &Permit<Operate>, form: &RestoreForm, query: &FolderQuery) -> Result<RestorePreview> {
        Ok(self.draft_restore(form, query).await?.0)
    }

    /// Begins a restore. It waits for its place like every run.
    ///
    /// A sealed backup needs its data key, in base64; it is kept in memory until the run has ended, and nowhere else.
    ///
    /// # Errors
    /// [`Code::Invalid`] with all that is wrong, the server that cannot be reached and the name that is in use included;
    /// [`Code::KeyNeeded`] or [`Code::WrongKey`] for a sealed backup without the key that opens it.
    pub async fn restore(&self, permit: &Permit<Administer>, form: &RestoreForm, data_key: Option<String>) -> Result<RunId> {
        let key = data_key.map(opened::data_keys).transpose()?;
        let (preview, order) = self.draft_restore(form, &FolderQuery::default()).await?;
        let Some(order) = order else { return Err(Error::invalid(preview.errors)) };
        // The catalog's list of databases may be minutes old.
        let at_server = |error: Error| Error::invalid_field("server", format!("{error} {}", error.next_step()));
        let (_, databases) = self.discover(&order.server).await.map_err(at_server)?;
        if databases.iter().any(|database| database.name == order.name) {
            return Err(name::taken(&order.name, &order.server.server.name));
        }
        let key = self.ensure_opens(RunKind::Restore, order.destination.id, &order.request, key).await?;
        let said = format!(
            "Asked for by {}: {:?} of {} from {}, as {:?} on {}.",
            permit.actor().name(),
            order.request.database,
            order.request.label,
            order.destination.name,
            order.name,
            order.server.server.name
        );
        let run = run(RunKind::Restore, Some(order.server.id), order.destination.id, order.name, order.request, permit.actor().name())?;
        self.queue_one(run, key, "restore queued", &Cause::user(permit, said)).await
    }

    /// Begins to verify a backup: everything that was stored is read back and compared with what was signed. The folder of its
    /// chain tells it from one of another server that has the same label. Of a sealed backup, the content is proven only with its
    /// data key, in base64.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such backup; what reading the repository says.
    pub async fn verify_now(
        &self,
        permit: &Permit<Operate>,
        id: DestinationId,
        database: &str,
        label: &str,
        folder: Option<&str>,
        data_key: Option<String>,
    ) -> Result<RunId> {
        let key = data_key.map(opened::data_keys).transpose()?;
        let label: Label = label.parse()?;
        let destination = self.catalog.destination(id).await?;
        let missing = || {
            Error::new(
                Code::NotFound,
                format!("Database {database:?} has no restore point {label} at {}.", destination.name),
                "Load the page again and choose from what is there.",
            )
        };
        let repository = self.open_known(&destination).await?.ok_or_else(missing)?;
        let points = repository.points(Some(database)).await?;
        let is_wanted = |place: &Place| place.label() == label && folder.is_none_or(|folder| place.folder().as_str() == folder);
        let point = points.iter().find(|point| is_wanted(&point.place)).ok_or_else(missing)?;
        let instance = point.manifest.as_ref().ok().map(|manifest| manifest.server.instance.clone());
        let server = self.catalog.servers().await?.into_iter().find(|server| server.instance.is_some() && server.instance == instance);
        let mut request = Request {
            database: database.into(),
            origin: shelf::origin(point),
            label,
            no_owner: false,
            create_roles: false,
            with_key: false,
            until: None,
        };
        let key = match key {
            Some(key) => self.ensure_opens(RunKind::Verify, id, &request, Some(key)).await?,
            None => None,
        };
        request.with_key = key.is_some();
        let said = format!("Asked for by {}: {database:?} of {label} at {}.", permit.actor().name(), destination.name);
        let run = run(RunKind::Verify, server.map(|server| server.id), id, database.into(), request, permit.actor().name())?;
        self.queue_one(run, key, "verification queued", &Cause::user(permit, said)).await
    }

    /// Puts a run into the line, with what opens its archive. That is carried through, whether or not somebody still waits: a
    /// key whose run never came to be would stay in memory.
    async fn queue_one(&self, run: RunRecord, key: Option<Key>, action: &'static str, cause: &Cause) -> Result<RunId> {
        let (control, cause) = (self.clone(), cause.clone());
        carried_through(async move {
            let (id, database) = (run.id, run.database.clone());
            // Either the chain goes before, and the run says so; or it stays because the run waits.
            let _turn = control.underway.retention.chains_at(run.destination).await;
            // Before the run can begin.
            if let Some(key) = key {
                control.underway.keep_key(id, key);
            }
            if let Err(error) = control.queue_runs(vec![run], action, database.clone(), format!("/runs/{id}"), &cause).await {
                control.underway.take_key(id);
                return Err(error);
            }
            control.log(None, Some(id), &database, &cause).await;
            Ok(id)
        })
        .await
    }
}

fn run(
    kind: RunKind,
    server: Option<ServerId>,
    destination: DestinationId,
    database: String,
    request: Request,
    started_by: &str,
) -> Result<RunRecord> {
    let label = Some(request.label.to_string());
    let request = serde_json::to_value(request).map_err(|error| Error::internal("What was asked for cannot be kept.").because(error))?;
    Ok(RunRecord {
        id: RunId::new(Uuid::now_v7()),
        round: None,
        kind,
        wanted: None,
        server,
        destination,
        database,
        state: RunState::Queued,
        attempt: 1,
        started_by: Some(started_by.into()),
        queued_at: Timestamp::now(),
        began_at: None,
        ended_at: None,
        retry_at: None,
        reason: None,
        request: Some(request),
        label,
        stored_bytes: None,
        rows: None,
        proven: None,
        compared: vec![],
        notes: vec![],
        error: None,
    })
}
