use super::*;
use domain::{Code, view::server::DatabaseQuery};

#[tokio::test]
async fn a_task_is_added_edited_switched_off_and_removed() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let (server, destination) = (console.add_folder(&ada, "apps", &["a.db", "b.db"]).await, console.add_destination(&ada, "backups").await);
    let form = TaskForm { excluded: "b.db\nlater.db".into(), time_zone: "Europe/Berlin".into(), ..task_form(" Nightly ", destination) };
    let id = control.add_task(&ada, server, &form).await.unwrap();

    let view = control.task(&ada, id).await.unwrap();
    assert_eq!((view.line.name.as_str(), view.line.schedule.as_str()), ("Nightly", "Every day at 02:00"));
    assert_eq!((view.tally.never, view.tally.total(), view.databases.len()), (1, 1, 1));
    assert_eq!(view.line.root, console.path("backups").display().to_string());
    assert!(view.line.enabled && view.line.next.is_some_and(|next| next > view.now));
    let lines = control.databases(&ada, server, &DatabaseQuery::default()).await.unwrap().items;
    assert_eq!(lines.iter().map(|line| (line.excluded, line.next)).collect::<Vec<_>>(), [(false, view.line.next), (true, None)]);

    let (again, version, of) = control.task_form(&ada, id).await.unwrap();
    assert_eq!((again.name.as_str(), again.excluded.as_str(), version, of), ("Nightly", "b.db\nlater.db", 1, server));

    // Two people edit the same task.
    control.change_task(&ada, id, version, &TaskForm { cron: "0 3 * * *".into(), ..again.clone() }).await.unwrap();
    let late = TaskForm { excluded: String::new(), ..again };
    let error = control.change_task(&ada, id, version, &late).await.unwrap_err();
    assert_eq!(error.code(), Code::Conflict);
    assert_eq!((field(&error, "cron"), field(&error, "version")), ("It is now: 0 3 * * *", "2"));
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
    let form = task_form("nightly", destination);
    control.add_task(&ada, server, &form).await.unwrap();
    assert_eq!(field(&control.add_task(&ada, server, &form).await.unwrap_err(), "name"), "There is already a task of this name.");
    let bad = TaskForm { cron: "0 25 * * *".into(), time_zone: "Mars/Olympus".into(), ..TaskForm::default() };
    let error = control.add_task(&ada, server, &bad).await.unwrap_err();
    for name in ["name", "cron", "time_zone", "encryption", "destination"] {
        field(&error, name);
    }
    let gone = TaskForm { destination: uuid::Uuid::now_v7().to_string(), ..task_form("other", destination) };
    field(&control.add_task(&ada, server, &gone).await.unwrap_err(), "destination");
    let nowhere = ServerId::new(uuid::Uuid::now_v7());
    assert_eq!(control.add_task(&ada, nowhere, &task_form("x", destination)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn the_wizard_is_told_what_the_task_would_do() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let server = console.add_folder(&ada, "apps", &["a.db", "b b.db", "gone.db"]).await;
    std::fs::remove_file(console.path("apps/gone.db")).unwrap();
    control.look(&ada, server).await.unwrap();
    let now = at("2026-11-24T12:00:00Z");

    let first = control.preview_task_at(server, None, &TaskForm { cron: "x".into(), ..TaskForm::default() }, now).await.unwrap();
    let wrong: Vec<_> = first.errors.iter().map(|error| error.field.as_str()).collect();
    assert_eq!(wrong, ["name", "cron", "encryption", "destination"]);
    assert_eq!((first.schedule, first.next.len(), first.root, first.folders.len()), (None, 0, None, 0));

    let destination = console.add_destination(&ada, "backups").await;
    let id = control.add_task(&ada, server, &task_form("nightly", destination)).await.unwrap();
    let form = TaskForm {
        excluded: "a.db\ngone.db\nlater.db\nlater.db".into(),
        cron: "0 2 * * 0".into(),
        time_zone: "Europe/Berlin".into(),
        ..task_form("nightly", destination)
    };
    let preview = control.preview_task_at(server, None, &form, now).await.unwrap();
    assert_eq!(preview.errors.iter().map(|error| error.field.as_str()).collect::<Vec<_>>(), ["name"]);
    assert_eq!(preview.schedule.as_deref(), Some("Every Sunday at 02:00"));
    assert_eq!(
        (preview.next.len(), preview.next[0].0, preview.next[0].1.as_str()),
        (5, at("2026-11-29T01:00:00Z"), "Sun 29 Nov 2026, 02:00 CET")
    );
    assert_eq!((preview.included, preview.excluded), (vec!["b b.db".to_owned()], vec!["a.db".to_owned()]));
    assert_eq!(preview.unknown, ["gone.db", "later.db"]);
    let root = console.path("backups").display().to_string();
    assert_eq!(preview.folders, [format!("{root}/b%20b.db/")]);
    assert_eq!(preview.root, Some(root.clone()));
    assert_eq!(preview.destinations, [(destination, "backups".into(), root)]);
    assert!(preview.size_bytes > 0 && preview.time_zones.len() > 300);
    // Its own name is free for the task that is edited.
    assert!(control.preview_task_at(server, Some(id), &form, now).await.unwrap().errors.is_empty());
}

#[tokio::test]
async fn the_wizard_is_told_that_a_plain_backup_would_undo_the_servers_encryption() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let server = console.add_folder(&ada, "apps", &["a.db"]).await;
    let told =
        async || control.preview_task_at(server, None, &TaskForm::default(), at("2026-11-24T12:00:00Z")).await.unwrap().encrypted_at_rest;
    assert_eq!(told().await, None);
    let seen = control.catalog.server(server).await.unwrap().seen.unwrap();
    control.catalog.set_seen(server, &seen, Some(("7310000000000000001", Some("pg_tde")))).await.unwrap();
    assert_eq!(told().await.as_deref(), Some("pg_tde"));
    // A look that does not reach it changes nothing of that.
    control.catalog.set_seen(server, &seen, None).await.unwrap();
    assert_eq!(told().await.as_deref(), Some("pg_tde"));
}

#[tokio::test]
async fn a_rule_is_changed_by_whoever_typed_a_password_a_moment_ago() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let (server, destination) = (console.add_folder(&ada, "apps", &["a.db"]).await, console.add_destination(&ada, "backups").await);
    let id = control.add_task(&ada, server, &task_form("nightly", destination)).await.unwrap();
    let long_ago = Timestamp::now() - jiff::SignedDuration::from_mins(6);
    let signed_in = control.sign_in_at("Ada", PASSWORD, &caller(), long_ago).await.unwrap();
    let later: Permit<Administer> = console.permit(&signed_in).await;
    let (form, version, _) = control.task_form(&later, id).await.unwrap();
    let keeping = form.clone().keeping(Some(&"days=30".parse().unwrap()));
    field(&control.change_task(&later, id, version, &keeping).await.unwrap_err(), "current_password");
    control.confirm_password(&later, PASSWORD).await.unwrap();
    control.change_task(&later, id, version, &keeping).await.unwrap();
    let view = control.task(&later, id).await.unwrap();
    assert_eq!(view.retention.rule.as_deref(), Some("Everything of the last 30 days."));
    // To keep everything takes no password.
    let signed_in = control.sign_in_at("Ada", PASSWORD, &caller(), long_ago).await.unwrap();
    let later: Permit<Administer> = console.permit(&signed_in).await;
    control.change_task(&later, id, version + 1, &form).await.unwrap();
}
