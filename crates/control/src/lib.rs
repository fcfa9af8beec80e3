//! Decides: who may, what is due, what happened.
//!
//! Everything that the console shows or changes goes through [`Control`]. Each method that a person can reach takes a
//! [`Permit`] first, and only a signed-in [`Actor`] can ask for one.

mod actor;
mod audit;
mod backup;
mod cause;
mod conflict;
mod destination;
mod download;
mod execute;
mod key;
mod live;
mod metrics;
mod overview;
mod pace;
mod people;
mod prepare;
mod queue;
mod reconcile;
mod restore;
mod retention;
mod round;
mod run;
mod safe;
mod screen;
mod server;
mod settings;
mod shelf;
mod start;
mod survey;
mod task;
mod underway;
mod unused;

pub use actor::{Actor, Administer, Level, Operate, Permit, View};
pub use download::{Download, Wanted};
pub use people::{Caller, SignedIn};
pub use round::OneDatabase;
pub use safe::Safe;
pub use start::Claim;

use catalog::Catalog;
use domain::{Error, Result};
use repository::{Fingerprint, Instance, Trust};
use std::{
    ops::Deref,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

/// Writes down an instance whose repositories are trusted from now on, and returns all of them.
pub type Accept = Box<dyn Fn(Fingerprint) -> Result<Trust> + Send + Sync>;

/// What the console is made of.
pub struct Options {
    /// Its own database.
    pub catalog: Catalog,
    /// What seals the secrets in it.
    pub safe: Safe,
    /// This installation, which signs what it writes.
    pub instance: Arc<Instance>,
    /// Whose repositories are trusted.
    pub trust: Trust,
    /// Adds an instance to them for good.
    pub accept: Accept,
    /// Where keys and locks lie.
    pub data_dir: PathBuf,
    /// Version of the console.
    pub version: &'static str,
    /// A folder of sample databases that is offered as the first server.
    pub sample: Option<PathBuf>,
    /// The root that is offered with it.
    pub sample_root: Option<PathBuf>,
}

/// The console. Cheap to clone; all clones are the same one.
#[derive(Clone)]
pub struct Control(Arc<Inner>);

/// What the parts of the console share. Nothing of it can be reached from outside.
#[doc(hidden)]
pub struct Inner {
    pub(crate) catalog: Catalog,
    pub(crate) safe: Safe,
    pub(crate) instance: Arc<Instance>,
    trust: RwLock<Trust>,
    accept: Accept,
    pub(crate) data_dir: PathBuf,
    pub(crate) version: &'static str,
    pub(crate) sample: Option<PathBuf>,
    pub(crate) sample_root: Option<PathBuf>,
    pub(crate) people: people::People,
    pub(crate) rooms: destination::Rooms,
    pub(crate) underway: underway::Underway,
    pub(crate) drills: key::Drills,
}

impl Deref for Control {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Control {
    /// Opens the console. Nothing runs in the background yet.
    ///
    /// # Errors
    /// If the catalog or the data directory cannot be used.
    pub async fn open(options: Options) -> Result<Self> {
        let people = people::People::open(&options.catalog, &options.data_dir).await?;
        Ok(Self(Arc::new(Inner {
            catalog: options.catalog,
            safe: options.safe,
            instance: options.instance,
            trust: RwLock::new(options.trust),
            accept: options.accept,
            data_dir: options.data_dir,
            version: options.version,
            sample: options.sample,
            sample_root: options.sample_root,
            people,
            rooms: destination::Rooms::default(),
            underway: underway::Underway::default(),
            drills: key::Drills::default(),
        })))
    }
}

impl Inner {
    /// Whose repositories are trusted.
    pub(crate) fn trust(&self) -> Trust {
        self.trust.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Trusts one more instance, for good.
    pub(crate) fn accept(&self, instance: Fingerprint) -> Result<()> {
        let mut trust = self.trust.write().unwrap_or_else(PoisonError::into_inner);
        *trust = (self.accept)(instance)?;
        Ok(())
    }
}

/// Runs work that blocks on a thread for that, and waits for it. Work on a server looks at the context, which is cancelled
/// when nobody waits any more.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce(&source::Context) -> Result<T> + Send + 'static) -> Result<T> {
    let context = source::Context::default();
    let _cancelled_when_dropped = context.cancel.clone().drop_guard();
    tokio::task::spawn_blocking(move || work(&context)).await.map_err(|error| Error::internal("A worker thread ended.").because(error))?
}

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;
