//! Destinations: records, and opening them.

pub(crate) mod allowed;
mod rooms;

pub(crate) use rooms::Rooms;

use crate::{Administer, Control, Permit, View, conflict::changed_meanwhile, server::ensure_typed, underway::Nudge};
use catalog::{DestinationRecord, SpaceRecord, TaskRecord};
use domain::{Code, Destination, DestinationForm, DestinationId, Error, Result, display, view::destination::DestinationView};
use jiff::Timestamp;
use repository::layout::MARKER;
use std::sync::Arc;
use store::{Mode, Store};
use uuid::Uuid;

impl Control {
    /// All destinations, by name.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn destinations(&self, _permit: &Permit<View>) -> Result<Vec<DestinationView>> {
        let (tasks, space) = (self.catalog.tasks().await?, self.catalog.space_per_destination().await?);
        let destinations = self.catalog.destinations().await?;
        let views = destinations.into_iter().map(|destination| self.destination_view(destination, &tasks, &space));
        Ok(futures::future::join_all(views).await)
    }

    /// One destination.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    pub async fn destination(&self, _permit: &Permit<View>, id: DestinationId) -> Result<DestinationView> {
        let destination = self.catalog.destination(id).await?;
        let (tasks, space) = (self.catalog.tasks().await?, self.catalog.space_per_destination().await?);
        Ok(self.destination_view(destination, &tasks, &space).await)
    }

    async fn destination_view(&self, record: DestinationRecord, tasks: &[TaskRecord], space: &[SpaceRecord]) -> DestinationView {
        let space = space.iter().find(|space| space.destination == record.id);
        DestinationView {
            free_bytes: self.rooms.free_bytes(&record).await,
            id: record.id,
            name: record.name,
            destination: record.destination,
            note: record.note,
            tasks: tasks.iter().filter(|task| task.task.destination == record.id).map(|task| task.task.name.clone()).collect(),
            databases: space.map_or(0, |space| space.databases),
            backups: space.map_or(0, |space| space.backups),
            stored_bytes: space.map_or(0, |space| space.bytes),
            read_at: record.read_at,
            read_error: record.read_error,
            version: record.version,
            now: Timestamp::now(),
        }
    }

    /// Tries a destination now. What it can do comes back as a sentence or two. As by the first backup, its folder is made if
    /// only the last one of its path is missing.
    ///
    /// # Errors
    /// What it cannot do, at the field `root`; [`Code::Invalid`] for the form.
    pub async fn probe_destination(&self, _permit: &Permit<Administer>, form: &DestinationForm) -> Result<String> {
        // A place can be tried before it has a name.
        let (_, destination) = DestinationForm { name: "probe".into(), ..form.clone() }.check()?;
        let store = self.open_place(&destination, Mode::Write).await.map_err(at_root)?;
        store::probe(store.as_ref()).await.map_err(at_root)?;
        let holds = match foreign(store.as_ref()).await.map_err(at_root)? {
            Holds::Repository => "It holds backups of Rookery already.",
            Holds::Nothing => "It is empty.",
            Holds::Others(name) => {
                let sentence = format!("The folder holds files that are not Rookery's, such as {name:?}.");
                return Err(at_root(Error::new(Code::RootForeign, sentence, "Choose an empty folder, or a new one below it.")));
            }
        };
        let room = store::free_bytes(&destination).await.map_or(String::new(), |free| format!(" {} are free.", display::size(free)));
        Ok(format!("The folder can be written to, read back, listed and cleaned, and nothing in it is ever replaced. {holds}{room}"))
    }

    /// Adds a destination. Its folder is made if only the last one of its path is missing.
    ///
    /// # Errors
    /// [`Code::Invalid`] with every field that is wrong, or why the root cannot be used, at the field `root`.
    pub async fn add_destination(&self, permit: &Permit<Administer>, form: &DestinationForm) -> Result<DestinationId> {
        let (name, destination) = form.check()?;
        self.open_place(&destination, Mode::Write).await.map_err(at_root)?;
        let id = DestinationId::new(Uuid::now_v7());
        let note = form.note.trim().into();
        let created_at = Timestamp::now();
        let record = DestinationRecord { id, name, destination, note, version: 1, created_at, read_at: None, read_error: None };
        let audit = permit.audit("destination added", &record.name, Some(page(id)), format!("{}.", record.destination));
        self.catalog.insert_destination(&record, &audit).await?;
        self.nudge(Nudge::Inventory);
        Ok(id)
    }

    /// Changes a destination. What lies at the old root stays there, and is not counted any more; the new one is read at once.
    ///
    /// # Errors
    /// As for [`Control::add_destination`]; [`Code::Busy`] at the field `root`, if that is to change while a round writes to
    /// the old one; [`Code::Conflict`] if somebody else was quicker.
    pub async fn change_destination(
        &self,
        permit: &Permit<Administer>,
        id: DestinationId,
        version: i64,
        form: &DestinationForm,
    ) -> Result<()> {
        let (name, destination) = form.check()?;
        let known = self.catalog.destination(id).await?;
        let moved = known.destination != destination;
        if moved {
            self.ensure_unused_destination(id).await.map_err(at_root)?;
            self.open_place(&destination, Mode::Write).await.map_err(at_root)?;
        }
        let detail = if moved { format!("From {} to {destination}.", known.destination) } else { String::new() };
        let record = DestinationRecord { name, destination, note: form.note.trim().into(), version, ..known };
        let audit = permit.audit("destination changed", &record.name, Some(page(id)), detail);
        match self.catalog.update_destination(&record, &audit).await {
            Err(error) if error.code() == Code::Conflict => {
                let theirs = self.catalog.destination(id).await?;
                Err(changed_meanwhile("destination", theirs.version, &form_of(&theirs), &form_of(&record)))
            }
            done => {
                done?;
                self.nudge(Nudge::Inventory);
                Ok(())
            }
        }
    }

    /// Forgets a destination. The backups there stay, and can be used again once it is added again.
    ///
    /// # Errors
    /// [`Code::Busy`] while tasks or runs use it; [`Code::Invalid`] at the field `typed_name`.
    pub async fn remove_destination(&self, permit: &Permit<Administer>, id: DestinationId, typed_name: &str) -> Result<()> {
        let record = self.catalog.destination(id).await?;
        ensure_typed(typed_name, &record.name)?;
        self.ensure_unused_destination(id).await?;
        let detail = format!("{}. The backups stay there.", record.destination);
        self.catalog.delete_destination(id, &permit.audit("destination removed", &record.name, None, detail)).await
    }

    /// Opens a destination.
    pub(crate) async fn open_store(&self, record: &DestinationRecord, mode: Mode) -> Result<Arc<dyn Store>> {
        self.open_place(&record.destination, mode).await
    }

    /// Opens a place, unless it lies where no backups may lie. The limit is looked at each time: links can change.
    async fn open_place(&self, destination: &Destination, mode: Mode) -> Result<Arc<dyn Store>> {
        let Some(limit) = self.local_root().await? else { return store::open(destination, mode).await };
        let Destination::Local { root } = destination.clone();
        let root = crate::blocking(move |_| allowed::resolve_below(&root, &limit)).await?;
        store::open(&Destination::Local { root }, mode).await
    }
}

/// What lies at a root.
enum Holds {
    Repository,
    Nothing,
    Others(String),
}

/// The same rule as that of the first backup, told before it: hidden files and `lost+found` do not count.
async fn foreign(store: &dyn Store) -> Result<Holds> {
    let entries = store.list(None).await?;
    if entries.iter().any(|entry| entry.name.last() == MARKER) {
        return Ok(Holds::Repository);
    }
    let other = entries.iter().map(|entry| entry.name.last()).find(|name| *name != "lost+found" && !name.starts_with('.'));
    Ok(other.map_or(Holds::Nothing, |name| Holds::Others(name.into())))
}

fn at_root(error: Error) -> Error {
    error.at_field("root")
}

fn form_of(record: &DestinationRecord) -> DestinationForm {
    DestinationForm { name: record.name.clone(), root: record.destination.to_string(), note: record.note.clone() }
}

fn page(id: DestinationId) -> String {
    format!("/destinations/{id}")
}
