//! A verification run.

use super::{Done, workers};
use crate::{Control, restore, shelf};
use catalog::RunRecord;
use domain::{Code, DestinationId, Error, Result, display};
use engine::{Verified, verify};
use jiff::Timestamp;
use repository::{Point, Repository};
use source::Context;

impl Control {
    pub(super) async fn perform_verification(&self, run: &RunRecord, context: &Context) -> Result<Done> {
        let request = restore::Request::of(run)?;
        let (repository, point) = self.find_point(run.destination, &request).await?;
        let folder = point.place.folder().as_str().to_owned();
        let now = Timestamp::now();
        let key = self.underway.take_key(run.id);
        request.ensure_has(key.as_ref())?;
        match verify(&repository, &point, key.as_ref(), workers(), context).await {
            Ok(verified) => {
                self.catalog.set_checked(run.destination, &folder, request.label, now).await?;
                let manifest = repository.usable(&point)?;
                let (rows, size) = (manifest.archive.rows, manifest.archive.size_bytes);
                let said = match verified {
                    Verified::Checked => format!("Its {} and {} rows are what was signed.", display::size(size), display::count(rows)),
                    Verified::Stored => {
                        format!(
                            "Its {} are what was signed. It is sealed: what is in it was not looked at, without a key.",
                            display::size(size)
                        )
                    }
                };
                let notes = if verified == Verified::Stored { vec![said.clone()] } else { vec![] };
                Ok(Done { label: Some(request.label.to_string()), rows: Some(rows), notes, said, ..Done::default() })
            }
            Err(error) => {
                if matches!(error.code(), Code::Damaged | Code::BadSignature | Code::TooLarge) {
                    self.catalog.set_fault(run.destination, &folder, request.label, &error.to_string(), now).await?;
                }
                Err(error)
            }
        }
    }

    /// The backup that a restore or a verification was asked for.
    pub(crate) async fn find_point(&self, destination: DestinationId, request: &restore::Request) -> Result<(Repository, Point)> {
        let destination = self.catalog.destination(destination).await?;
        let gone = || {
            Error::new(
                Code::NotFound,
                format!("Database {:?} has no restore point {} at {} any more.", request.database, request.label, destination.name),
                "Choose another restore point.",
            )
        };
        let repository = self.open_known(&destination).await?.ok_or_else(gone)?;
        let points = repository.points(Some(&request.database)).await?;
        let found = points
            .into_iter()
            .find(|point| point.place.label() == request.label && (request.origin.is_none() || shelf::origin(point) == request.origin));
        Ok((repository, found.ok_or_else(gone)?))
    }
}
