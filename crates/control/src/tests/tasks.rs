use super::*;
use domain::{Code, view::server::DatabaseQuery};

#[tokio::test]
async fn a_task_is_added_edited_switched_off_and_removed() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let (server, destination) = (console.add_folder(&ada, "apps", &["a.db", "b.db"]).await, console.add_destination(&ada, "backups").await);
    let hour = far_hour();
    let form = TaskForm {
        excluded: "b.db\nlater.db".into(),
        full: format!("0 {hour} * * 0"),
        incremental: format!("0 {hour} * * *"),
        time_zone: "Europe/Berlin".into(),
        ..task_form(" Nightly ", server, destination)
    };
    let id = control.add_task(&ada, &form).await.unwrap();

    let view = control.task(&ada, id).await.unwrap();
    let schedule = format!("Full every Sunday at {hour:02}:00, incremental every day at {hour:02}:00");
    assert_eq!((view.line.name.as_str(), view.line.schedule), ("Nightly", schedule));
    assert_eq!((view.tally.never, view.tally.total(), view.databases.len()), (1, 1, 1));
    assert_eq!(view.line.root, console.path("backups").display().to_string());
    assert!(view.line.enabled && view.line.next.is_some_and(|next| next.at > view.now));
    let lines = control.databases(&ada, server, &DatabaseQuery::default()).await.unwrap().items;
    assert_eq!(
        lines.iter().map(|line| (line.excluded, line.next)).collect::<Vec<_>>(),
        [(false, view.line.next.map(|next| next.at)), (true, None)]
    );

    let (again, version) = control.task_form(&ada, id).await.unwrap();
    assert_eq!(
        (again.name.as_str(), again.excluded.as_str(), version, again.servers.clone()),
        ("Nightly", "b.db\nlater.db", 1, server.to_string())
    );

    // Two people edit the same task.
    control
        .change_task(
            &ada,
            id,
            version,
            &TaskForm { full: String::new(), incremental: "0 3 * * *".into(), chain_days: "7".into(), ..again.clone() },
        )
        .await
        .unwrap();
    let late = TaskForm { excluded: String::new(), ..again };
    let error = control.change_task(&ada, id, version, &late).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict);
    assert_eq!(
        (field(&error, "incremental"), field(&error, "full"), field(&error, "version")),
        ("It is now: 0 3 * * *", "It is empty now.", "2")
    );
    assert_eq!(field(&error, "chain_days"), "It is now: 7");
    control.change_task(&ada, id, 2, &late).await.unwrap();

    control.enable_task(&ada, id, false).await.unwrap();
    let view = control.task(&ada, id).await.unwrap();
    assert_eq!((view.line.enabled, view.line.next, view.tally.uncovered), (false, None, 2));
    control.enable_task(&ada, id, true).await.unwrap();
    assert_eq!(control.tasks(&ada).await.unwrap().len(), 1);
    field(&control.remove_task(&ada, id, "nightly").await.unwrap_err(), "typed_name");
    control.remove_task(&ada, id, "Nightly").await.unwrap();
    assert_eq!(control.task(&ada, id).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn what_is_wrong_with_a_task_is_told_at_its_field() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let (server, destination) = (console.add_folder(&ada, "apps", &["a.db"]).await, console.add_destination(&ada, "backups").await);
    let form = task_form("nightly", server, destination);
    control.add_task(&ada, &form).await.unwrap();
    assert_eq!(field(&control.add_task(&ada, &form).await.unwrap_err(), "name"), "There is already a task of this name.");
    let bad = TaskForm { full: "0 25 * * *".into(), incremental: "x".into(), time_zone: "Mars/Olympus".into(), ..TaskForm::default() };
    let error = control.add_task(&ada, &bad).await.unwrap_err();
    for name in ["name", "servers", "full", "incremental", "time_zone", "encryption", "destination"] {
        field(&error, name);
    }
    let gone = TaskForm { destination: uuid::Uuid::now_v7().to_string(), ..task_form("other", server, destination) };
    field(&control.add_task(&ada, &gone).await.unwrap_err(), "destination");
    let nowhere = ServerId::new(uuid::Uuid::now_v7());
    field(&control.add_task(&ada, &task_form("x", nowhere, destination)).await.unwrap_err(), "servers");
}

#[tokio::test]
async fn the_wizard_is_told_what_the_task_would_do() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let server = console.add_folder(&ada, "apps", &["a.db", "b b.db", "gone.db"]).await;
    std::fs::remove_file(console.path("apps/gone.db")).unwrap();
    control.look(&ada, server).await.unwrap();
    let now = at("2026-11-24T12:00:00Z");

    let first = control
        .preview_task_at(None, &TaskForm { full: "x".into(), servers: server.to_string(), ..TaskForm::default() }, now)
        .await
        .unwrap();
    let wrong: Vec<_> = first.errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(wrong, ["name", "full", "encryption", "destination"]);
    assert_eq!((first.full, first.incremental.as_deref()), (None, Some("Every day at 02:00")));
    assert_eq!((first.schedule, first.next.len(), first.root, first.folders.len()), (None, 0, None, 0));

    let destination = console.add_destination(&ada, "backups").await;
    let id = control.add_task(&ada, &task_form("nightly", server, destination)).await.unwrap();
    let form = TaskForm {
        excluded: "a.db\ngone.db\nlater.db\nlater.db\n?.db\ntmp_*".into(),
        full: "0 2 * * 0".into(),
        time_zone: "Europe/Berlin".into(),
        ..task_form("nightly", server, destination)
    };
    let preview = control.preview_task_at(None, &form, now).await.unwrap();
    assert_eq!(preview.errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["name"]);
    assert_eq!(preview.schedule.as_deref(), Some("Full every Sunday at 02:00"));
    assert_eq!(
        (preview.next.len(), preview.next[0].due.at, preview.next[0].clock.as_str()),
        (5, at("2026-11-29T01:00:00Z"), "Sun 29 Nov 2026, 02:00 CET")
    );
    let of_server = &preview.servers[0];
    assert_eq!((of_server.id, of_server.name.as_str(), preview.servers.len()), (server, "apps", 1));
    assert_eq!((of_server.included.clone(), of_server.excluded.clone()), (vec!["b b.db".to_owned()], vec!["a.db".to_owned()]));
    assert_eq!(preview.unknown, ["gone.db", "later.db"]);
    assert_eq!(preview.patterns, [("?.db".into(), vec!["a.db".to_owned()]), ("tmp_*".into(), vec![])]);
    assert_eq!(of_server.databases, ["a.db", "b b.db"]);
    let root = console.path("backups").display().to_string();
    assert_eq!(preview.folders, [format!("{root}/b%20b.db/")]);
    assert_eq!(preview.root, Some(root.clone()));
    assert_eq!(preview.destinations, [(destination, "backups".into(), root)]);
    assert!(of_server.size_bytes > 0 && preview.time_zones.len() > 300);
    // For one database, what is left out of all does not count.
    let one = TaskForm { only: "a.db".into(), ..form.clone() };
    let preview = control.preview_task_at(Some(id), &one, now).await.unwrap();
    assert_eq!(preview.included().collect::<Vec<_>>(), ["a.db"]);
    assert_eq!((preview.excluded().count(), preview.unknown.len()), (0, 0));
    assert!(preview.errors.is_empty());
    let never = TaskForm { only: "never.db".into(), ..one };
    let preview = control.preview_task_at(Some(id), &never, now).await.unwrap();
    assert_eq!(preview.errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["only"]);
    // Its own name is free for the task that is edited.
    assert!(control.preview_task_at(Some(id), &form, now).await.unwrap().errors.is_empty());
}

#[tokio::test]
async fn the_wizard_is_told_that_a_plain_backup_would_undo_the_servers_encryption() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let server = console.add_folder(&ada, "apps", &["a.db"]).await;
    let form = TaskForm { servers: server.to_string(), ..TaskForm::default() };
    let told = async || control.preview_task_at(None, &form, at("2026-11-24T12:00:00Z")).await.unwrap().encrypted_at_rest;
    assert_eq!(told().await, None);
    let seen = control.catalog.server(server).await.unwrap().seen.unwrap();
    control.catalog.set_seen(server, &seen, Some(("7310000000000000001", Some("pg_tde")))).await.unwrap();
    assert_eq!(told().await.as_deref(), Some("pg_tde"));
    // A look that does not reach it changes nothing of that.
    control.catalog.set_seen(server, &seen, None).await.unwrap();
    assert_eq!(told().await.as_deref(), Some("pg_tde"));
}

#[tokio::test]
async fn a_task_for_one_database_covers_that_one_and_leaves_no_other_out() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let (server, destination) = (console.add_folder(&ada, "apps", &["a.db", "b.db"]).await, console.add_destination(&ada, "backups").await);
    let form = TaskForm { only: "a.db".into(), excluded: "b.db".into(), ..task_form("shop alone", server, destination) };
    let id = control.add_task(&ada, &form).await.unwrap();
    let view = control.task(&ada, id).await.unwrap();
    assert_eq!(view.databases.iter().map(|database| database.line.name.as_str()).collect::<Vec<_>>(), ["a.db"]);
    let lines = control.databases(&ada, server, &DatabaseQuery::default()).await.unwrap().items;
    assert_eq!(
        lines.iter().map(|line| (line.excluded, line.protection)).collect::<Vec<_>>(),
        [(false, domain::Protection::Never), (false, domain::Protection::Uncovered)]
    );
    let (again, version) = control.task_form(&ada, id).await.unwrap();
    assert_eq!((again.only.as_str(), again.excluded.as_str()), ("a.db", ""));
    let error = control.change_task(&ada, id, version, &TaskForm { only: "c.db".into(), ..again.clone() }).await.unwrap_err();
    assert!(field(&error, "only").contains("no such database"));
    // One that is gone is still the one that the task is for.
    std::fs::remove_file(console.path("apps/a.db")).unwrap();
    control.look(&ada, server).await.unwrap();
    control.change_task(&ada, id, version, &TaskForm { name: "shop that was".into(), ..again }).await.unwrap();
}

#[tokio::test]
async fn a_task_is_put_off_and_put_back_and_an_edit_of_other_things_leaves_it_so() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let (server, destination) = (console.add_folder(&ada, "apps", &["a.db"]).await, console.add_destination(&ada, "backups").await);
    let id = control.add_task(&ada, &task_form("nightly", server, destination)).await.unwrap();
    let line = async || control.task(&ada, id).await.unwrap().line;
    let first = line().await.next.unwrap();
    control.delay_task(&ada, id, first.at, 60).await.unwrap();
    let put_off = line().await;
    assert_eq!((put_off.next.unwrap().at, put_off.put_off_from), (first.at + jiff::SignedDuration::from_hours(1), Some(first.at)));
    // The kind is that of the time that was put off.
    assert_eq!(put_off.next.unwrap().kind, first.kind);
    assert_eq!(control.delay_task(&ada, id, first.at, 60).await.unwrap_err().code(), Code::Conflict);
    field(&control.delay_task(&ada, id, put_off.next.unwrap().at, 0x7fff_ffff).await.unwrap_err(), "minutes");

    let (form, version) = control.task_form(&ada, id).await.unwrap();
    control.change_task(&ada, id, version, &TaskForm { name: "nightly 2".into(), ..form.clone() }).await.unwrap();
    assert_eq!(line().await.put_off_from, Some(first.at));
    control.delay_task(&ada, id, put_off.next.unwrap().at, 0).await.unwrap();
    assert_eq!((line().await.next, line().await.put_off_from), (Some(first), None));
    let error = control.delay_task(&ada, id, first.at, 0).await.unwrap_err();
    field(&error, "minutes");
    control.delay_task(&ada, id, first.at, 60).await.unwrap();
    control.change_task(&ada, id, version + 1, &TaskForm { full: "30 4 * * *".into(), ..form }).await.unwrap();
    assert_eq!(line().await.put_off_from, None);
}

#[tokio::test]
async fn one_round_asks_for_what_it_needs_and_no_more() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let (server, destination) = (console.add_folder(&ada, "apps", &["a.db"]).await, console.add_destination(&ada, "backups").await);
    let wrong = TaskForm { full: "x".into(), servers: server.to_string(), only: "never.db".into(), ..TaskForm::default() };
    let preview = control.preview_task(&ada, None, &wrong, true).await.unwrap();
    let fields: Vec<_> = preview.errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(fields, ["encryption", "destination", "only"]);
    field(&control.back_up_once(&ada, &wrong).await.unwrap_err(), "encryption");
    let form = TaskForm { name: String::new(), ..task_form("", server, destination) };
    field(&control.back_up_once(&ada, &TaskForm { only: "never.db".into(), ..form.clone() }).await.unwrap_err(), "only");
    let round = control.back_up_once(&ada, &form).await.unwrap();
    let line = control.round(&ada, round).await.unwrap().line;
    assert_eq!((line.task, line.task_name.as_str(), line.started_by.as_deref()), (None, "One-time backup", Some("Ada")));
    assert!(control.preview_task(&ada, None, &form, true).await.unwrap().errors.is_empty());
}

#[tokio::test]
async fn a_rule_is_changed_by_whoever_typed_a_password_a_moment_ago() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let (server, destination) = (console.add_folder(&ada, "apps", &["a.db"]).await, console.add_destination(&ada, "backups").await);
    let id = control.add_task(&ada, &task_form("nightly", server, destination)).await.unwrap();
    let long_ago = Timestamp::now() - jiff::SignedDuration::from_mins(6);
    let signed_in = control.sign_in_at("Ada", PASSWORD, &caller(), long_ago).await.unwrap();
    let later: Permit<Administer> = console.permit(&signed_in).await;
    let (form, version) = control.task_form(&later, id).await.unwrap();
    let keeping = form.clone().keeping(Some(&"days=30".parse().unwrap()));
    field(&control.change_task(&later, id, version, &keeping).await.unwrap_err(), "current_password");
    control.confirm_password(&later, PASSWORD).await.unwrap();
    control.change_task(&later, id, version, &keeping).await.unwrap();
    let view = control.task(&later, id).await.unwrap();
    assert_eq!(view.retention.rule.as_deref(), Some("Everything of the last 30 days."));
    let signed_in = control.sign_in_at("Ada", PASSWORD, &caller(), long_ago).await.unwrap();
    let later: Permit<Administer> = console.permit(&signed_in).await;
    // A rule for another server's backups is another rule.
    let other = console.add_folder(&ada, "attic", &["b.db"]).await;
    let both = TaskForm { servers: format!("{other} {server}"), ..keeping.clone() };
    field(&control.change_task(&later, id, version + 1, &both).await.unwrap_err(), "current_password");
    control.change_task(&later, id, version + 1, &keeping).await.unwrap();
    // To keep everything takes no password, for whichever servers.
    control.change_task(&later, id, version + 2, &TaskForm { servers: both.servers, ..form }).await.unwrap();
}
