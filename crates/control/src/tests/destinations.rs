use super::*;
use domain::{Code, RunKind, view::people::SettingsForm};
use std::os::unix::fs::symlink;

#[tokio::test]
async fn a_destination_is_tried_added_changed_and_removed() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let form = console.root_form("backups");
    let sentence = control.probe_destination(&ada, &DestinationForm { name: String::new(), ..form.clone() }).await.unwrap();
    assert!(sentence.contains("It is empty.") && sentence.ends_with(" are free."), "{sentence}");
    assert_eq!(std::fs::read_dir(console.path("backups")).unwrap().count(), 0, "the test left something behind");

    let id = control.add_destination(&ada, &form).await.unwrap();
    let view = control.destination(&ada, id).await.unwrap();
    assert_eq!((view.name.as_str(), view.backups, view.free_bytes.is_some(), view.version), ("backups", 0, true, 1));
    assert_eq!(field(&control.add_destination(&ada, &form).await.unwrap_err(), "name"), "There is already a destination of this name.");

    control.change_destination(&ada, id, 1, &DestinationForm { note: "nas".into(), ..form.clone() }).await.unwrap();
    let error = control.change_destination(&ada, id, 1, &DestinationForm { name: "other".into(), ..form.clone() }).await.unwrap_err();
    assert_eq!((error.code(), field(&error, "note"), field(&error, "name")), (Code::Conflict, "It is now: nas", "It is now: backups"));

    let server = console.add_folder(&ada, "apps", &["a.db"]).await;
    let task = control.add_task(&ada, &task_form("nightly", server, id)).await.unwrap();
    assert_eq!(control.destinations(&ada).await.unwrap()[0].tasks, ["nightly"]);
    assert_eq!(control.remove_destination(&ada, id, "backups").await.unwrap_err().code(), Code::Busy);
    control.remove_task(&ada, task, "nightly").await.unwrap();
    field(&control.remove_destination(&ada, id, "").await.unwrap_err(), "typed_name");
    control.remove_destination(&ada, id, "backups").await.unwrap();
    assert!(console.path("backups").is_dir(), "files of a destination stay");
}

#[tokio::test]
async fn a_root_that_cannot_be_used_is_told_at_its_field() {
    let (console, ada) = Console::with_ada().await;
    std::fs::write(console.path("file"), "x").unwrap();
    for root in ["", "relative", "s3://bucket", "file", "missing/deeper"] {
        let path = if root.is_empty() || root.contains(':') || root == "relative" { root.into() } else { console.path(root) };
        let form = DestinationForm { name: "x".into(), root: path.display().to_string(), note: String::new() };
        for error in [
            console.control.add_destination(&ada, &form).await.unwrap_err(),
            console.control.probe_destination(&ada, &form).await.unwrap_err(),
        ] {
            assert!(field(&error, "root").len() > 20, "{error:?}");
        }
    }
    make_database(&console.path("photos/cat.db"));
    let error = console.control.probe_destination(&ada, &console.root_form("photos")).await.unwrap_err();
    assert!(field(&error, "root").contains("cat.db"), "{error:?}");
}

#[tokio::test]
async fn roots_outside_the_allowed_one_are_refused_through_links_too() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    for folder in ["allowed", "outside"] {
        std::fs::create_dir(console.path(folder)).unwrap();
    }
    symlink(console.path("outside"), console.path("allowed/link")).unwrap();
    let earlier = console.add_destination(&ada, "outside/earlier").await;
    let edit = control.settings(&ada).await.unwrap().edit;
    let limit = |root: PathBuf| SettingsForm { local_root: root.display().to_string(), ..SettingsForm::default() };

    let error = control.change_settings(&ada, edit, &limit(console.path("allowed"))).await.unwrap_err();
    assert!(field(&error, "local_root").contains("outside/earlier"), "{error:?}");
    field(&control.change_settings(&ada, edit, &limit("relative".into())).await.unwrap_err(), "local_root");
    control.remove_destination(&ada, earlier, "outside/earlier").await.unwrap();
    field(&control.change_settings(&ada, edit, &limit(console.path("nowhere"))).await.unwrap_err(), "local_root");
    control.change_settings(&ada, edit, &limit(console.path("allowed"))).await.unwrap();

    for outside in ["outside/new", "allowed/link/new", "allowed/../outside/new"] {
        for error in [
            control.add_destination(&ada, &console.root_form(outside)).await.unwrap_err(),
            control.probe_destination(&ada, &console.root_form(outside)).await.unwrap_err(),
        ] {
            assert_eq!(error.code(), Code::Forbidden, "{outside}");
            assert!(field(&error, "root").contains("outside"), "{error:?}");
        }
    }
    assert_eq!(std::fs::read_dir(console.path("outside")).unwrap().count(), 1, "something was made outside");

    // A folder that becomes a link later is refused when it is opened.
    let id = console.add_destination(&ada, "allowed/good").await;
    let record = control.catalog.destination(id).await.unwrap();
    control.open_store(&record, store::Mode::Write).await.unwrap();
    std::fs::remove_dir(console.path("allowed/good")).unwrap();
    symlink(console.path("outside"), console.path("allowed/good")).unwrap();
    assert_eq!(control.open_store(&record, store::Mode::Write).await.err().unwrap().code(), Code::Forbidden);
}

#[tokio::test]
async fn settings_are_checked_kept_and_not_lost() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let view = control.settings(&ada).await.unwrap();
    assert_eq!((view.local_root.as_str(), view.version.as_str(), view.fingerprint.len()), ("", "1.2.3", 39));
    assert!(view.jobs >= 2 && view.catalog.starts_with("sqlite:"));
    let jobs = |jobs: &str| SettingsForm { jobs: jobs.into(), ..SettingsForm::default() };
    for bad in ["0", "many", "257", "-1"] {
        field(&control.change_settings(&ada, view.edit, &jobs(bad)).await.unwrap_err(), "jobs");
    }
    control.change_settings(&ada, view.edit, &jobs(" 7 ")).await.unwrap();
    assert_eq!(control.settings(&ada).await.unwrap().jobs, 7);
    let error = control.change_settings(&ada, view.edit, &jobs("9")).await.unwrap_err();
    assert_eq!((error.code(), field(&error, "jobs")), (Code::Conflict, "It is now: 7"));
    let line = control.audit(&ada, &domain::view::people::AuditQuery { filter: "SETTING".into(), page: 1 }).await.unwrap().items.remove(0);
    assert_eq!((line.actor.as_str(), line.action.as_str(), line.subject.as_str()), ("Ada", "setting changed", "jobs"));
}

#[tokio::test]
async fn backups_give_way_unless_that_is_set_otherwise() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let set = async |pace: &str| {
        let edit = control.settings(&ada).await.unwrap().edit;
        control.change_settings(&ada, edit, &SettingsForm { pace: pace.into(), ..SettingsForm::default() }).await?;
        Ok::<_, domain::Error>((control.settings(&ada).await?.pace, control.gives_way(RunKind::Backup).await?))
    };
    assert!(control.gives_way(RunKind::Verify).await.unwrap() && !control.gives_way(RunKind::Restore).await.unwrap());
    assert_eq!(set("").await.unwrap(), ("gentle".into(), true));
    assert_eq!(set("full").await.unwrap(), ("full".into(), false));
    field(&set("fast").await.unwrap_err(), "pace");
    assert_eq!(set("gentle").await.unwrap(), ("gentle".into(), true));
}
