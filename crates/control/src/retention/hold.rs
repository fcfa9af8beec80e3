//! Chains that somebody pins: they stay until they are released.

use crate::{Control, Operate, Permit};
use catalog::HoldRecord;
use domain::{Code, DestinationId, Error, Result};
use jiff::Timestamp;
use store::ObjectName;

/// Longest note, in characters.
const MOST: usize = 500;

impl Control {
    /// Pins a chain, by its folder from the root on, with a note that says what for.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such chain; [`Code::Invalid`] at the field `note`.
    pub async fn hold_chain(&self, permit: &Permit<Operate>, id: DestinationId, folder: &str, note: &str) -> Result<()> {
        let (destination, note) = (self.catalog.destination(id).await?, note.trim());
        if note.chars().count() > MOST || note.chars().any(char::is_control) {
            return Err(Error::invalid_field("note", format!("Use one line of at most {MOST} characters.")));
        }
        let repository = self.open_known(&destination).await?.ok_or_else(no_chain)?;
        let name = ObjectName::new(folder).map_err(|_| no_chain())?;
        // Whatever is about to go has gone, or stays, before it is decided whether this one is there.
        let _turn = self.underway.retention.chains_at(id).await;
        let points = repository.points_of_chain(&name).await?;
        let database = points.first().ok_or_else(no_chain)?.database();
        let (by, said) = (permit.actor().name().to_owned(), format!("{folder} at {}. {note}", destination.name));
        let hold = HoldRecord { destination: id, folder: folder.into(), note: note.into(), held_by: by, held_at: Timestamp::now() };
        self.catalog.hold(&hold, &permit.audit("chain held", &database, Some(format!("/backups/{id}")), said)).await
    }

    /// Lets a chain that was pinned go when its time comes.
    ///
    /// # Errors
    /// [`Code::NotFound`] if it is not pinned.
    pub async fn release_chain(&self, permit: &Permit<Operate>, id: DestinationId, folder: &str) -> Result<()> {
        let destination = self.catalog.destination(id).await?;
        let said = format!("{folder} at {}.", destination.name);
        self.catalog.release(id, folder, &permit.audit("chain released", folder, Some(format!("/backups/{id}")), said)).await
    }
}

fn no_chain() -> Error {
    Error::new(Code::NotFound, "There is no such chain any more.", "Load the page again and choose from what is there.")
}
