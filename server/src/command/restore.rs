//! `rookery restore`

use crate::{
    Exit,
    arguments::{Home, Restore},
    credentials,
    output::Output,
    output::harmless,
    progress::Progress,
};
use domain::{Code, Comparison, Error, Meter, Result, display};
use engine::{RestoreRequest, Restored, TableOutcome, restore, restore::Moment};
use jiff::Timestamp;
use serde::Serialize;
use source::Context;
use std::{sync::Arc, time::Duration};

/// The JSON document.
#[derive(Serialize)]
struct Report<'a> {
    database: &'a str,
    into: &'a str,
    result: &'static str,
    point: String,
    /// The moment that was asked for, if it lies before the end of the restore point.
    at: Option<Timestamp>,
    proven: bool,
    tables: &'a [TableOutcome],
    compared: &'a [Comparison],
    notes: &'a [String],
    load_seconds: f64,
    compare_seconds: f64,
    error: Option<Error>,
}

/// Restores one database under a new name.
pub async fn run(arguments: Restore, home: Home, output: &Output, context: &Context) -> Result<Exit> {
    // Before anything is shown or begun: it may ask for a passphrase.
    let key = arguments.opening.key()?;
    let repository = super::open(&arguments.chosen.root, home, arguments.accept.accept_instance).await?;
    let points = match arguments.at {
        Some(_) => super::candidates(&arguments.chosen, &repository).await?,
        None => vec![super::choose(&arguments.chosen, &repository).await?],
    };
    let moment = match (arguments.at, points.first()) {
        (Some(at), _) => engine::restore::at(&repository, &points, at)?,
        (None, Some(point)) => Moment { point, until: None },
        (None, None) => return Err(Error::internal("No backup was chosen.")),
    };
    let workers = std::thread::available_parallelism().map_or(2, usize::from).clamp(2, 4);
    let server = credentials::server(&arguments.into)?;
    let source: Arc<dyn source::Source> = source::open(&server, workers)?.into();
    let (sweeping, swept) = (Arc::clone(&source), context.clone());
    super::blocking(move || sweeping.sweep(&swept)).await?;

    let meter: Arc<Meter> = Arc::default();
    let watched = Context { meter: Arc::clone(&meter), ..context.clone() };
    let progress = Progress::new(1);
    progress.watch(&arguments.name, &meter);
    let request = RestoreRequest {
        source,
        repository,
        name: arguments.name.clone(),
        no_owner: arguments.no_owner,
        create_roles: arguments.create_roles,
        only_table: arguments.table,
        keep_different: arguments.keep_different,
        key,
        until: moment.until,
    };
    let restored = restore(&request, moment.point, &watched).await?;
    progress.done(&arguments.name, &outcome(&restored));
    drop(progress);
    report(&arguments.chosen.database, &request, &restored, output)
}

fn report(database: &str, request: &RestoreRequest, restored: &Restored, output: &Output) -> Result<Exit> {
    let error = (!restored.proven()).then(|| difference(request, restored));
    let is_of_the_moment = restored.elsewhere().next().is_none();
    let (result, exit) = match (&error, is_of_the_moment) {
        (Some(_), _) => ("failed", Exit::Failed),
        (None, true) => ("succeeded", Exit::Done),
        (None, false) => ("partly", Exit::Partly),
    };
    let document = Report {
        database,
        into: &request.name,
        result,
        point: restored.point.to_string(),
        at: restored.until,
        proven: error.is_none() && is_of_the_moment,
        tables: &restored.tables,
        compared: &restored.compared,
        notes: &restored.notes,
        load_seconds: restored.load_seconds,
        compare_seconds: restored.compare_seconds,
        error,
    };
    let notes: String =
        restored.compared_in_words().chain(restored.notes.iter().cloned()).map(|note| format!("  · {}\n", harmless(&note))).collect();
    output.result(&document, || match &document.error {
        None if !is_of_the_moment => format!(
            "{} is restored as {}, but not as it was at the moment that was asked for: {}. The rest is proven: {}.\n{notes}",
            harmless(database),
            harmless(&request.name),
            harmless(&restored.elsewhere().collect::<Vec<_>>().join(", ")),
            outcome(restored)
        ),
        None => format!("{} is restored as {} and proven: {}.\n{notes}", harmless(database), harmless(&request.name), outcome(restored)),
        Some(error) => format!("{}\n{notes}", crate::output::sentence(error)),
    })?;
    Ok(exit)
}

fn outcome(restored: &Restored) -> String {
    let rows: u64 = restored.tables.iter().map(|table| table.rows).sum();
    let equal = restored.tables.iter().filter(|table| table.equal).count();
    let seconds = Duration::from_secs_f64(restored.load_seconds + restored.compare_seconds);
    format!("{equal} of {} tables equal, {} rows, {}", restored.tables.len(), display::count(rows), display::duration(seconds))
}

fn difference(request: &RestoreRequest, restored: &Restored) -> Error {
    const SHOWN: usize = 20;
    let all: Vec<_> = restored.different().collect();
    let kept = if request.keep_different { "The new database was kept, as you asked" } else { "The new database was not kept" };
    let differs = match all.len() {
        0 => "The server refused definitions.".into(),
        1..=SHOWN => all.join(" "),
        many => format!("{} And {} more.", all[..SHOWN].join(" "), many - SHOWN),
    };
    Error::new(
        Code::Different,
        format!("What was restored differs from the backup. {differs} {kept}."),
        "Restore into a server of the same version, or look at the database with --keep-different.",
    )
}
