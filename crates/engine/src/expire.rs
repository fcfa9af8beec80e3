//! Deletes the chains that no rule keeps: what lies under a root becomes what the rules see, and what they let go is removed.

use crate::verify;
use domain::{
    Code, Error, Label, Result,
    retention::{Chain, Condition, Decision, Measure, Wish, agreed},
};
use jiff::Timestamp;
use repository::{
    Manifest, Point, Repository, ServerRef,
    layout::{GLOBALS, database_folder},
};
use source::Context;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

/// The chains of one database of one server.
#[derive(Debug)]
pub struct Group {
    /// The database.
    pub database: String,
    /// The server that it came from, as the newest of its manifests names it; none where no manifest can be read.
    pub server: Option<ServerRef>,
    /// Its chains.
    pub chains: Vec<Arc<Vec<Point>>>,
}

/// A backup, by the folder of its chain and its label.
pub type Name = (String, Label);

/// What is known of backups beside what lies under their root.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Folders of chains that must not go, each with the reason, a sentence.
    pub held: HashMap<String, String>,
    /// What verifications found wrong with backups, a sentence each.
    pub faults: HashMap<Name, String>,
    /// Backups that were read back and held so lately that this need not be done again.
    pub proven: HashSet<Name>,
    /// Why newer backups fail, if they do.
    pub failing: Option<String>,
}

/// The chains of each database. Those of two servers never push each other out, whatever the servers are called. A chain of which no
/// manifest can be read belongs to every database whose it can be: there it stays, and stands in the way if it is the newest.
///
/// # Errors
/// [`Code::Usage`] for a name that no folder can have.
pub fn groups(points: Vec<Point>) -> Result<Vec<Group>> {
    let mut folders: BTreeMap<String, Vec<Point>> = BTreeMap::new();
    for point in points {
        folders.entry(point.place.folder().as_str().to_owned()).or_default().push(point);
    }
    let (mut groups, mut unknown) = (BTreeMap::<(String, String), Group>::new(), vec![]);
    for points in folders.into_values() {
        let Some(manifest) = points.iter().find_map(|point| point.manifest.as_ref().ok()) else {
            unknown.push(points);
            continue;
        };
        let (database, server) = (manifest.database.clone(), manifest.server.clone());
        let group =
            groups.entry((database.clone(), server.instance.clone())).or_insert_with(|| Group { database, server: None, chains: vec![] });
        group.server = Some(server);
        group.chains.push(Arc::new(points));
    }
    let mut groups: Vec<Group> = groups.into_values().collect();
    for points in unknown.into_iter().map(Arc::new) {
        let folder = points[0].place.folder().segments().next().unwrap_or_default().to_owned();
        let mut is_placed = false;
        for group in &mut groups {
            if database_folder(&group.database)?.as_str() == folder {
                group.chains.push(Arc::clone(&points));
                is_placed = true;
            }
        }
        if !is_placed {
            groups.push(Group { database: points[0].database(), server: None, chains: vec![points] });
        }
    }
    Ok(groups)
}

impl Group {
    /// What becomes of each chain, as far as that can be told without reading archives.
    #[must_use]
    pub fn decide(&self, repository: &Repository, wishes: &[Wish], known: &Known, now: Timestamp) -> Vec<Decision> {
        agreed(&self.judged(repository, known), wishes, known.failing.as_deref(), now)
    }

    /// The same before anything goes: the newest good one is read back first. What only looks whole is nothing to delete others for.
    ///
    /// # Errors
    /// [`Code::Cancelled`].
    pub async fn decide_for_good(
        &self,
        repository: &Repository,
        wishes: &[Wish],
        known: &Known,
        now: Timestamp,
        context: &Context,
    ) -> Result<Vec<Decision>> {
        let decisions = self.decide(repository, wishes, known, now);
        Ok(match self.fault_of_newest(repository, &decisions, known, now, &mut vec![], context).await? {
            None => decisions,
            Some(((_, label), error)) => {
                let failing = Some(format!("The newest backup, {label}, does not hold: {error}"));
                self.decide(repository, wishes, &Known { failing, ..known.clone() }, now)
            }
        })
    }

    /// Reads the newest good chain back, if these decisions let anything go, and tells what does not hold; `held` gets what does.
    ///
    /// # Errors
    /// [`Code::Cancelled`].
    pub async fn fault_of_newest(
        &self,
        repository: &Repository,
        decisions: &[Decision],
        known: &Known,
        now: Timestamp,
        held: &mut Vec<Name>,
        context: &Context,
    ) -> Result<Option<(Name, Error)>> {
        if decisions.iter().all(|decision| decision.keep) {
            return Ok(None);
        }
        let chains = self.judged(repository, known);
        let newest = (0..chains.len()).filter(|at| decisions[*at].keep && chains[*at].condition == Condition::Whole);
        let Some(newest) = newest.max_by_key(|at| (chains[*at].began_at <= now, chains[*at].began_at)) else { return Ok(None) };
        for point in self.chains[newest].iter().filter(|point| !known.proven.contains(&name(point))) {
            match verify(repository, point, None, 1, context).await {
                Ok(_) => held.push(name(point)),
                Err(error) if error.code() == Code::Cancelled => return Err(error),
                Err(error) => return Ok(Some((name(point), error))),
            }
        }
        Ok(None)
    }

    /// What the rules see of each chain.
    #[must_use]
    pub fn judged(&self, repository: &Repository, known: &Known) -> Vec<Chain> {
        let mut chains: Vec<_> = self.chains.iter().map(|points| self.chain(repository, points, known)).collect();
        let followed = (0..chains.len()).filter(|at| self.is_followed(*at)).max_by_key(|at| chains[*at].began_at);
        let newest = chains.iter().map(|chain| chain.began_at).max();
        // The newest by its beginning may be a backup that was made once, and ended no chain.
        if let (Some(at), Some(newest)) = (followed, newest)
            && (chains[at].began_at < newest && newest <= chains[at].ended_at)
        {
            chains[at].held.get_or_insert_with(|| "Incremental backups go on with it.".into());
        }
        chains
    }

    /// Whether others are meant to come after the last one of a chain.
    fn is_followed(&self, at: usize) -> bool {
        let last = self.chains[at].iter().max_by_key(|point| point.place.label());
        last.and_then(|last| last.manifest.as_ref().ok()).is_some_and(Manifest::is_followed)
    }

    fn chain(&self, repository: &Repository, points: &[Point], known: &Known) -> Chain {
        let times = || points.iter().map(|point| point.place.label().at());
        let full = points.iter().min_by_key(|point| point.place.label()).and_then(|point| point.manifest.as_ref().ok());
        let faults: Vec<Error> = points.iter().filter_map(|point| repository.usable(point).err()).collect();
        // What cannot be read, or was signed by somebody else, is not known to be ours.
        let foreign = faults.iter().find(|error| error.code() != Code::Damaged || full.is_none());
        let verified = || points.iter().find_map(|point| known.faults.get(&name(point)).cloned());
        let condition = match (foreign, faults.first().map(ToString::to_string).or_else(verified)) {
            (Some(error), _) => Condition::Foreign(error.to_string()),
            (None, Some(fault)) => Condition::Damaged(fault),
            (None, None) => Condition::Whole,
        };
        // A database may have the name under which these lie, and nothing tells the two apart.
        let globals = (self.database == GLOBALS).then(|| "Roles and tablespaces are small, and stay.".to_owned());
        let folder = points.first().map_or("", |point| point.place.folder().as_str());
        Chain {
            began_at: times().min().unwrap_or(Timestamp::MAX),
            ended_at: times().max().unwrap_or(Timestamp::MAX),
            measure: full.map_or(Measure { size_bytes: 0, rows: 0 }, |manifest| Measure {
                size_bytes: manifest.archive.plain_bytes,
                rows: manifest.archive.rows,
            }),
            condition,
            held: globals.or_else(|| known.held.get(folder).cloned()),
        }
    }
}

/// What a backup is known by.
#[must_use]
pub fn name(point: &Point) -> Name {
    (point.place.folder().as_str().to_owned(), point.place.label())
}
