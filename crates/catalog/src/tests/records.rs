use super::fixture::{Opened, at, audit, destination, ended, key, line, round, run, server, task};
use crate::{DestinationRecord, KeyRecord, RunChange, ServerRecord, TaskRecord};
use domain::{Code, Connection, Error, RoundState, RunState, Secret, Server, TlsMode, Told, view::server::Sighting};

fn told(sentence: &str) -> Told {
    Error::new(Code::Unreachable, sentence, "Try again.").told().clone()
}

#[tokio::test]
async fn a_server_reads_back_as_it_was_stored_but_for_its_password() {
    let opened = Opened::new().await;
    let connection = Connection::Postgresql {
        host: "db.example".into(),
        port: 5433,
        user: "backup".into(),
        password: Some(Secret::new("hunter2".into())),
        maintenance_database: "postgres".into(),
        tls: TlsMode::VerifyFull,
        root_certificate: Some("/etc/ssl/ca.pem".into()),
    };
    let stored = ServerRecord {
        server: Server { name: "böse'\"; DROP TABLE servers; --".into(), connection, most_held_bytes: Some(1 << 40) },
        seen: Some(Sighting { at: at(1), version: None, error: Some(told("No answer.")) }),
        instance: Some("instance".into()),
        ..server("")
    };
    opened.insert_server(&stored, &audit()).await.unwrap();
    let read = opened.server(stored.id).await.unwrap();
    assert!(matches!(&read.server.connection, Connection::Postgresql { password: None, port: 5433, tls: TlsMode::VerifyFull, .. }));
    let shown = |record: &ServerRecord| format!("{record:?}").replace("Some((secret))", "None");
    assert_eq!(shown(&read), shown(&stored));
    let bytes = std::fs::read_dir(opened.folder()).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    assert!(!bytes.flatten().collect::<Vec<u8>>().windows(7).any(|window| window == b"hunter2"));
}

#[tokio::test]
async fn a_name_in_use_is_told_at_its_field() {
    let opened = Opened::new().await;
    let task_there = opened.with_task().await;
    let (server_id, destination_id) = (task_there.task.servers[0], task_there.task.destination);
    let taken = [
        opened.insert_server(&server("shop"), &audit()).await.unwrap_err(),
        opened.insert_destination(&destination("vault"), &audit()).await.unwrap_err(),
        opened.insert_task(&task("nightly", server_id, destination_id), &audit()).await.unwrap_err(),
    ];
    for error in taken {
        assert!(error.told().field("name").is_some_and(|sentence| sentence.contains("already")), "{error:?}");
    }
    let other = server("other");
    opened.insert_server(&other, &audit()).await.unwrap();
    let limited = ServerRecord { server: Server { most_held_bytes: Some(5), ..other.server.clone() }, ..other.clone() };
    opened.update_server(&limited, &audit()).await.unwrap();
    assert_eq!(opened.server(other.id).await.unwrap().server.held_limit_bytes(), 5);
    let other = ServerRecord { version: 2, ..other };
    let renamed = ServerRecord { server: Server { name: "shop".into(), ..other.server.clone() }, ..other };
    assert!(opened.update_server(&renamed, &audit()).await.unwrap_err().told().field("name").is_some());
    // What failed left no line in the audit log either.
    assert_eq!(opened.audit_page("", 1).await.unwrap().total, 5);
}

#[tokio::test]
async fn of_two_edits_the_second_is_refused() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let (server, destination) =
        (opened.server(task.task.servers[0]).await.unwrap(), opened.destination(task.task.destination).await.unwrap());

    let edit = |note: &str| ServerRecord { note: note.into(), ..server.clone() };
    opened.update_server(&edit("first"), &audit()).await.unwrap();
    assert_eq!(opened.update_server(&edit("second"), &audit()).await.unwrap_err().code(), Code::Conflict);
    let now = opened.server(server.id).await.unwrap();
    assert_eq!((now.note.as_str(), now.version), ("first", 2));

    let edit = |note: &str| DestinationRecord { note: note.into(), ..destination.clone() };
    opened.update_destination(&edit("first"), &audit()).await.unwrap();
    assert_eq!(opened.update_destination(&edit("second"), &audit()).await.unwrap_err().code(), Code::Conflict);

    let mut edited = task.clone();
    edited.task.schedules.full = None;
    edited.task.schedules.incremental = Some("0 3 * * *".into());
    edited.task.chain_limit = domain::ChainLimit { incrementals: None, days: Some(14) };
    edited.next_at = Some(at(120));
    opened.update_task(&edited, &audit()).await.unwrap();
    assert_eq!(opened.update_task(&task, &audit()).await.unwrap_err().code(), Code::Conflict);
    assert_eq!(opened.task(task.id).await.unwrap(), TaskRecord { version: 2, ..edited });
}

#[tokio::test]
async fn what_is_not_there_cannot_be_read_changed_or_deleted() {
    let opened = Opened::new().await;
    let (server, destination) = (server("shop"), destination("vault"));
    let task = task("nightly", server.id, destination.id);
    let missing = [
        opened.server(server.id).await.unwrap_err(),
        opened.update_server(&server, &audit()).await.unwrap_err(),
        opened.delete_server(server.id, &audit()).await.unwrap_err(),
        opened.destination(destination.id).await.unwrap_err(),
        opened.update_destination(&destination, &audit()).await.unwrap_err(),
        opened.delete_destination(destination.id, &audit()).await.unwrap_err(),
        opened.set_read(&destination, at(0), None).await.unwrap_err(),
        opened.task(task.id).await.unwrap_err(),
        opened.update_task(&task, &audit()).await.unwrap_err(),
        opened.set_enabled(task.id, true, None, &audit()).await.unwrap_err(),
        opened.delete_task(task.id, &audit()).await.unwrap_err(),
        opened.round(round(&task, at(0)).id).await.unwrap_err(),
        opened.run(run(&round(&task, at(0)), "a").id).await.unwrap_err(),
    ];
    for error in missing {
        assert_eq!(error.code(), Code::NotFound, "{error}");
    }
    assert_eq!(opened.insert_task(&task, &audit()).await.unwrap_err().code(), Code::Conflict);
    assert_eq!(opened.audit_page("", 1).await.unwrap().total, 0);
}

#[tokio::test]
async fn what_is_in_use_is_not_deleted_and_history_outlives_task_and_destination() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let (server, destination) = (task.task.servers[0], task.task.destination);
    assert_eq!(opened.delete_server(server, &audit()).await.unwrap_err().code(), Code::Busy);
    assert_eq!(opened.delete_destination(destination, &audit()).await.unwrap_err().code(), Code::Busy);

    let round = round(&task, at(0));
    let mut run = run(&round, "orders");
    opened.insert_round(&round, &audit()).await.unwrap();
    opened.insert_runs(std::slice::from_ref(&run), &audit()).await.unwrap();
    opened.delete_task(task.id, &audit()).await.unwrap();
    assert_eq!(opened.delete_server(server, &audit()).await.unwrap_err().code(), Code::Busy);
    assert_eq!(opened.delete_destination(destination, &audit()).await.unwrap_err().code(), Code::Busy);

    run.state = RunState::Failed;
    let change = RunChange { run: run.clone(), expected: RunState::Queued, audit: audit(), line: line(run.id, "Failed.") };
    assert_eq!(opened.change_runs(&[change]).await.unwrap(), [true]);
    opened.delete_destination(destination, &audit()).await.unwrap();
    let kept = opened.round(round.id).await.unwrap();
    assert_eq!((kept.task, kept.task_name.as_str(), kept.destination), (None, "nightly", destination));
    assert_eq!(opened.run(run.id).await.unwrap().destination, destination);

    opened.delete_server(server, &audit()).await.unwrap();
    assert_eq!(opened.run(run.id).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_look_that_failed_keeps_what_is_known_of_the_server() {
    let opened = Opened::new().await;
    let server = server("shop");
    opened.insert_server(&server, &audit()).await.unwrap();
    let good = Sighting { at: at(1), version: Some("15.4".into()), error: None };
    let bad = Sighting { at: at(2), version: None, error: Some(told("No answer.")) };
    opened.set_seen(server.id, &good, Some(("instance", Some("pg_tde")))).await.unwrap();
    opened.set_seen(server.id, &bad, None).await.unwrap();
    let read = opened.server(server.id).await.unwrap();
    assert_eq!((read.seen, read.instance.as_deref(), read.version), (Some(bad), Some("instance"), 1));
    assert_eq!(read.encrypted_at_rest.as_deref(), Some("pg_tde"));
}

#[tokio::test]
async fn databases_go_and_come_back() {
    let opened = Opened::new().await;
    let server = server("shop");
    opened.insert_server(&server, &audit()).await.unwrap();
    let looks: [(&[&str], i64); 3] = [(&["a", "b"], 1), (&["b", "c"], 2), (&["a", "b"], 3)];
    for (names, minutes) in looks {
        let found: Vec<_> = names.iter().map(|name| ((*name).to_owned(), (*name != "b").then_some(7))).collect();
        opened.replace_databases(server.id, &found, at(minutes)).await.unwrap();
    }
    let databases = opened.databases(server.id).await.unwrap();
    let told: Vec<_> = databases.iter().map(|one| (one.name.as_str(), one.size_bytes, one.first_seen_at, one.gone_at)).collect();
    assert_eq!(told, [("a", Some(7), at(1), None), ("b", None, at(1), None), ("c", Some(7), at(2), Some(at(3)))]);
    assert_eq!(opened.all_databases().await.unwrap().remove(&server.id), Some(databases));
}

#[tokio::test]
async fn a_time_that_was_put_off_keeps_where_it_came_from_until_it_is_put_back_or_over() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let times = async || opened.task(task.id).await.map(|task| (task.next_at, task.put_off_from)).unwrap();
    opened.put_off(task.id, at(60), at(120), &audit()).await.unwrap();
    assert_eq!(times().await, (Some(at(120)), Some(at(60))));
    assert_eq!(opened.put_off(task.id, at(60), at(180), &audit()).await.unwrap_err().code(), Code::Conflict);
    opened.put_off(task.id, at(120), at(180), &audit()).await.unwrap();
    assert_eq!(times().await, (Some(at(180)), Some(at(60))));
    opened.put_off(task.id, at(180), at(60), &audit()).await.unwrap();
    assert_eq!(times().await, (Some(at(60)), None));
    opened.put_off(task.id, at(60), at(120), &audit()).await.unwrap();
    opened.set_next(task.id, at(120), Some(at(500))).await.unwrap();
    assert_eq!(times().await, (Some(at(500)), None));
    opened.put_off(task.id, at(500), at(520), &audit()).await.unwrap();
    opened.set_enabled(task.id, false, None, &audit()).await.unwrap();
    assert_eq!(times().await, (None, None));
}

#[tokio::test]
async fn an_edit_that_was_begun_before_its_task_was_put_off_does_not_undo_that() {
    let opened = Opened::new().await;
    let read = opened.with_task().await;
    let times = async || opened.task(read.id).await.map(|task| (task.next_at, task.put_off_from)).unwrap();
    opened.put_off(read.id, at(60), at(120), &audit()).await.unwrap();
    let mut edited = read.clone();
    edited.task.catch_up = !read.task.catch_up;
    opened.update_task(&edited, &audit()).await.unwrap();
    assert_eq!(times().await, (Some(at(120)), Some(at(60))));
    // Nor does one bring a time back that has come meanwhile.
    opened.set_next(read.id, at(120), Some(at(500))).await.unwrap();
    opened.update_task(&TaskRecord { version: 2, ..read.clone() }, &audit()).await.unwrap();
    assert_eq!(times().await, (Some(at(500)), None));
    // At other times it is due anew.
    opened.put_off(read.id, at(500), at(520), &audit()).await.unwrap();
    edited.task.schedules.full = Some("30 4 * * *".into());
    opened.update_task(&TaskRecord { version: 3, next_at: Some(at(200)), ..edited }, &audit()).await.unwrap();
    assert_eq!(times().await, (Some(at(200)), None));
}

#[tokio::test]
async fn a_task_is_due_when_its_time_has_come_and_it_is_enabled() {
    let opened = Opened::new().await;
    let first = opened.with_task().await;
    let second = TaskRecord { next_at: Some(at(30)), ..task("hourly", first.task.servers[0], first.task.destination) };
    opened.insert_task(&second, &audit()).await.unwrap();
    let due =
        async |minutes| -> Vec<String> { opened.due_tasks(at(minutes)).await.unwrap().into_iter().map(|task| task.task.name).collect() };
    assert_eq!((due(29).await.len(), due(30).await, due(60).await), (0, vec!["hourly".into()], vec!["hourly".into(), "nightly".into()]));
    opened.set_next(second.id, at(29), Some(at(300))).await.unwrap();
    opened.set_next(second.id, at(30), Some(at(90))).await.unwrap();
    assert_eq!(due(60).await, ["nightly"]);
    opened.set_enabled(first.id, false, Some(at(1)), &audit()).await.unwrap();
    opened.set_next(first.id, at(60), Some(at(1))).await.unwrap();
    opened.update_task(&first, &audit()).await.unwrap();
    assert_eq!(opened.task(first.id).await.unwrap().next_at, None);
    assert!(due(60).await.is_empty());
    opened.set_enabled(first.id, true, Some(at(1)), &audit()).await.unwrap();
    assert_eq!(due(60).await, ["nightly"]);
    assert_eq!(opened.tasks().await.unwrap(), opened.tasks_of(first.task.servers[0]).await.unwrap());
}

#[tokio::test]
async fn destinations_remember_how_their_reading_went() {
    let opened = Opened::new().await;
    let vault = destination("vault");
    opened.insert_destination(&vault, &audit()).await.unwrap();
    opened.set_read(&vault, at(1), Some(&told("Not mounted."))).await.unwrap();
    let read = DestinationRecord { read_at: Some(at(1)), read_error: Some(told("Not mounted.")), ..vault };
    assert_eq!(opened.destinations().await.unwrap(), [read]);
}

#[tokio::test]
async fn a_value_of_another_version_is_an_error_and_not_a_guess() {
    let opened = Opened::new().await;
    let task = opened.with_task().await;
    let round = ended(&task, at(0), RoundState::Failed);
    opened.insert_round(&round, &audit()).await.unwrap();
    let mut write = opened.begin().await.unwrap();
    sqlx::query("UPDATE rounds SET state = 'dreaming'").execute(write.on()).await.unwrap();
    write.commit().await.unwrap();
    let error = opened.round(round.id).await.unwrap_err();
    assert!(error.code() == Code::Catalog && error.to_string().contains("state"), "{error}");
}

#[tokio::test]
async fn a_key_stays_as_long_as_a_task_seals_for_it() {
    let opened = Opened::new().await;
    let mut task = opened.with_task().await;
    let (operator, escrow) = (key("Operator"), key("Escrow"));
    opened.insert_key(&operator, &audit()).await.unwrap();
    opened.insert_key(&escrow, &audit()).await.unwrap();
    assert_eq!(opened.keys().await.unwrap(), [escrow.clone(), operator.clone()]);
    let again = KeyRecord { id: key("x").id, name: "Other name".into(), ..operator.clone() };
    assert!(opened.insert_key(&again, &audit()).await.unwrap_err().told().field("public_key").is_some());

    task.task.recipients = vec![operator.id, escrow.id];
    opened.update_task(&task, &audit()).await.unwrap();
    for read in [opened.task(task.id).await.unwrap(), opened.tasks().await.unwrap().remove(0)] {
        assert_eq!(read.task.recipients, [operator.id, escrow.id]);
    }
    assert_eq!(opened.delete_key(escrow.id, &audit()).await.unwrap_err().code(), Code::Busy);
    task.version += 1;
    task.task.recipients = vec![operator.id];
    opened.update_task(&task, &audit()).await.unwrap();
    opened.delete_key(escrow.id, &audit()).await.unwrap();
    opened.set_key_proven(operator.id, at(9), &audit()).await.unwrap();
    opened.update_key(&KeyRecord { note: "in the safe".into(), ..operator.clone() }, &audit()).await.unwrap();
    assert_eq!(opened.update_key(&operator, &audit()).await.unwrap_err().code(), Code::Conflict);
    let read = opened.key(operator.id).await.unwrap();
    assert_eq!((read.proven_at, read.note.as_str(), read.version), (Some(at(9)), "in the safe", 2));
    opened.delete_task(task.id, &audit()).await.unwrap();
    opened.delete_key(operator.id, &audit()).await.unwrap();
    assert!(opened.keys().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_task_whose_keys_are_gone_is_never_one_that_does_not_seal() {
    let opened = Opened::new().await;
    let mut task = opened.with_task().await;
    opened.insert_key(&key("Operator"), &audit()).await.unwrap();
    task.task.recipients = opened.keys().await.unwrap().iter().map(|key| key.id).collect();
    opened.update_task(&task, &audit()).await.unwrap();
    let mut write = opened.begin().await.unwrap();
    sqlx::query("DELETE FROM task_keys").execute(write.on()).await.unwrap();
    write.commit().await.unwrap();
    for read in [opened.task(task.id).await.map(drop), opened.tasks().await.map(drop), opened.due_tasks(at(999)).await.map(drop)] {
        assert_eq!(read.unwrap_err().code(), Code::Catalog);
    }
}
