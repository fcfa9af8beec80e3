//! Who may import whom, and who may hold which kind of dependency: read from `cargo metadata`, so that nobody can forget it.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Every room of the house, with the rooms that it may import.
const ROOMS: [(&str, &[&str]); 12] = [
    ("domain", &[]),
    // Runs in browsers, too: a private key never leaves them.
    ("seal", &["domain"]),
    ("store", &["domain"]),
    ("source", &["domain"]),
    ("repository", &["domain", "seal", "store"]),
    ("engine", &["domain", "seal", "store", "source", "repository"]),
    ("catalog", &["domain"]),
    ("control", &["domain", "seal", "store", "source", "repository", "engine", "catalog"]),
    // Control only on the server's side: in the browser there is the vocabulary alone.
    ("app", &["domain", "seal", "control"]),
    // The command line opens servers and destinations itself, and reads repositories without a catalog.
    ("rookery", &["domain", "seal", "store", "source", "repository", "engine", "catalog", "control", "app"]),
    // For tests only; knows nothing of ours, so that everybody can use it.
    ("testkit", &[]),
    // Runs the measurements on testkit's servers.
    ("xtask", &["testkit"]),
];

/// Beginnings of the names of outside crates, with the only rooms that may depend on them.
const HELD: [(&[&str], &[&str]); 8] = [
    (&["axum", "hyper", "tower", "actix", "warp"], &["rookery", "app"]),
    (&["leptos"], &["app", "rookery"]),
    (&["wasm-bindgen", "web-sys", "js-sys", "console_error_panic_hook"], &["app", "xtask"]),
    (&["aws-sdk", "aws-config", "azure", "google-cloud", "object_store", "opendal", "russh", "ssh2", "suppaftp"], &["store"]),
    // Control seals the passwords of servers and hashes those of users.
    (&["aes", "argon2"], &["seal", "control"]),
    (&["chacha20", "xchacha", "x25519", "ed25519", "hpke", "aws-lc", "ring", "hkdf", "scrypt"], &["repository", "seal"]),
    (&["sqlx"], &["catalog"]),
    (&["rusqlite", "libsqlite3", "postgres", "tokio-postgres", "mysql"], &["source"]),
];

struct Edge {
    from: String,
    to: String,
    kind: DependencyKind,
}

fn edges() -> Vec<Edge> {
    let metadata = MetadataCommand::new().no_deps().exec().expect("cargo metadata of this workspace");
    let edge = |from: &str, to: &cargo_metadata::Dependency| Edge { from: from.to_owned(), to: to.name.clone(), kind: to.kind };
    metadata.packages.iter().flat_map(|package| package.dependencies.iter().map(move |to| edge(&package.name, to))).collect()
}

/// What is wrong with an edge, if anything. Tests may use testkit and any outside crate; their imports of ours obey too.
fn fault(edge: &Edge) -> Option<String> {
    let Edge { from, to, kind } = edge;
    let for_tests = *kind == DependencyKind::Development;
    let rooms = BTreeMap::from(ROOMS);
    let Some(may_import) = rooms.get(from.as_str()) else { return Some(format!("{from} has no row in ROOMS")) };
    if rooms.contains_key(to.as_str()) {
        let fine = may_import.contains(&to.as_str()) || (for_tests && to == "testkit");
        return (!fine).then(|| format!("{from} must not import {to}"));
    }
    let holders = HELD.iter().find(|(names, _)| names.iter().any(|name| to.starts_with(name)))?.1;
    let fine = for_tests || holders.contains(&from.as_str());
    (!fine).then(|| format!("{from} must not depend on {to}: only {} may", holders.join(", ")))
}

#[test]
fn every_import_goes_in_an_allowed_direction() {
    let edges = edges();
    assert!(edges.iter().any(|edge| edge.from == "repository" && edge.to == "store"), "the workspace was not read");
    let faults: Vec<_> = edges.iter().filter_map(fault).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_wrong_direction_would_be_found() {
    let edge = |from: &str, to: &str, kind| Edge { from: from.into(), to: to.into(), kind };
    let wrong = [
        edge("domain", "store", DependencyKind::Normal),
        edge("store", "source", DependencyKind::Build),
        edge("engine", "testkit", DependencyKind::Normal),
        edge("source", "engine", DependencyKind::Development),
        edge("testkit", "domain", DependencyKind::Development),
        edge("engine", "axum", DependencyKind::Normal),
        edge("repository", "aws-sdk-s3", DependencyKind::Normal),
        edge("engine", "aes-gcm", DependencyKind::Normal),
        edge("rookery", "rusqlite", DependencyKind::Normal),
        edge("catalog", "source", DependencyKind::Normal),
        edge("app", "catalog", DependencyKind::Normal),
        edge("control", "sqlx", DependencyKind::Normal),
        edge("control", "axum", DependencyKind::Normal),
        edge("rookery", "wasm-bindgen", DependencyKind::Normal),
        edge("newcomer", "serde", DependencyKind::Normal),
    ];
    for edge in wrong {
        assert!(fault(&edge).is_some(), "{} -> {}", edge.from, edge.to);
    }
    assert_eq!(fault(&edge("engine", "testkit", DependencyKind::Development)), None);
    assert_eq!(fault(&edge("engine", "rusqlite", DependencyKind::Development)), None);
}
