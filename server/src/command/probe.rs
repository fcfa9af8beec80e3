//! `rookery probe`

use crate::{
    Exit,
    arguments::Probe,
    credentials,
    output::{Output, harmless},
};
use domain::{Destination, Result, display};
use serde::Serialize;
use source::{Capabilities, Context, Database, Identity};

/// The JSON document for a server.
#[derive(Serialize)]
struct ServerReport {
    result: &'static str,
    server: Identity,
    databases: Vec<DatabaseReport>,
}

#[derive(Serialize)]
struct DatabaseReport {
    #[serde(flatten)]
    database: Database,
    #[serde(flatten)]
    capabilities: Capabilities,
}

/// Tries what is named now: a server, if it looks like the address of one, else a root.
pub async fn run(arguments: Probe, output: &Output, context: &Context) -> Result<Exit> {
    let what = arguments.what;
    if ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| what.starts_with(scheme)) {
        server(&what, output, context).await
    } else {
        root(what.parse()?, output).await
    }
}

async fn server(address: &str, output: &Output, context: &Context) -> Result<Exit> {
    let source = source::open(&credentials::server(address)?, 2)?;
    let context = context.clone();
    let report = super::blocking(move || {
        let databases = source.databases(&context)?.into_iter().map(|database| {
            let capabilities = source.capabilities(&database.name, &context)?;
            Ok(DatabaseReport { database, capabilities })
        });
        let databases = databases.collect::<Result<Vec<_>>>()?;
        let ready = databases.iter().all(|database| database.capabilities.obstacles.is_empty());
        Ok(ServerReport { result: if ready { "succeeded" } else { "partly" }, server: source.identify(&context)?, databases })
    })
    .await?;
    output.result(&report, || text(&report))?;
    Ok(if report.result == "succeeded" { Exit::Done } else { Exit::Partly })
}

fn text(report: &ServerReport) -> String {
    let databases = if report.databases.len() == 1 { "database" } else { "databases" };
    let mut out = format!("{} {}, {} {databases}\n", report.server.dbms, harmless(&report.server.version), report.databases.len());
    for one in &report.databases {
        let size = one.database.size_bytes.map_or_else(String::new, |bytes| format!(" ({})", display::size(bytes)));
        out.push_str(&format!("{}{size}\n", harmless(&one.database.name)));
        for obstacle in &one.capabilities.obstacles {
            out.push_str(&format!("  ! {}\n", harmless(obstacle)));
        }
        for note in &one.capabilities.notes {
            out.push_str(&format!("  · {}\n", harmless(note)));
        }
    }
    out
}

async fn root(root: Destination, output: &Output) -> Result<Exit> {
    let store = store::open(&root, store::Mode::Write).await?;
    store::probe(store.as_ref()).await?;
    let document = serde_json::json!({ "result": "succeeded" });
    output.result(&document, || "The root can be written to, read back, listed and cleaned, and never replaces what is there.\n".into())?;
    Ok(Exit::Done)
}
