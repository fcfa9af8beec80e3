use super::*;
use catalog::BackupRecord;
use domain::{
    BackupKind, BackupType, Label, Protection,
    view::{overview::Trouble, server::DatabaseQuery},
};
use jiff::ToSpan;

/// Writes down a backup, as a reading of the repository would.
async fn backup(console: &Console, server: ServerId, destination: DestinationId, database: &str, at: Timestamp) -> BackupRecord {
    let server = console.control.catalog.server(server).await.unwrap();
    let backup = BackupRecord {
        destination,
        folder: format!("{database}/chain"),
        label: Label::new(at, BackupKind::Full, BackupType::Logical),
        database: database.into(),
        server_name: Some(server.server.name),
        server_instance: server.instance,
        dbms: Some(domain::Dbms::Sqlite),
        at,
        size_bytes: Some(1000),
        rows: Some(1),
        plain_bytes: Some(20),
        suspicion: None,
        task_name: None,
        read_fault: None,
        verify_fault: None,
        trusted: true,
        checked_at: at,
        proven_at: None,
    };
    console.control.catalog.upsert_backup(&backup).await.unwrap();
    backup
}

#[tokio::test]
async fn one_look_tells_whether_everything_is_backed_up() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let (server, destination) = (
        console.add_folder(&ada, "apps", &["good.db", "late.db", "none.db", "out.db"]).await,
        console.add_destination(&ada, "backups").await,
    );
    let bare = console.add_folder(&ada, "bare", &["x.db", "y.db"]).await;
    let hour = far_hour();
    let (full, incremental) = (format!("0 {hour} * * 0"), format!("0 {hour} * * *"));
    let form = TaskForm { excluded: "out.db".into(), full, incremental, ..task_form("nightly", server, destination) };
    let task = control.add_task(&ada, &form).await.unwrap();
    let now = Timestamp::now();
    let (recently, long_ago) = (now - 10.minutes(), now - 100.hours());
    backup(&console, server, destination, "good.db", recently).await;
    backup(&console, server, destination, "late.db", long_ago).await;
    // Neither one that is damaged nor one that a stranger signed counts.
    let damaged = backup(&console, server, destination, "none.db", recently).await;
    control.catalog.set_fault(destination, &damaged.folder, damaged.label, "It is damaged.", now).await.unwrap();

    let overview = control.overview_at(now).await.unwrap();
    let tally = overview.tally;
    assert_eq!((tally.protected, tally.overdue, tally.never, tally.uncovered), (1, 1, 1, 3));
    let microseconds = |time: Timestamp| Some(Timestamp::from_microsecond(time.as_microsecond()).unwrap());
    assert_eq!((overview.oldest_good, overview.newest_good), (microseconds(long_ago), microseconds(recently)));
    assert_eq!(overview.servers.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["apps", "bare"]);
    let told: Vec<_> = overview.attention.iter().map(|one| (one.server_name.as_str(), one.database.as_str(), one.task)).collect();
    assert_eq!(told, [("apps", "late.db", Some(task)), ("apps", "none.db", Some(task)), ("bare", "", None)]);
    let promise = format!("Full every Sunday at {hour:02}:00, incremental every day at {hour:02}:00");
    assert_eq!(overview.attention[0].promise.as_ref(), Some(&promise));
    assert!(matches!(overview.attention[0].protection, Protection::Overdue { .. }));
    assert_eq!(overview.space[0].2, 3000);
    assert!(overview.space[0].3.is_some() && overview.due.iter().all(|(at, name)| *at > now && name == "nightly"));

    let query = DatabaseQuery { sort: "state".into(), ..DatabaseQuery::default() };
    let lines = control.databases(&ada, server, &query).await.unwrap().items;
    assert_eq!(lines.iter().map(|line| line.name.as_str()).collect::<Vec<_>>(), ["late.db", "none.db", "good.db", "out.db"]);
    assert_eq!((lines[2].restore_points, lines[2].destination), (1, Some(destination)));

    assert!(overview.troubles.is_empty(), "{:?}", overview.troubles);

    // A server that is not reached any more comes first, and what is known of it stays.
    std::fs::rename(console.path("bare"), console.path("elsewhere")).unwrap();
    control.look(&ada, bare).await.unwrap_err();
    let overview = control.overview_at(now).await.unwrap();
    assert!(overview.attention[0].server == bare && overview.attention[0].error.is_some());
    assert_eq!(overview.tally, tally);
}

#[tokio::test]
async fn backups_of_another_server_with_the_same_names_do_not_count() {
    let (console, ada) = Console::with_ada().await;
    let destination = console.add_destination(&ada, "backups").await;
    let (first, second) = (console.add_folder(&ada, "one", &["a.db"]).await, console.add_folder(&ada, "two", &["a.db"]).await);
    for (server, name) in [(first, "first"), (second, "second")] {
        console.control.add_task(&ada, &task_form(name, server, destination)).await.unwrap();
    }
    backup(&console, first, destination, "a.db", Timestamp::now()).await;
    let servers = console.control.servers(&ada).await.unwrap();
    assert_eq!((servers[0].tally.protected, servers[1].tally.never), (1, 1));
}

#[tokio::test]
async fn a_copy_of_a_server_is_not_protected_by_the_backups_of_the_original() {
    let (console, ada) = Console::with_ada().await;
    let (control, now) = (&console.control, Timestamp::now());
    let destination = console.add_destination(&ada, "backups").await;
    let (first, second) = (console.add_folder(&ada, "one", &["a.db"]).await, console.add_folder(&ada, "two", &["a.db"]).await);
    for (server, name) in [(first, "first"), (second, "second")] {
        control.add_task(&ada, &task_form(name, server, destination)).await.unwrap();
        // As two PostgreSQL servers of which one was made as a physical copy of the other.
        let seen = control.catalog.server(server).await.unwrap().seen.unwrap();
        control.catalog.set_seen(server, &seen, Some(("7310000000000000001", None))).await.unwrap();
    }
    backup(&console, first, destination, "a.db", now).await;
    let protection = async |server| control.databases(&ada, server, &DatabaseQuery::default()).await.unwrap().items[0].protection;
    let servers = control.servers(&ada).await.unwrap();
    assert_eq!((servers[0].tally.protected, servers[1].tally.never), (1, 1));
    assert_eq!((protection(first).await, protection(second).await), (Protection::Protected, Protection::Never));

    // A server that is the only one keeps its backups when it gets another name.
    let task = control.tasks(&ada).await.unwrap().into_iter().find(|task| task.servers[0].0 == second).unwrap();
    control.remove_task(&ada, task.id, "second").await.unwrap();
    control.remove_server(&ada, second, "two").await.unwrap();
    let renamed = catalog::ServerRecord {
        server: domain::Server { name: "uno".into(), ..control.catalog.server(first).await.unwrap().server },
        ..control.catalog.server(first).await.unwrap()
    };
    control.catalog.update_server(&renamed, &ada.audit("test", "", None, "")).await.unwrap();
    assert_eq!(protection(first).await, Protection::Protected);
}

#[tokio::test]
async fn a_long_list_of_trouble_is_cut_and_says_so() {
    let (console, ada) = Console::with_ada().await;
    let server = console.add_folder(&ada, "apps", &["a.db"]).await;
    let destination = console.add_destination(&ada, "backups").await;
    let task = TaskForm { full: "* * * * *".into(), ..task_form("nightly", server, destination) };
    console.control.add_task(&ada, &task).await.unwrap();
    let found: Vec<_> = (0..80).map(|i| (format!("tenant_{i:03}"), None)).collect();
    console.control.catalog.replace_databases(server, &found, Timestamp::now()).await.unwrap();
    let overview = console.control.overview(&ada).await.unwrap();
    assert_eq!((overview.attention.len(), overview.attention_more, overview.due.len()), (50, 30, 50));
}

#[tokio::test]
async fn a_key_that_nobody_proved_for_long_needs_attention_while_a_task_seals_for_it() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let server = console.add_folder(&ada, "apps", &["a.db"]).await;
    let destination = console.add_destination(&ada, "backups").await;
    let public = seal::PrivateKey::generate().unwrap().public().unwrap();
    let form = domain::KeyForm {
        name: "Operator".into(),
        public_key: public.to_string(),
        typed_fingerprint: public.fingerprint().to_string(),
        understood: "on".into(),
        ..Default::default()
    };
    let id = control.add_key(&ada, &form).await.unwrap();
    let troubles = async |days: i64| {
        let now = Timestamp::now().saturating_add(jiff::SignedDuration::from_hours(days * 24)).unwrap();
        control.overview_at(now).await.unwrap().troubles
    };
    let is_told = |troubles: &[Trouble]| troubles.iter().any(|trouble| matches!(trouble, Trouble::Key { id: told, .. } if *told == id));
    assert!(!is_told(&troubles(91).await), "no task seals for it");
    let sealed = TaskForm { encryption: "sealed".into(), recipients: id.to_string(), ..task_form("nightly", server, destination) };
    control.add_task(&ada, &sealed).await.unwrap();
    assert!(!is_told(&troubles(89).await) && is_told(&troubles(91).await));
}
