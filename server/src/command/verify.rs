//! `rookery verify`

use crate::{
    Exit,
    arguments::{Home, Verify},
    key_file,
    output::{Output, harmless, table},
    progress::Progress,
};
use domain::{Code, Error, Meter, Result};
use engine::{Verified, verify};
use repository::{Key, Point};
use serde::Serialize;
use source::Context;
use std::{path::PathBuf, sync::Arc};

/// The JSON document.
#[derive(Serialize)]
struct Report {
    result: &'static str,
    backups: Vec<BackupReport>,
}

#[derive(Serialize)]
struct BackupReport {
    database: String,
    label: String,
    result: Verdict,
    reason: Option<String>,
    next_step: Option<String>,
}

/// What is known of a backup now.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Verdict {
    /// It is whole.
    Checked,
    /// Its stored bytes are whole; nobody looked at what is sealed in them.
    Stored,
    /// Whoever signed it is not trusted.
    Untrusted,
    /// It is not what was signed.
    Damaged,
    /// Nothing, for a reason that lies elsewhere.
    Failed,
}

impl Verdict {
    fn of(error: &Error) -> Self {
        match error.code() {
            Code::KeyNeeded | Code::WrongKey => Self::Stored,
            Code::UnknownInstance => Self::Untrusted,
            Code::Damaged | Code::BadSignature | Code::TooLarge | Code::NotFound => Self::Damaged,
            _ => Self::Failed,
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::Checked => "checked",
            Self::Stored => "stored",
            Self::Untrusted => "untrusted",
            Self::Damaged => "damaged",
            Self::Failed => "failed",
        }
    }

    /// What is said of so many backups.
    fn sum(self, count: usize) -> String {
        let what = match self {
            Self::Checked => "whole, proven to the last row",
            Self::Stored => "proven in the stored bytes alone, for want of a key",
            Self::Untrusted => "signed by an instance that is not trusted",
            Self::Damaged => "damaged: do not rely on what is damaged",
            Self::Failed => "not verified",
        };
        format!("{count} {} {what}.\n", if count == 1 { "backup is" } else { "backups are" })
    }
}

/// Private keys by their fingerprints.
struct Keys(Vec<(String, Key)>);

impl Keys {
    /// Reads them from their files; passphrases are asked for.
    fn open(files: &[PathBuf]) -> Result<Self> {
        let open = |file: &PathBuf| {
            let key = key_file::open(file)?;
            Ok((key.public()?.fingerprint().to_string(), Key::Private(key)))
        };
        files.iter().map(open).collect::<Result<_>>().map(Self)
    }

    /// The one that opens a backup, if there is one.
    fn of(&self, point: &Point) -> Option<&Key> {
        let recipients = point.manifest.as_ref().ok()?.recipients.as_ref()?;
        self.0.iter().find(|(fingerprint, _)| recipients.contains(fingerprint)).map(|(_, key)| key)
    }
}

/// Verifies every backup under a root.
pub async fn run(arguments: Verify, home: Home, output: &Output, context: &Context) -> Result<Exit> {
    // Before anything is shown or begun: it may ask for passphrases.
    let keys = Keys::open(&arguments.key)?;
    let repository = super::open(&arguments.root, home, arguments.accept.accept_instance).await?;
    let points = repository.points(arguments.database.as_deref()).await?;
    if points.is_empty() {
        return Err(Error::new(Code::NotFound, "There is no backup to verify.", "`rookery list` shows what is under the root."));
    }
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    let progress = Progress::new(points.len());
    let mut backups = vec![];
    for point in &points {
        let name = format!("{} {}", point.database(), point.place.label());
        let meter: Arc<Meter> = Arc::default();
        progress.watch(&name, &meter);
        let watched = Context { cancel: context.cancel.clone(), meter, gives_way: !arguments.full_speed };
        let report = match verify(&repository, point, keys.of(point), workers, &watched).await {
            Err(error) if error.code() == Code::Cancelled => return Err(error),
            verified => one(point, verified, &keys),
        };
        progress.done(&name, &in_words(&report));
        backups.push(report);
    }
    drop(progress);
    let whole = backups.iter().all(|backup| matches!(backup.result, Verdict::Checked | Verdict::Stored));
    let document = Report { result: if whole { "succeeded" } else { "failed" }, backups };
    output.result(&document, || text(&document))?;
    Ok(if whole { Exit::Done } else { Exit::Failed })
}

fn one(point: &Point, verified: Result<Verified>, keys: &Keys) -> BackupReport {
    let (result, reason, next_step) = match verified {
        Ok(Verified::Checked) => (Verdict::Checked, None, None),
        Ok(Verified::Stored) => (Verdict::Stored, None, Some(wanted(point, keys))),
        Err(error) => match Verdict::of(&error) {
            Verdict::Stored => (Verdict::Stored, None, Some(format!("{error} {}", error.next_step()))),
            bad => (bad, Some(error.to_string()), Some(error.next_step().into())),
        },
    };
    BackupReport { database: point.database(), label: point.place.label().to_string(), result, reason, next_step }
}

/// Why what is sealed was not looked at, and which key it takes.
fn wanted(point: &Point, keys: &Keys) -> String {
    let recipients = point.manifest.as_ref().ok().and_then(|manifest| manifest.recipients.as_deref()).unwrap_or_default();
    let why = if keys.0.is_empty() { "no key was given" } else { "none of the keys opens it" };
    format!(
        "Its bytes are what was signed, but {why}: give with --key the private key whose fingerprint is {}, to have looked at what is sealed.",
        recipients.join(" or ")
    )
}

/// What was found, and what to do if it is bad.
fn in_words(backup: &BackupReport) -> String {
    let result = backup.result.as_str();
    match (&backup.reason, &backup.next_step) {
        (Some(reason), Some(next_step)) => format!("{result}: {reason} → {next_step}"),
        (None, Some(next_step)) => format!("{result} → {next_step}"),
        _ => result.into(),
    }
}

fn text(report: &Report) -> String {
    let row = |backup: &BackupReport| vec![harmless(&backup.database), backup.label.clone(), harmless(&in_words(backup))];
    let mut out = table(&report.backups.iter().map(row).collect::<Vec<_>>(), &[]);
    for verdict in [Verdict::Checked, Verdict::Stored, Verdict::Untrusted, Verdict::Damaged, Verdict::Failed] {
        let count = report.backups.iter().filter(|backup| backup.result == verdict).count();
        if count > 0 {
            out.push_str(&verdict.sum(count));
        }
    }
    out
}
