use super::*;
use domain::{Code, Protection, view::server::DatabaseQuery};

fn postgres_form(name: &str) -> ServerForm {
    let port = testkit::shared().unwrap().port().to_string();
    ServerForm { name: name.into(), dbms: "postgresql".into(), host: "127.0.0.1".into(), port, ..ServerForm::default() }
}

#[tokio::test]
async fn a_folder_is_added_with_its_databases_and_follows_them() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let id = console.add_folder(&ada, "apps", &["shop.db", "team/b.db"]).await;
    let line = control.servers(&ada).await.unwrap().remove(0);
    assert_eq!((line.tally.uncovered, line.tally.total(), line.size_bytes > 0), (2, 2, true));

    make_database(&console.path("apps/new.db"));
    std::fs::remove_file(console.path("apps/shop.db")).unwrap();
    control.look(&ada, id).await.unwrap();
    let page = control.databases(&ada, id, &DatabaseQuery::default()).await.unwrap();
    let lines: Vec<_> = page.items.iter().map(|line| (line.name.as_str(), line.gone, line.protection)).collect();
    assert_eq!(
        lines,
        [("new.db", false, Protection::Uncovered), ("shop.db", true, Protection::Uncovered), ("team/b.db", false, Protection::Uncovered)]
    );
    assert_eq!(control.server(&ada, id).await.unwrap().line.tally.total(), 2, "one that is gone needs no protection");
}

#[tokio::test]
async fn databases_are_found_sorted_and_paged() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let id = console.add_folder(&ada, "apps", &["a.db"]).await;
    let found: Vec<_> = (0..250).map(|i| (format!("tenant_{i:03}"), Some(1000 - i))).collect();
    control.catalog.replace_databases(id, &found, Timestamp::now()).await.unwrap();
    let ask = async |filter: &str, sort: &str, page: u64| {
        let query = DatabaseQuery { filter: filter.into(), sort: sort.into(), only: String::new(), page };
        control.databases(&ada, id, &query).await.unwrap()
    };
    let page = ask("tenant", "", 3).await;
    assert_eq!((page.total, page.count(), page.number, page.items.len()), (250, 3, 3, 50));
    assert_eq!(ask("", "-size", 1).await.items[0].name, "a.db");
    assert_eq!(ask("TENANT_*", "size", 1).await.items[0].name, "tenant_249");
    assert_eq!(ask("tenant_00?", "-name", 0).await.items[0].name, "tenant_009");
    assert_eq!(ask("", "", 99).await.items.len(), 0);
    let attention = DatabaseQuery { only: "attention".into(), ..DatabaseQuery::default() };
    assert_eq!(control.databases(&ada, id, &attention).await.unwrap().total, 250, "the one that is gone needs none");
}

#[tokio::test]
async fn a_test_of_a_connection_says_what_it_found() {
    let (console, ada) = Console::with_ada().await;
    let server = testkit::shared().unwrap();
    let database = server.fresh_database().unwrap();
    server.psql(&database, "CREATE TABLE t (a int)").unwrap();
    let probe = console.control.probe_server(&ada, &postgres_form(""), None).await.unwrap();
    assert!(probe.databases >= 2 && probe.size_bytes > 0 && !probe.version.is_empty(), "{probe:?}");

    server.psql("postgres", "CREATE ROLE weak LOGIN").unwrap();
    let weak = ServerForm { user: "weak".into(), ..postgres_form("") };
    let probe = console.control.probe_server(&ada, &weak, None).await.unwrap();
    assert!(probe.obstacles.iter().any(|obstacle| obstacle.starts_with(&format!("{database}: "))), "{probe:?}");
    assert!(console.control.servers(&ada).await.unwrap().is_empty(), "a test left something behind");
}

#[tokio::test]
async fn what_stands_in_the_way_of_a_connection_is_told_at_its_field() {
    let (console, ada) = Console::with_ada().await;
    let closed = testkit::closed_port().unwrap();
    let folder = |path: PathBuf| folder_form("x", &path);
    std::fs::write(console.path("file"), "no folder").unwrap();
    for (form, code, at) in [
        (ServerForm { port: closed.port().to_string(), ..postgres_form("x") }, Code::Unreachable, "host"),
        (ServerForm { host: "no-such-host.invalid".into(), ..postgres_form("x") }, Code::Unreachable, "host"),
        (ServerForm { tls: "require".into(), ..postgres_form("x") }, Code::Tls, "tls"),
        (ServerForm { tls: "verify-full".into(), ..postgres_form("x") }, Code::Tls, "tls"),
        (ServerForm { maintenance_database: "nowhere".into(), ..postgres_form("x") }, Code::DatabaseGone, "maintenance_database"),
        (ServerForm { user: "nobody".into(), ..postgres_form("x") }, Code::AuthFailed, "password"),
        (ServerForm { port: "0".into(), ..postgres_form("x") }, Code::Invalid, "port"),
        (ServerForm::default(), Code::Invalid, "dbms"),
        (folder(console.path("nowhere")), Code::NotFound, "folder"),
        (folder(console.path("file")), Code::Usage, "folder"),
    ] {
        let error = console.control.probe_server(&ada, &form, None).await.unwrap_err();
        assert_eq!(error.code(), code, "{error:?}");
        assert!(field(&error, at).len() > 20, "{error:?}");
    }
}

#[tokio::test]
async fn an_unreachable_server_is_added_and_says_why() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let form = folder_form("apps", &console.path("later"));
    let id = control.add_server(&ada, &form).await.unwrap();
    let seen = control.server(&ada, id).await.unwrap().line.seen.unwrap();
    assert_eq!((seen.version, seen.error.map(|error| error.code)), (None, Some(Code::NotFound)));
    assert_eq!(control.look(&ada, id).await.unwrap_err().code(), Code::NotFound);
    make_database(&console.path("later/shop.db"));
    control.look(&ada, id).await.unwrap();
    let line = control.servers(&ada).await.unwrap().remove(0);
    assert_eq!((line.seen.unwrap().error, line.tally.total()), (None, 1));
}

#[tokio::test]
async fn names_are_unique_edits_are_not_lost_and_a_server_stays_of_its_kind() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let id = console.add_folder(&ada, "apps", &["a.db"]).await;
    let form = folder_form("apps", &console.path("apps"));
    assert_eq!(field(&control.add_server(&ada, &form).await.unwrap_err(), "name"), "There is already a server of this name.");

    control.change_server(&ada, id, 1, &ServerForm { note: "first".into(), jobs: "3".into(), ..form.clone() }).await.unwrap();
    let late = ServerForm { note: "second".into(), ..form.clone() };
    let error = control.change_server(&ada, id, 1, &late).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict);
    assert_eq!((field(&error, "note"), field(&error, "jobs"), field(&error, "version")), ("It is now: first", "It is now: 3", "2"));
    assert!(error.told().field("folder").is_none());
    control.change_server(&ada, id, 2, &late).await.unwrap();
    assert_eq!(control.server(&ada, id).await.unwrap().note, "second");
    field(&control.change_server(&ada, id, 3, &postgres_form("apps")).await.unwrap_err(), "dbms");
}

#[tokio::test]
async fn a_server_goes_when_its_name_is_typed_and_nothing_uses_it() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let (server, destination) = (console.add_folder(&ada, "apps", &["a.db"]).await, console.add_destination(&ada, "backups").await);
    let task = control.add_task(&ada, &task_form("nightly", server, destination)).await.unwrap();
    field(&control.remove_server(&ada, server, "app").await.unwrap_err(), "typed_name");
    assert_eq!(control.remove_server(&ada, server, "apps").await.unwrap_err().code(), Code::Busy);
    control.remove_task(&ada, task, "nightly").await.unwrap();
    control.remove_server(&ada, server, "apps").await.unwrap();
    assert_eq!(control.server(&ada, server).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn the_samples_are_added_once_with_a_place_for_their_backups() {
    let (console, ada) = Console::with_ada().await;
    make_database(&console.path("samples/shop.db"));
    assert_eq!(console.control.overview(&ada).await.unwrap().sample, Some(console.path("samples").display().to_string()));
    let id = console.control.add_sample(&ada).await.unwrap();
    assert_eq!(console.control.server(&ada, id).await.unwrap().line.tally.total(), 1);
    let destinations = console.control.destinations(&ada).await.unwrap();
    assert_eq!((destinations.len(), destinations[0].name.as_str()), (1, "Local backups"));
    field(&console.control.add_sample(&ada).await.unwrap_err(), "name");
    assert_eq!(console.control.overview(&ada).await.unwrap().sample, None);
}

#[tokio::test]
async fn hostile_names_stay_names() {
    let (console, ada) = Console::with_ada().await;
    let names = ["<script>alert(1)</script>.db", "a\nb.db", "--file=x", "'; DROP TABLE servers; --", "ünï 🐦.db"];
    let server = console.add_folder(&ada, "x' OR 1=1 <b>", &names).await;
    let page = console.control.databases(&ada, server, &DatabaseQuery::default()).await.unwrap();
    let mut expected = names.map(String::from);
    expected.sort();
    assert_eq!(page.items.into_iter().map(|line| line.name).collect::<Vec<_>>(), expected);
}
