//! The commands: parse, one call on the engine, print.

pub mod backup;
pub mod cat;
pub mod expire;
pub mod key;
pub mod list;
pub mod probe;
pub mod restore;
pub mod verify;

use crate::{
    arguments::{Chosen, Home},
    data_dir::DataDir,
};
use domain::{Code, Destination, Error, Result};
use repository::{Fingerprint, Point, Repository, layout};

/// Opens a root to read it.
async fn open(root: &Destination, home: Home, accept: Option<Fingerprint>) -> Result<Repository> {
    let data_dir = DataDir::open(home)?;
    let trust = data_dir.trust(&data_dir.instance()?, accept)?;
    Repository::open(store::open(root, store::Mode::Read).await?, trust).await
}

/// The backup that the arguments choose: by its label, else the newest that there is. A newest backup that is
/// damaged is an error and not passed over in silence.
async fn choose(chosen: &Chosen, repository: &Repository) -> Result<Point> {
    let points = candidates(chosen, repository).await?;
    if chosen.point.is_none() {
        ensure_newest_is_whole(repository, &points)?;
    }
    let found = points.into_iter().find(|point| chosen.point.is_none_or(|label| point.place.label() == label));
    found.ok_or_else(|| {
        let wanted = chosen.point.map_or_else(|| "a backup from that server".into(), |label| format!("the restore point {label}"));
        Error::new(Code::NotFound, format!("Database {:?} has no {wanted}.", chosen.database), "`rookery list` shows which there are.")
    })
}

/// An error where the newest backup cannot be used, which names the newest that can.
fn ensure_newest_is_whole(repository: &Repository, points: &[Point]) -> Result<()> {
    let Some(Err(error)) = points.first().map(|newest| repository.usable(newest)) else { return Ok(()) };
    let Some(good) = points.iter().find(|point| repository.usable(point).is_ok()) else { return Err(error) };
    let next_step = format!("The newest backup that can be used is {}: give it with --point. {}", good.place.label(), error.next_step());
    Err(Error::new(error.code(), error.to_string(), next_step).because(error))
}

/// All backups of the database, newest first; of one server.
async fn candidates(chosen: &Chosen, repository: &Repository) -> Result<Vec<Point>> {
    let mut points = repository.points(Some(&chosen.database)).await?;
    if points.is_empty() {
        return Err(Error::new(
            Code::NotFound,
            format!("There is no backup of database {:?} under this root.", chosen.database),
            "`rookery list` shows which databases there are.",
        ));
    }
    let server = |point: &Point| point.manifest.as_ref().ok().map(|manifest| manifest.server.name.clone());
    if let Some(wanted) = &chosen.server {
        points.retain(|point| server(point).is_none_or(|name| name == *wanted));
    } else if let Some(names) = several(points.iter().filter_map(server)) {
        return Err(Error::new(
            Code::Usage,
            format!("The root holds backups of database {:?} from several servers: {names}.", chosen.database),
            "Say which with --server.",
        ));
    }
    Ok(points)
}

fn several(names: impl Iterator<Item = String>) -> Option<String> {
    let names: std::collections::BTreeSet<String> = names.collect();
    (names.len() > 1).then(|| names.into_iter().collect::<Vec<_>>().join(", "))
}

/// Whether a backup is of what belongs to a whole server.
fn is_globals(database: &str) -> bool {
    database == layout::GLOBALS
}

/// Runs blocking work off the runtime's own threads.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|error| Error::internal("A worker thread ended.").because(error))?
}
