//! Sealed backups through the console, on real SQLite folders: it seals without a key, and opens nothing without one.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod world;

use base64::{Engine, engine::general_purpose::STANDARD};
use domain::{
    Code, DestinationId, KeyId, RestoreForm, RoundState, RunState, ServerId, TaskId,
    view::{backup::PointLine, key::SealedView},
};
use seal::PrivateKey;
use std::fs;
use world::{Console, World, opened, refused};

struct Sealed {
    console: Console,
    server: ServerId,
    destination: DestinationId,
    task: TaskId,
    keys: Vec<(KeyId, PrivateKey)>,
}

/// A task that seals for two keys, and one backup of it.
async fn sealed(world: &World) -> Sealed {
    world.make("shop.db");
    let console = world.start().await;
    let (server, destination, task) = world.task(&console, "").await;
    let mut keys = vec![];
    for name in ["Operator", "Escrow"] {
        let key = PrivateKey::generate().unwrap();
        keys.push((console.add_key(name, &key).await, key));
    }
    console.seal_for(task, &[keys[0].0, keys[1].0]).await;
    console.back_up(task).await;
    Sealed { console, server, destination, task, keys }
}

impl Sealed {
    async fn point(&self) -> PointLine {
        let folder = self.console.control.folder(&self.console.permit, self.destination, "shop.db").await.unwrap();
        folder.chains[0].points[0].clone()
    }

    async fn form(&self, name: &str) -> RestoreForm {
        RestoreForm {
            destination: self.destination.to_string(),
            database: "shop.db".into(),
            origin: "apps".into(),
            point: self.point().await.label.to_string(),
            server: self.server.to_string(),
            name: name.into(),
            ..RestoreForm::default()
        }
    }

    async fn view(&self) -> SealedView {
        self.console.sealed_point(self.destination, "shop.db", &self.point().await.label.to_string()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_task_seals_comes_back_with_any_of_its_keys() {
    let world = World::new();
    let all = sealed(&world).await;
    let (console, point) = (&all.console, all.point().await);
    assert!(point.sealed && point.fault.is_none());
    let archives = walk(&world.path("root")).into_iter().filter(|path| path.ends_with(".zip.sealed"));
    assert_eq!(archives.count(), 1);

    let view = all.view().await;
    let names: Vec<_> = view.keys.iter().map(|key| key.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["Operator", "Escrow"]);
    for (number, (_, key)) in all.keys.iter().enumerate() {
        let form = all.form(&format!("back_{number}.db")).await;
        let preview = console.control.review_restore(&console.permit, &form, Some(opened(&view, key))).await.unwrap();
        assert!(preview.errors.is_empty() && preview.review.unwrap().obstacle.is_none());
        let run = console.control.restore(&console.permit, &form, Some(opened(&view, key))).await.unwrap();
        let run = console.run_ended(run).await;
        assert_eq!((run.line.state, run.line.proven, run.line.rows), (RunState::Succeeded, Some(true), Some(3)), "{run:#?}");
        assert_eq!(console.control.keys_in_memory(), 0);
    }
    all.console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_right_key_nothing_begins() {
    let world = World::new();
    let all = sealed(&world).await;
    let (console, form) = (&all.console, all.form("back.db").await);
    let restore = async |key: Option<String>| refused(console.control.restore(&console.permit, &form, key).await);
    assert_eq!(restore(None).await.code(), Code::KeyNeeded);
    for wrong in ["", "no base64", &STANDARD.encode([1; 31])] {
        let error = restore(Some(wrong.into())).await;
        assert_eq!(error.code(), Code::WrongKey, "{wrong}");
        assert!(wrong.is_empty() || !format!("{error:?}").contains(wrong), "a key was repeated");
    }
    // A key of the right form, but of another archive.
    assert_ne!(restore(Some(STANDARD.encode([1; 32]))).await.code(), Code::KeyNeeded);
    assert!(!world.db("back.db").exists());
    let runs = console.control.runs(&console.permit, &Default::default()).await.unwrap();
    assert_eq!(runs.items.iter().filter(|run| run.kind == domain::RunKind::Restore).count(), 0);
    all.console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_says_how_far_it_saw() {
    let world = World::new();
    let all = sealed(&world).await;
    let (console, label) = (&all.console, all.point().await.label.to_string());
    let verify = async |key: Option<String>| {
        let run = console.control.verify_now(&console.permit, all.destination, "shop.db", &label, None, key).await.unwrap();
        console.run_ended(run).await
    };
    let stored = verify(None).await;
    assert_eq!(stored.line.state, RunState::Succeeded);
    assert!(stored.notes[0].contains("not looked at, without a key"), "{stored:#?}");
    let seen = verify(Some(opened(&all.view().await, &all.keys[1].1))).await;
    assert!(seen.line.state == RunState::Succeeded && seen.notes.is_empty(), "{seen:#?}");
    let wrong = console.control.verify_now(&console.permit, all.destination, "shop.db", &label, None, Some(STANDARD.encode([9; 32]))).await;
    refused(wrong);
    all.console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_that_was_started_anew_has_forgotten_the_key_and_says_so() {
    let world = World::new();
    let all = sealed(&world).await;
    let key = opened(&all.view().await, &all.keys[0].1);
    let form = all.form("back.db").await;
    let Sealed { console, .. } = all;
    console.stop().await;
    // Asked for, and not begun before the console ends.
    let idle = world.open().await;
    let run = idle.control.restore(&idle.permit, &form, Some(key.clone())).await.unwrap();
    let destination = form.destination.parse().unwrap();
    let verified = idle.control.verify_now(&idle.permit, destination, "shop.db", &form.point, None, Some(key.clone())).await.unwrap();
    drop(idle);
    let console = world.start_when_free().await;
    let run = console.run_ended(run).await;
    let error = run.line.error.clone().unwrap();
    assert_eq!((run.line.state, error.code), (RunState::Failed, Code::KeyNeeded), "{run:#?}");
    assert!(error.next_step.contains("give the key again"));
    let verified = console.run_ended(verified).await;
    assert_eq!((verified.line.state, verified.line.error.map(|error| error.code)), (RunState::Failed, Some(Code::KeyNeeded)));
    console.stop().await;
    for file in walk(&world.path("data")) {
        let bytes = fs::read(&file).unwrap();
        let raw = STANDARD.decode(&key).unwrap();
        let is_there = bytes.windows(raw.len()).any(|part| part == raw) || bytes.windows(key.len()).any(|part| part == key.as_bytes());
        assert!(!is_there, "the data key is in {file}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_stopped_before_it_begins_leaves_nothing() {
    let world = World::new();
    let all = sealed(&world).await;
    let key = opened(&all.view().await, &all.keys[0].1);
    let form = all.form("back.db").await;
    let Sealed { console, .. } = all;
    console.stop().await;
    let idle = world.open().await;
    let run = idle.control.restore(&idle.permit, &form, Some(key)).await.unwrap();
    idle.control.abort_run(&idle.permit, run).await.unwrap();
    assert_eq!(idle.run(run).await.line.state, RunState::Aborted);
    assert_eq!(idle.control.keys_in_memory(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_happens_to_a_task_lets_its_backups_be_readable_for_others() {
    let world = World::new();
    let all = sealed(&world).await;
    let console = &all.console;
    // A key that a task needs stays.
    let removed = console.control.remove_key(&console.permit, all.keys[0].0, "Operator").await;
    assert_eq!(refused(removed).code(), Code::Busy);
    // Whoever did not choose is asked, and who lost a key on the way is told.
    let (form, version) = console.control.task_form(&console.permit, all.task).await.unwrap();
    for (encryption, recipients) in [("", form.recipients.as_str()), ("sealed", ""), ("sealed", &all.task.to_string())] {
        let bad = domain::TaskForm { encryption: encryption.into(), recipients: recipients.into(), ..form.clone() };
        let error = refused(console.control.change_task(&console.permit, all.task, version, &bad).await);
        assert_eq!(error.code(), Code::Invalid, "{encryption} {recipients}");
    }
    // The task changes after its round was prepared: what waits is still sealed for whom it was ordered.
    let hold = world.hold("shop.db");
    let round = console.control.back_up_now(&console.permit, all.task, None, None).await.unwrap();
    console.round_when(round, "running", |view| !view.runs.is_empty()).await;
    let plain = domain::TaskForm { encryption: "none".into(), ..form };
    console.control.change_task(&console.permit, all.task, version, &plain).await.unwrap();
    drop(hold);
    let round = console.round_ended(round).await;
    assert_eq!(round.runs[0].state, RunState::Succeeded, "{round:#?}");
    assert!(all.point().await.sealed);
    // And the next round does as the task says now.
    console.back_up(all.task).await;
    assert!(!all.point().await.sealed);
    all.console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ordered_before_its_task_seals_is_sealed_when_it_is_made() {
    let world = World::new();
    world.make_broken("a.db");
    world.make("b.db");
    let console = world.start().await;
    // One run at a time, in the order of names.
    let (_, destination, task) = world.task(&console, "1").await;
    let failed = console.back_up(task).await;
    assert_eq!(failed.line.state, RoundState::Partly);

    // While one works, another waits.
    fs::remove_file(world.db("a.db")).unwrap();
    world.make("a.db");
    let hold = world.hold("a.db");
    let waiting = console.at_work(task).await.line.id;
    let key = PrivateKey::generate().unwrap();
    let id = console.add_key("Operator", &key).await;
    console.seal_for(task, &[id]).await;
    drop(hold);
    assert_eq!(console.round_ended(waiting).await.line.state, RoundState::Succeeded);
    let newest = async |database: &str| {
        let folder = console.control.folder(&console.permit, destination, database).await.unwrap();
        folder.chains[0].points[0].clone()
    };
    assert!(newest("b.db").await.sealed, "what waited was written for everybody to read");

    // What failed before is tried again.
    let before = newest("a.db").await.label;
    console.control.retry_failed(&console.permit, failed.line.id).await.unwrap();
    assert_eq!(console.round_ended(failed.line.id).await.line.state, RoundState::Succeeded);
    let now = newest("a.db").await;
    assert!(now.label != before && now.sealed, "what was tried again was written for everybody to read: {now:?}");

    // Nobody knows for whom to seal what a task that is gone has ordered.
    fs::remove_file(world.db("b.db")).unwrap();
    world.make_broken("b.db");
    let failed = console.back_up(task).await;
    assert_eq!(failed.line.state, RoundState::Partly);
    console.control.remove_task(&console.permit, task, "nightly").await.unwrap();
    let error = refused(console.control.retry_failed(&console.permit, failed.line.id).await);
    assert!(error.code() == Code::Conflict && error.to_string().contains("was deleted"), "{error:?}");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drill_proves_that_a_key_is_at_hand() {
    let world = World::new();
    let console = world.start().await;
    let (key, other) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
    let id = console.add_key("Operator", &key).await;
    let before = console.control.key(&console.permit, id).await.unwrap();
    assert!(!before.is_overdue() && before.proven_at.is_none());
    assert_eq!(before.due_at.duration_since(before.created_at).as_hours(), 90 * 24);
    let ask =
        async || -> seal::drill::Question { serde_json::from_str(&console.control.ask_drill(&console.permit, id).await.unwrap()).unwrap() };
    let answer = async |text: &str| console.control.answer_drill(&console.permit, id, text).await;

    assert!(ask().await.answer(&other).is_err());
    assert_eq!(refused(answer("AAAA").await).code(), Code::WrongKey);
    // A question is answered once, right or wrong.
    let question = ask().await;
    let right = question.answer(&key).unwrap();
    refused(answer("AAAA").await);
    assert_eq!(refused(answer(&right).await).code(), Code::WrongKey);
    let right = ask().await.answer(&key).unwrap();
    answer(&right).await.unwrap();
    refused(answer(&right).await);
    let after = console.control.key(&console.permit, id).await.unwrap();
    assert!(after.proven_at.is_some() && after.due_at > before.due_at);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_not_saved_is_not_taken() {
    let world = World::new();
    let console = world.start().await;
    let public = PrivateKey::generate().unwrap().public().unwrap();
    let good = domain::KeyForm {
        name: "Operator".into(),
        public_key: public.to_string(),
        typed_fingerprint: public.fingerprint().to_string().to_uppercase().replace('-', " "),
        understood: "on".into(),
        ..Default::default()
    };
    let other = PrivateKey::generate().unwrap();
    let wrong = [
        ("typed_fingerprint", domain::KeyForm { typed_fingerprint: other.public().unwrap().fingerprint().to_string(), ..good.clone() }),
        ("typed_fingerprint", domain::KeyForm { typed_fingerprint: String::new(), ..good.clone() }),
        ("understood", domain::KeyForm { understood: String::new(), ..good.clone() }),
        ("public_key", domain::KeyForm { public_key: other.expose().to_string(), ..good.clone() }),
        ("derivation", domain::KeyForm { derivation: "{}".into(), ..good.clone() }),
    ];
    for (field, form) in wrong {
        let error = refused(console.control.add_key(&console.permit, &form).await);
        assert!(error.told().field(field).is_some(), "{field}: {error:?}");
        assert!(!format!("{error:?}").contains(&other.expose()[13..]), "a private key was repeated");
    }
    console.control.add_key(&console.permit, &good).await.unwrap();
    let twice = refused(console.control.add_key(&console.permit, &domain::KeyForm { name: "Again".into(), ..good }).await);
    assert!(twice.told().field("public_key").is_some());
    console.stop().await;
}

/// Every file below a folder, as text.
fn walk(folder: &std::path::Path) -> Vec<String> {
    let mut found = vec![];
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(walk(&entry.path()));
        } else {
            found.push(entry.path().display().to_string());
        }
    }
    found
}
