//! Which backup a moment is restored from.

use domain::{Code, Error, Result};
use jiff::Timestamp;
use repository::{Point, Repository};

/// A moment that can be restored.
#[derive(Clone, Copy, Debug)]
pub struct Moment<'a> {
    /// The backup whose range holds it.
    pub point: &'a Point,
    /// The moment itself, unless it is the backup's end.
    pub until: Option<Timestamp>,
}

/// The backup among `points` from which the moment `at` can be restored: one that covers it, or that ended with it.
///
/// # Errors
/// [`Code::NotFound`], with the nearest that can be.
pub fn at<'a>(repository: &Repository, points: &'a [Point], at: Timestamp) -> Result<Moment<'a>> {
    let usable = || points.iter().filter_map(|point| Some((point, repository.usable(point).ok()?)));
    let covering = usable().filter_map(|(point, manifest)| Some((point, manifest.covered()?)));
    // Of several the newest: it was taken by who knew more.
    let found = covering.filter(|(_, covered)| covered.holds(at)).max_by_key(|(point, _)| point.place.label());
    if let Some((point, covered)) = found {
        return Ok(Moment { point, until: Some(at).filter(|at| *at < covered.to) });
    }
    if let Some((point, _)) = usable().find(|(point, _)| point.place.label().at() == at) {
        return Ok(Moment { point, until: None });
    }
    let before = usable().map(|(point, _)| point.place.label()).filter(|label| label.at() < at).max();
    let after = usable().map(|(point, _)| point.place.label()).filter(|label| label.at() > at).min();
    let nearest = match (before, after) {
        (None, None) => "There is no restore point at all.".into(),
        (Some(before), None) => format!("The last restore point before it is {before}."),
        (None, Some(after)) => format!("The first restore point after it is {after}."),
        (Some(before), Some(after)) => format!("The restore points next to it are {before} and {after}."),
    };
    Err(Error::new(
        Code::NotFound,
        format!("No backup can restore the moment {at}. {nearest}"),
        "Choose one of the restore points; only a chain that follows the server's stream of changes restores moments between them.",
    ))
}
