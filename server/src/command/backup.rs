//! `rookery backup`

use crate::{
    Exit,
    arguments::{Backup, Home, Kind},
    credentials,
    data_dir::DataDir,
    output::{Output, harmless, sentence},
    progress::{self, Progress},
};
use domain::{BackupKind, BackupType, ChainLimit, Code, Error, Pattern, Result, display};
use engine::{BackedUp, Outcome, Round, RoundRequest, Run, round};
use repository::{Repository, ServerRef};
use seal::PublicKey;
use serde::Serialize;
use source::{Context, Database, Scope, Source};
use std::sync::Arc;

/// Databases at the same time where nothing else is said: a small one is read by one session, whose time is mostly waiting for
/// the server; a big one has up to four, and a server has a hundred connections by default.
const MOST_JOBS: usize = 8;

/// The JSON document.
#[derive(Serialize)]
struct Report<'a> {
    result: &'static str,
    /// Fingerprints of the keys that open the backups; null if they are plain.
    recipients: Option<Vec<String>>,
    runs: Vec<RunReport<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    globals: Option<RunReport<'a>>,
}

#[derive(Serialize)]
struct RunReport<'a> {
    database: &'a str,
    result: &'static str,
    kind: BackupKind,
    #[serde(rename = "type")]
    backup_type: BackupType,
    label: Option<String>,
    reason: Option<&'a str>,
    size_bytes: Option<u64>,
    rows: Option<u64>,
    seconds: f64,
    notes: &'a [String],
    error: Option<&'a Error>,
}

/// Backs up every database of a server that was not left out.
pub async fn run(arguments: Backup, home: Home, output: &Output, context: &Context) -> Result<Exit> {
    let context = &Context { gives_way: !arguments.full_speed, ..context.clone() };
    let request = prepare(&arguments, home, context).await?;
    let progress = Progress::new(request.scopes.len());
    let done = round(&request, &progress, context).await;
    drop(progress);
    report(&request, &done, output)
}

async fn prepare(arguments: &Backup, home: Home, context: &Context) -> Result<RoundRequest> {
    let recipients = arguments.recipient.iter().map(|text| text.parse()).collect::<Result<Vec<PublicKey>>>()?;
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let workers = cores.clamp(2, 4);
    let server = credentials::server(&arguments.server)?;
    let source: Arc<dyn Source> = source::open(&server, workers)?.into();
    // A server that lets nobody in is not asked more than once.
    let identity = asked(&source, context, |source, context| source.identify(context)).await?;
    let sweep = asked(&source, context, |source, context| source.sweep(context));
    let databases = asked(&source, context, |source, context| source.databases(context));
    let ((), databases) = tokio::try_join!(sweep, databases)?;
    let mut scopes = chosen(&databases, arguments)?;
    if identity.has_globals && arguments.database.is_empty() {
        scopes.push(Scope::Globals);
    }

    let data_dir = DataDir::open(home)?;
    let instance = Arc::new(data_dir.instance()?);
    let trust = data_dir.trust(&instance, arguments.accept.accept_instance)?;
    let store = store::open(&arguments.to, store::Mode::Write).await?;
    let repository = Repository::create(store, &instance, trust).await?;
    let kind = match arguments.kind {
        Kind::Full => BackupKind::Full,
        Kind::Incremental => BackupKind::Incremental,
    };
    let name = arguments.server_name.clone().unwrap_or(server.name);
    Ok(RoundRequest {
        source,
        server: ServerRef { name, dbms: identity.dbms, version: identity.version, instance: identity.instance },
        scopes,
        repository,
        instance,
        recipients,
        task: None,
        kind,
        reason: match kind {
            BackupKind::Full => "A full backup was asked for.".into(),
            BackupKind::Incremental => "An incremental backup was asked for.".into(),
        },
        limit: ChainLimit { incrementals: arguments.most_incrementals, days: arguments.most_days },
        // A full backup that was asked for alone leaves nothing behind on the server.
        follow: (kind == BackupKind::Incremental).then(|| data_dir.follow(&arguments.to)),
        jobs: arguments.jobs.map_or(cores.min(MOST_JOBS), usize::from),
        workers,
    })
}

/// Asks the server for something, in a session of its own.
async fn asked<T: Send + 'static>(
    source: &Arc<dyn Source>,
    context: &Context,
    ask: impl FnOnce(&dyn Source, &Context) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (source, context) = (Arc::clone(source), context.clone());
    super::blocking(move || ask(source.as_ref(), &context)).await
}

/// The databases to back up: those named, else all; less those left out.
fn chosen(databases: &[Database], arguments: &Backup) -> Result<Vec<Scope>> {
    let missing: Vec<_> = arguments.database.iter().filter(|name| !databases.iter().any(|database| database.name == **name)).collect();
    if let Some(name) = missing.first() {
        return Err(Error::new(
            Code::NotFound,
            format!("The server has no database {name:?}."),
            "`rookery probe SERVER` lists its databases.",
        ));
    }
    let excluded: Vec<_> = arguments.exclude.iter().map(|pattern| Pattern::new(pattern)).collect();
    let wanted = |name: &str| {
        (arguments.database.is_empty() || arguments.database.iter().any(|named| named == name))
            && !excluded.iter().any(|pattern| pattern.matches(name))
    };
    let scopes: Vec<_> =
        databases.iter().filter(|database| wanted(&database.name)).map(|database| Scope::Database(database.name.clone())).collect();
    if scopes.is_empty() {
        let sentence = if databases.is_empty() { "There is no database to back up." } else { "Every database is left out by --exclude." };
        return Err(Error::new(
            Code::NoDatabases,
            sentence,
            "Check the server's address and the patterns; `rookery probe SERVER` lists its databases.",
        ));
    }
    Ok(scopes)
}

fn report(request: &RoundRequest, done: &Round, output: &Output) -> Result<Exit> {
    let failed = done.runs.iter().filter(|run| run.result.is_err()).count();
    let (result, exit) = match failed {
        0 => ("succeeded", Exit::Done),
        all if all == done.runs.len() => ("failed", Exit::Failed),
        _ => ("partly", Exit::Partly),
    };
    let (globals, runs): (Vec<_>, Vec<_>) = done.runs.iter().partition(|run| run.scope == Scope::Globals);
    let one = |run| one(run, request.kind);
    let recipients: Vec<_> = request.recipients.iter().map(|recipient| recipient.fingerprint().to_string()).collect();
    let recipients = (!recipients.is_empty()).then_some(recipients);
    let document = Report { result, recipients, runs: runs.into_iter().map(one).collect(), globals: globals.into_iter().next().map(one) };
    output.result(&document, || text(done, failed, document.recipients.as_deref()))?;
    Ok(exit)
}

/// The backup that a run made.
fn made(run: &Run) -> Option<&BackedUp> {
    run.result.as_ref().ok()?.backed_up()
}

fn one(run: &Run, kind: BackupKind) -> RunReport<'_> {
    let backup = made(run);
    let manifest = backup.map(|backup| &backup.manifest);
    RunReport {
        database: match &run.scope {
            Scope::Database(name) => name,
            Scope::Globals => repository::layout::GLOBALS,
        },
        result: match &run.result {
            Ok(Outcome::BackedUp(_)) => "succeeded",
            Ok(Outcome::Unchanged(_)) => "no_changes",
            Err(_) => "failed",
        },
        kind: manifest.map_or(kind, |manifest| manifest.kind),
        backup_type: BackupType::Logical,
        label: manifest.map(|manifest| manifest.label.to_string()),
        reason: manifest.map(|manifest| manifest.reason.as_str()),
        size_bytes: manifest.map(|manifest| manifest.archive.size_bytes),
        rows: manifest.map(|manifest| manifest.archive.rows),
        seconds: run.seconds,
        notes: backup.map_or(&[], |backup| &backup.notes),
        error: run.result.as_ref().err(),
    }
}

fn text(done: &Round, failed: usize, recipients: Option<&[String]>) -> String {
    let manifests = || done.runs.iter().filter_map(made).map(|backup| &backup.manifest);
    let size: u64 = manifests().map(|manifest| manifest.archive.size_bytes).sum();
    let databases = manifests().filter(|manifest| !super::is_globals(&manifest.database)).count();
    let unchanged = done.runs.iter().filter(|run| matches!(run.result, Ok(Outcome::Unchanged(_)))).count();
    let mut out =
        format!("{databases} {} backed up and verified, {} stored.\n", plural(databases, "database", "databases"), display::size(size));
    if let (Some(recipients), true) = (recipients, manifests().next().is_some()) {
        let keys = plural(recipients.len(), "the key", "any of the keys");
        out.push_str(&format!("Sealed: only {keys} {} can open what was stored.\n", recipients.join(", ")));
    }
    if unchanged > 0 {
        out.push_str(&format!("{unchanged} {} not changed since the last backup.\n", plural(unchanged, "database has", "databases have")));
    }
    for run in &done.runs {
        for note in made(run).map_or(&[] as &[String], |backup| &backup.notes) {
            out.push_str(&format!("{}: {}\n", harmless(progress::name(&run.scope)), harmless(note)));
        }
    }
    if failed > 0 {
        out.push_str(&format!("{failed} failed:\n"));
    }
    for run in &done.runs {
        if let Err(error) = &run.result {
            out.push_str(&format!("{}: {}\n", harmless(progress::name(&run.scope)), harmless_lines(&sentence(error))));
        }
    }
    out
}

/// Keeps the line ends that are ours.
fn harmless_lines(text: &str) -> String {
    text.lines().map(harmless).collect::<Vec<_>>().join("\n")
}

fn plural<'a>(count: usize, one: &'a str, many: &'a str) -> &'a str {
    if count == 1 { one } else { many }
}
