//! A backup run.

use super::{Done, workers};
use crate::{Control, shelf, underway::Ground};
use catalog::{RoundRecord, RunRecord};
use domain::{BackupKind, ChainLimit, DestinationId, Error, Result, RoundId, ServerId, display};
use engine::{BackedUp, BackupRequest, Follow, Outcome, backup_and_close};
use jiff::Timestamp;
use seal::PublicKey;
use serde::{Deserialize, Serialize};
use source::{Context, Scope};
use std::{collections::HashMap, sync::Arc};

/// Why a backup is of the kind that was asked for. Where it becomes another one, the engine says why.
fn reason(run: &RunRecord, asked: &Asked) -> &'static str {
    match run.wanted {
        _ if asked.owed => "The full backup that was due before failed: this one is made in its place.",
        Some(BackupKind::Incremental) => "An incremental backup was asked for.",
        _ => "A full backup was asked for.",
    }
}

/// What a backup was asked for beside its database; kept with the run, for those whose task is gone and for those that never had one.
/// Else the task counts as it is when the run begins: who seals from now on finds no archive after that which is not sealed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Asked {
    /// Whether it is for what belongs to the whole server, and not for a database that has the same name.
    pub globals: bool,
    /// The keys that the archive is sealed for.
    pub recipients: Vec<PublicKey>,
    /// The longest that the chain may grow that it may become a part of.
    pub limit: ChainLimit,
    /// Whether it makes up for a full backup that failed.
    pub owed: bool,
    /// Whether incrementals may come after it, for which the server and the data directory keep something.
    pub follow: bool,
}

impl Asked {
    /// The request of a run.
    pub fn to_request(&self) -> Result<Option<serde_json::Value>> {
        serde_json::to_value(self).map(Some).map_err(|error| Error::internal("What was asked for cannot be kept.").because(error))
    }

    fn of(run: &RunRecord) -> Result<Self> {
        let Some(request) = run.request.clone() else { return Ok(Self::default()) };
        serde_json::from_value(request).map_err(|error| Error::internal("What the run was asked for cannot be read.").because(error))
    }

    fn scope(&self, run: &RunRecord) -> Scope {
        if self.globals { Scope::Globals } else { Scope::Database(run.database.clone()) }
    }
}

impl Control {
    pub(super) async fn perform_backup(&self, run: &RunRecord, context: &Context) -> Result<Done> {
        let id = run.round.ok_or_else(|| Error::internal("A backup belongs to no round."))?;
        let server = run.server.ok_or_else(|| Error::internal("A backup is of no server."))?;
        let mut closed = vec![];
        let made = self.back_up(id, server, run, &mut closed, context).await;
        for closing in &closed {
            self.put_on_shelf(closing, run.destination).await;
        }
        let backed_up = match made {
            Ok(Outcome::BackedUp(backed_up)) => backed_up,
            Ok(Outcome::Unchanged(last)) => {
                self.catalog.set_current(run.destination, last.folder().as_str(), last.label(), Timestamp::now()).await?;
                let said = "No changes since the last backup: nothing was written.";
                return Ok(Done { reason: Some(said.into()), said: said.into(), ..Done::default() });
            }
            Err(error) => {
                // Whatever is wrong with the server or the place, the next run looks at them anew.
                self.underway.drop_ground(id, server);
                return Err(error);
            }
        };
        let manifest = &backed_up.manifest;
        let mut notes = backed_up.notes.clone();
        let suspicion = self.put_on_shelf(&backed_up, run.destination).await;
        notes.extend(suspicion.map(|why| format!("{why} It does not count as a good one.")));
        Ok(Done {
            label: Some(manifest.label.to_string()),
            stored_bytes: Some(manifest.archive.size_bytes),
            rows: Some(manifest.archive.rows),
            reason: Some(manifest.reason.clone()),
            notes,
            said: format!(
                "Backed up and verified: {} {}, {} stored.",
                display::count(manifest.archive.rows),
                if manifest.archive.rows == 1 { "row" } else { "rows" },
                display::size(manifest.archive.size_bytes)
            ),
            ..Done::default()
        })
    }

    /// Writes a new backup down, and says why it is suspicious if it is.
    async fn put_on_shelf(&self, made: &BackedUp, destination: DestinationId) -> Option<String> {
        let noted = self.note_backup(made, destination).await;
        noted.unwrap_or_else(|error| {
            tracing::warn!(?error, "a new backup is not in the catalog yet; the next reading of its repository will find it");
            None
        })
    }

    async fn note_backup(&self, made: &BackedUp, destination: DestinationId) -> Result<Option<String>> {
        let record = shelf::record_at(&made.place, &made.manifest, destination, true, Timestamp::now());
        let mut records = self.catalog.backups_of(destination, Some(&made.manifest.database)).await?;
        records.push(record);
        shelf::suspect(&mut records);
        let Some(record) = records.pop() else { return Ok(None) };
        self.catalog.upsert_backup(&record).await?;
        Ok(record.suspicion)
    }

    /// What the run makes; `closed` gets what was made before it to end a chain.
    async fn back_up(
        &self,
        id: RoundId,
        server: ServerId,
        run: &RunRecord,
        closed: &mut Vec<BackedUp>,
        context: &Context,
    ) -> Result<Outcome> {
        let ground = self.ground_of(id, server, context).await?;
        let round = self.catalog.round(id).await?;
        let asked = self.asked(&round, run).await?;
        let (scope, reason) = (asked.scope(run), reason(run, &asked).into());
        let destination = self.catalog.destination(run.destination).await?.destination;
        let doubts = self.doubts(run, &ground.server.instance).await?;
        let request = BackupRequest {
            source: Arc::clone(&ground.source),
            server: ground.server.clone(),
            scope,
            repository: ground.repository.clone(),
            instance: Arc::clone(&self.instance),
            recipients: asked.recipients,
            task: Some(round.task_name),
            kind: run.wanted.unwrap_or(BackupKind::Full),
            reason,
            doubts,
            limit: asked.limit,
            follow: asked.follow.then(|| Follow::new(&destination, self.chains())),
            workers: workers(),
        };
        backup_and_close(&request, closed, context).await
    }

    /// What a run is asked for by now. What was to be sealed stays so, even if its task does not seal any more.
    async fn asked(&self, round: &RoundRecord, run: &RunRecord) -> Result<Asked> {
        let kept = Asked::of(run)?;
        if round.task.is_none() {
            return Ok(kept);
        }
        let now = self.ordered(round).await?;
        let recipients = if now.recipients.is_empty() { kept.recipients } else { now.recipients };
        Ok(Asked { globals: kept.globals, owed: kept.owed, recipients, ..now })
    }

    /// Lets runs that are tried again be asked for what their round is ordered by now.
    pub(crate) async fn ask_anew(&self, round: &RoundRecord, runs: &mut [RunRecord]) -> Result<()> {
        let now = self.ordered(round).await?;
        for run in runs {
            let kept = Asked::of(run)?;
            run.request = Asked { globals: kept.globals, owed: kept.owed, ..now.clone() }.to_request()?;
        }
        Ok(())
    }

    /// What each run of a round is asked for by now.
    async fn ordered(&self, round: &RoundRecord) -> Result<Asked> {
        let (order, limit, follow) = self.order_of(round).await?;
        Ok(Asked { recipients: self.recipients(&order.recipients).await?, limit, follow, ..Asked::default() })
    }

    /// Chains of a database that shall not go on, by folder: a verification of one of their backups failed.
    async fn doubts(&self, run: &RunRecord, instance: &str) -> Result<HashMap<String, String>> {
        let mut doubts = HashMap::new();
        // They come newest first.
        for record in self.catalog.backups_of(run.destination, Some(&run.database)).await? {
            if let Some(fault) = record.verify_fault.filter(|_| record.server_instance.as_deref() == Some(instance)) {
                doubts.entry(record.folder).or_insert_with(|| format!("A verification of its chain failed: {fault}"));
            }
        }
        Ok(doubts)
    }

    /// What the runs of the round on a server share; opened anew after a restart or a failure.
    async fn ground_of(&self, id: RoundId, server: ServerId, context: &Context) -> Result<Arc<Ground>> {
        if let Some(ground) = self.underway.ground(id, server) {
            return Ok(ground);
        }
        let round = self.catalog.round(id).await?;
        let record = self.catalog.server(server).await?;
        let destination = self.catalog.destination(round.destination).await?;
        let source = self.open_source(&record).await?;
        let (asked, watched) = (Arc::clone(&source), context.clone());
        let identity = crate::blocking(move |_| asked.identify(&watched)).await?;
        let ground = self.open_ground(source, &record, identity, &destination).await?;
        self.underway.keep_ground(id, server, &ground);
        Ok(ground)
    }
}
