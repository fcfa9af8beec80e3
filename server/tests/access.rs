//! Who may reach what: every server function and every page, for nobody, each role, and another site, against
//! `access.txt`. One that is not listed there fails, and so does a line for one that is gone.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use support::{
    console::{Console, NAME},
    http::{Answer, Client},
};

/// In the order of the columns.
const ROLES: [&str; 5] = ["nobody", "viewer", "operator", "administrator", "cross-site"];

/// Where a path wants an identifier, this one, which nothing has.
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

struct Row {
    /// A server function's name, or a path.
    what: String,
    /// For each role: `+` served, `-` refused, `>` led to signing in.
    marks: Vec<String>,
    /// Fields that the function can read, so that it gets as far as asking who it is.
    fields: String,
}

fn matrix() -> Vec<Row> {
    let lines = include_str!("access.txt").lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let rows = lines.map(|line| {
        let mut words = line.split_whitespace().map(str::to_owned);
        let what = words.next().unwrap();
        let marks: Vec<_> = words.by_ref().take(ROLES.len()).collect();
        assert_eq!(marks.len(), ROLES.len(), "{line}");
        Row { what, marks, fields: words.next().unwrap_or_default().replace("ID", ID) }
    });
    rows.collect()
}

#[test]
fn everything_that_can_be_reached_has_a_line() {
    let functions = leptos::server_fn::axum::server_fn_paths().map(|(path, method)| {
        assert_eq!(method.as_str(), "POST", "{path} must not answer to a link");
        path.strip_prefix("/api/").unwrap().to_owned()
    });
    let pages = app::routes::paths().into_iter().map(|route| route.path().to_owned());
    let there: BTreeSet<String> = pages.chain(functions).collect();
    assert!(there.len() > 50, "the registry was not read: {there:?}");
    let listed: BTreeSet<String> = matrix().into_iter().map(|row| row.what).collect();
    // What is neither a page nor a server function has to be listed by hand.
    let others =
        ["/healthz", "/readyz", "/metrics", "/live/rounds/{id}", "/live/runs/{id}", "/download/{destination}", "/favicon.svg", "/pkg/a.js"];
    let missing: Vec<_> = there.difference(&listed).collect();
    assert!(missing.is_empty(), "without a line in access.txt: {missing:?}");
    let gone: Vec<_> = listed.difference(&there).filter(|what| !others.contains(&what.as_str())).collect();
    assert!(gone.is_empty(), "a line in access.txt for what is gone: {gone:?}");
}

#[test]
fn everybody_gets_what_the_matrix_says_and_no_more() {
    let console = Console::start(&["--behind-proxy"]);
    // The figures are for the machine itself, so everybody comes from elsewhere.
    let from_elsewhere = |client: Client| client.with("X-Forwarded-For", "203.0.113.9");
    let administrator = console.set_up();
    for role in ["viewer", "operator"] {
        let added = administrator.call("add_user", &format!("name={role}&role={role}&password=correct+horse+battery&current_password="));
        assert_eq!(added.status, 200, "{}", added.text());
    }
    let clients = BTreeMap::from([
        ("nobody", from_elsewhere(console.client())),
        ("viewer", from_elsewhere(console.sign_in("viewer"))),
        ("operator", from_elsewhere(console.sign_in("operator"))),
        ("administrator", from_elsewhere(administrator)),
        ("cross-site", from_elsewhere(console.sign_in(NAME)).with("Sec-Fetch-Site", "cross-site").with("Origin", "https://evil.example")),
    ]);
    let mut rows = matrix();
    // Whoever signs out is nobody from then on.
    rows.sort_by_key(|row| row.what == "sign_out");
    let mut wrong = Vec::new();
    for row in &rows {
        for (role, mark) in ROLES.iter().zip(&row.marks) {
            let answer = ask(&clients[role], row);
            let found = judge(&answer);
            if found != mark.as_str() {
                let text: String = answer.text().chars().take(200).collect();
                wrong.push(format!("{} for {role}: {found} instead of {mark} ({} {text})", row.what, answer.status));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn ask(client: &Client, row: &Row) -> Answer {
    if !row.what.starts_with('/') {
        return client.call(&row.what, &row.fields);
    }
    let path: String = row.what.split('/').skip(1).map(|part| format!("/{}", if part.starts_with('{') { ID } else { part })).collect();
    client.get(&path)
}

/// What an answer means for whoever asked. Not found and not valid come after having been let in.
fn judge(answer: &Answer) -> &'static str {
    let text = answer.text();
    assert!(!text.contains("The form could not be read."), "the fields in access.txt do not fit: {text}");
    match answer.status {
        303 if answer.header("location").is_some_and(|to| to.starts_with("/sign-in")) => ">",
        401 => "-",
        403 if text.contains("This needs the role") || text.contains("a page of another site") => "-",
        _ => "+",
    }
}
