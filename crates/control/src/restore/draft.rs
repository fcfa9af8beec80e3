//! The restore wizard, step by step: each step knows what the steps before it chose.

use super::{Order, Request, name};
use crate::{Control, backup::asked_for, shelf};
use catalog::{DestinationRecord, ServerRecord};
use domain::{
    FieldError, RestoreForm, Result,
    form::is_on,
    view::{
        Page,
        backup::FolderQuery,
        restore::{RestorePreview, RestoreReview},
    },
};
use jiff::Timestamp;
use repository::{Manifest, layout::GLOBALS};

/// The wizard so far.
struct Draft<'a> {
    control: &'a Control,
    form: &'a RestoreForm,
    query: &'a FolderQuery,
    preview: RestorePreview,
}

impl Control {
    /// Fills in as much as the form gives. There is an order if nothing is wrong.
    pub(super) async fn draft_restore(&self, form: &RestoreForm, query: &FolderQuery) -> Result<(RestorePreview, Option<Order>)> {
        let preview = RestorePreview {
            errors: vec![],
            destinations: vec![],
            folders: Page::default(),
            has_globals: false,
            dbms: None,
            points: vec![],
            targets: vec![],
            proposed_name: None,
            review: None,
            now: Timestamp::now(),
        };
        let mut draft = Draft { control: self, form, query, preview };
        let destination = draft.destination().await?;
        let manifest = match &destination {
            Some(destination) => draft.point(destination).await?,
            None => {
                draft.wrong("database", "Choose the database.");
                draft.wrong("point", "Choose the restore point.");
                None
            }
        };
        let until = manifest.as_ref().and_then(|lineage| draft.moment(lineage.last()?));
        let server = draft.target(manifest.as_ref().and_then(|lineage| lineage.last())).await?;
        let chosen = destination.zip(manifest).zip(server).filter(|_| draft.preview.errors.is_empty());
        let Some(((destination, lineage), server)) = chosen else { return Ok((draft.preview, None)) };
        let Some(manifest) = lineage.last() else { return Ok((draft.preview, None)) };
        draft.preview.review = Some(review(&lineage, manifest, &server));
        let request = Request {
            database: manifest.database.clone(),
            origin: Some(manifest.server.name.clone()),
            label: manifest.label,
            until,
            no_owner: is_on(&form.no_owner),
            create_roles: is_on(&form.create_roles),
            with_key: manifest.sealed(),
        };
        Ok((draft.preview, Some(Order { destination, server, request, name: form.name.clone() })))
    }
}

impl Draft<'_> {
    fn wrong(&mut self, field: &str, sentence: impl Into<String>) {
        self.preview.errors.push(FieldError { field: field.into(), sentence: sentence.into() });
    }

    /// Where from.
    async fn destination(&mut self) -> Result<Option<DestinationRecord>> {
        let all = self.control.catalog.destinations().await?;
        self.preview.destinations = all.iter().map(|it| (it.id, it.name.clone(), it.destination.to_string())).collect();
        if self.form.destination.trim().is_empty() {
            self.wrong("destination", "Choose where the backup is.");
            return Ok(None);
        }
        let chosen = all.into_iter().find(|it| it.id.to_string() == self.form.destination.trim());
        if chosen.is_none() {
            self.wrong("destination", "This destination is not there any more. Choose another one.");
        }
        Ok(chosen)
    }

    /// Which database folder and which restore point.
    async fn point(&mut self, destination: &DestinationRecord) -> Result<Option<Vec<Manifest>>> {
        match self.control.folders(destination).await {
            Ok((folders, _)) if folders.is_empty() => self.wrong("destination", "There are no backups at this destination yet."),
            Ok((folders, globals)) => {
                self.preview.folders = asked_for(folders, self.query);
                self.preview.has_globals = !globals.is_empty();
            }
            Err(error) => self.wrong("destination", format!("{error} {}", error.next_step())),
        }
        if self.form.database.is_empty() {
            self.wrong("database", "Choose the database.");
            self.wrong("point", "Choose the restore point.");
            return Ok(None);
        }
        if self.form.database == GLOBALS {
            self.wrong(
                "database",
                "Roles and tablespaces are no database of their own: choose a database, and let missing roles be created.",
            );
            return Ok(None);
        }
        let is_origin = |origin: Option<&str>| self.form.origin.is_empty() || origin == Some(self.form.origin.as_str());
        match self.control.points(destination, &self.form.database).await {
            Ok(points) => {
                self.preview.points = points.into_iter().map(|(_, line)| line).filter(|line| is_origin(line.origin.as_deref())).collect();
            }
            Err(error) => self.wrong("database", format!("{error} {}", error.next_step())),
        }
        if self.preview.points.is_empty() {
            self.wrong("database", format!("There is no backup of {:?} at this destination.", self.form.database));
            self.wrong("point", "Choose the restore point.");
            return Ok(None);
        }
        self.manifest(destination).await
    }

    /// The moment, if it is one before the end of the restore point.
    fn moment(&mut self, manifest: &Manifest) -> Option<Timestamp> {
        let wanted = self.form.at.trim();
        if wanted.is_empty() {
            return None;
        }
        let Ok(at) = wanted.parse::<Timestamp>() else {
            self.wrong("at", format!("{wanted:?} is not a moment. Give one with its offset from UTC, such as 2026-11-22T03:10:12Z."));
            return None;
        };
        match manifest.covered() {
            Some(covered) if covered.holds(at) => Some(at).filter(|at| *at < covered.to),
            Some(covered) => {
                self.wrong(
                    "at",
                    format!("This restore point covers the moments after {} up to {}. Choose one of them.", covered.from, covered.to),
                );
                None
            }
            None => {
                self.wrong("at", "This restore point can restore its own moment, and none before it.");
                None
            }
        }
    }

    /// The manifests of the restore point and of those that it builds on, its own last.
    async fn manifest(&mut self, destination: &DestinationRecord) -> Result<Option<Vec<Manifest>>> {
        let wanted = self.form.point.trim();
        if wanted.is_empty() {
            self.wrong("point", "Choose the restore point.");
            return Ok(None);
        }
        let line = self.preview.points.iter().find(|line| line.label.to_string() == wanted);
        let Some(line) = line else {
            self.wrong("point", "This restore point is not there any more. Choose another one.");
            return Ok(None);
        };
        let (label, origin, fault) = (line.label, line.origin.clone(), line.fault.clone());
        if let Some(fault) = fault {
            self.wrong("point", format!("This restore point cannot be used. {fault}"));
            return Ok(None);
        }
        match self.usable(destination, label, origin).await {
            Ok(lineage) => Ok(Some(lineage)),
            Err(error) => {
                let told = crate::execute::told(&error);
                self.wrong("point", format!("{} {}", told.sentence, told.next_step));
                Ok(None)
            }
        }
    }

    async fn usable(&self, destination: &DestinationRecord, label: domain::Label, origin: Option<String>) -> Result<Vec<Manifest>> {
        let gone = || domain::Error::new(domain::Code::NotFound, "This restore point is not there any more.", "Choose another one.");
        let repository = self.control.open_known(destination).await?.ok_or_else(gone)?;
        let points = repository.points(Some(&self.form.database)).await?;
        let point = points.iter().find(|point| point.place.label() == label && shelf::origin(point) == origin).ok_or_else(gone)?;
        repository.lineage(point).await?.iter().map(|point| repository.usable(point).cloned()).collect()
    }

    /// Which server gets the new database, and its name.
    async fn target(&mut self, manifest: Option<&Manifest>) -> Result<Option<ServerRecord>> {
        let Some(manifest) = manifest else {
            self.wrong("server", "Choose the server that gets the new database.");
            self.wrong("name", "Give the new database a name.");
            return Ok(None);
        };
        self.preview.dbms = Some(manifest.server.dbms);
        let mut servers = self.control.catalog.servers().await?;
        servers.retain(|server| server.server.dbms() == manifest.server.dbms);
        let is_origin = |server: &ServerRecord| server.instance.as_ref() == Some(&manifest.server.instance);
        self.preview.targets = servers.iter().map(|server| (server.id, server.server.name.clone(), is_origin(server))).collect();
        let wanted = self.form.server.trim();
        let chosen = servers.iter().find(|server| server.id.to_string() == wanted);
        let usual = chosen.or_else(|| servers.iter().find(|server| is_origin(server))).or_else(|| servers.first());
        let taken = match usual {
            Some(server) => self.control.catalog.databases(server.id).await?,
            None => vec![],
        };
        let is_taken = |name: &str| taken.iter().any(|database| database.name == name && database.gone_at.is_none());
        self.preview.proposed_name = usual.map(|_| name::propose(&manifest.database, manifest.server.dbms, is_taken));
        if servers.is_empty() {
            self.wrong("server", format!("No {} server is known here. Add one first.", manifest.server.dbms));
        } else if wanted.is_empty() {
            self.wrong("server", "Choose the server that gets the new database.");
        } else if chosen.is_none() {
            self.wrong("server", "This server is not there any more, or of another kind. Choose another one.");
        }
        if let Some(fault) = name::fault(&self.form.name, manifest.server.dbms) {
            self.wrong("name", fault);
        } else if let Some(server) = chosen.filter(|_| is_taken(&self.form.name)) {
            self.wrong("name", name::taken_sentence(&self.form.name, &server.server.name));
        }
        Ok(chosen.cloned())
    }
}

fn review(lineage: &[Manifest], manifest: &Manifest, server: &ServerRecord) -> RestoreReview {
    let into_version = server.seen.as_ref().and_then(|seen| seen.version.clone());
    let mut notes = vec![];
    if server.instance.as_ref() != Some(&manifest.server.instance) {
        notes.push(format!("The backup came from {}; the new database goes to another server.", manifest.server.name));
    }
    if let Some(into) = into_version.as_deref().filter(|into| major(into) < major(&manifest.server.version)) {
        notes.push(format!(
            "The server has version {into}, which is older than {}: what it does not know cannot be restored there.",
            manifest.server.version
        ));
    }
    if let Some(error) = server.seen.as_ref().and_then(|seen| seen.error.as_ref()) {
        notes.push(format!("The server could not be reached at the last look: {}", error.sentence));
    }
    RestoreReview {
        files: lineage.len() as u64,
        size_bytes: lineage.iter().map(|manifest| manifest.archive.size_bytes).sum(),
        plain_bytes: lineage.iter().map(|manifest| manifest.archive.plain_bytes).sum(),
        rows: lineage.iter().map(|manifest| manifest.archive.rows).sum(),
        from_version: manifest.server.version.clone(),
        into_version,
        notes,
        obstacle: None,
    }
}

/// The first number of a version.
fn major(version: &str) -> Option<u32> {
    version.split(|c: char| !c.is_ascii_digit()).find(|part| !part.is_empty())?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn versions_are_compared_by_their_first_number() {
        assert!(major("PostgreSQL 9.6") < major("15.18 (Debian)") && major("").is_none());
    }
}
