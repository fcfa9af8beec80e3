//! Restores and verifications through the console, on real SQLite folders.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod world;

use domain::{
    Code, DestinationId, RestoreForm, RunKind, RunState, ServerId,
    view::{backup::Verified, overview::Trouble, run::RunQuery},
};
use std::{fs, path::Path};
use world::{Console, World, refused};

async fn backed_up() -> (World, Console, ServerId, DestinationId) {
    let world = World::new();
    world.make("shop.db");
    let console = world.start().await;
    let (server, destination, task) = world.task(&console, "").await;
    console.back_up(task).await;
    (world, console, server, destination)
}

fn fields(preview: &domain::view::restore::RestorePreview) -> Vec<&str> {
    preview.errors.iter().map(|error| error.field.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_is_chosen_step_by_step_and_proven() {
    let (world, console, server, destination) = backed_up().await;
    let preview = async |form: &RestoreForm| console.control.preview_restore(&console.permit, form, &Default::default()).await.unwrap();

    let mut form = RestoreForm::default();
    let first = preview(&form).await;
    assert_eq!(fields(&first), ["destination", "database", "point", "server", "name"]);
    assert_eq!((first.destinations.len(), first.folders.items.len()), (1, 0));
    form.destination = destination.to_string();
    let second = preview(&form).await;
    assert_eq!(second.folders.items[0].database, "shop.db");
    (form.database, form.origin) = ("shop.db".into(), second.folders.items[0].origin.clone().unwrap());
    let third = preview(&form).await;
    assert_eq!(fields(&third), ["point", "server", "name"]);
    form.point = third.points[0].label.to_string();
    let fourth = preview(&form).await;
    assert_eq!(fourth.targets, [(server, "apps".into(), true)]);
    assert_eq!(fourth.proposed_name.as_deref(), Some("shop_restored.db"));
    (form.server, form.name) = (server.to_string(), "shop.db".into());
    assert_eq!(fields(&preview(&form).await), ["name"]);
    form.name = "shop_restored.db".into();
    let last = preview(&form).await;
    assert!(last.errors.is_empty(), "{:?}", last.errors);
    assert_eq!((last.review.as_ref().unwrap().rows, last.review.unwrap().files), (3, 1));

    let id = console.control.restore(&console.permit, &form, None).await.unwrap();
    let run = console.run_ended(id).await;
    assert_eq!((run.line.state, run.line.proven, run.line.rows), (RunState::Succeeded, Some(true), Some(3)), "{run:#?}");
    assert_eq!((run.from_database.as_deref(), run.line.database.as_str()), (Some("shop.db"), "shop_restored.db"));
    assert!(run.tables.iter().all(|table| table.equal) && run.tables.len() == 1 && run.started_by.as_deref() == Some("ana"));
    let connection = rusqlite::Connection::open(world.db("shop_restored.db")).unwrap();
    assert_eq!(connection.query_row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0)).unwrap(), 3);
    let folder = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
    assert!(matches!(folder.chains[0].points[0].verified, Verified::Proven { .. }), "{folder:?}");

    // The same name again: the server is asked, whatever the catalog remembers.
    let error = refused(console.control.restore(&console.permit, &form, None).await);
    assert!(error.told().field("name").is_some_and(|sentence| sentence.contains("shop_restored.db")), "{error}");
    let runs = console.control.runs(&console.permit, &RunQuery::default()).await.unwrap();
    assert_eq!((runs.total, runs.items[0].kind), (1, RunKind::Restore));
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_restored_is_told_at_its_field() {
    let (_world, console, server, destination) = backed_up().await;
    let point = console.control.folder(&console.permit, destination, "shop.db").await.unwrap().chains[0].points[0].label.to_string();
    let good = RestoreForm {
        destination: destination.to_string(),
        database: "shop.db".into(),
        origin: "apps".into(),
        point,
        server: server.to_string(),
        name: "new.db".into(),
        ..Default::default()
    };
    let other = "01890a5d-ac96-774b-bcce-b302099a8057".to_owned();
    let wrong: [(&str, RestoreForm); 7] = [
        ("destination", RestoreForm { destination: other.clone(), ..good.clone() }),
        ("database", RestoreForm { database: "no such".into(), ..good.clone() }),
        ("database", RestoreForm { database: "_globals".into(), ..good.clone() }),
        ("database", RestoreForm { origin: "another server".into(), ..good.clone() }),
        ("point", RestoreForm { point: "2020-01-01-00-00-00Z.full-backup".into(), ..good.clone() }),
        ("server", RestoreForm { server: other, ..good.clone() }),
        ("name", RestoreForm { name: "../outside.db".into(), ..good.clone() }),
    ];
    for (field, form) in wrong {
        let preview = console.control.preview_restore(&console.permit, &form, &Default::default()).await.unwrap();
        assert!(fields(&preview).contains(&field) && preview.review.is_none(), "{field}: {:?}", preview.errors);
        let error = refused(console.control.restore(&console.permit, &form, None).await);
        assert_eq!(error.code(), Code::Invalid);
    }
    console.stop().await;
}

/// The archives under a root.
fn archives(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { archives(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|it| it == "zip"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verification_finds_a_damaged_archive_and_that_is_remembered() {
    let (world, console, server, destination) = backed_up().await;
    let line = async || {
        let folder = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
        folder.chains[0].points[0].clone()
    };
    let label = line().await.label.to_string();
    let verify = async || {
        let id = console.control.verify_now(&console.permit, destination, "shop.db", &label, None, None).await.unwrap();
        console.run_ended(id).await
    };
    let good = verify().await;
    assert_eq!((good.line.state, good.line.rows, good.line.server), (RunState::Succeeded, Some(3), Some(server)), "{good:#?}");

    let archive = archives(&world.path("root")).remove(0);
    let mut bytes = fs::read(&archive).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::remove_file(&archive).unwrap();
    fs::write(&archive, &bytes).unwrap();
    let bad = verify().await;
    assert_eq!((bad.line.state, bad.line.error.clone().map(|told| told.code)), (RunState::Failed, Some(Code::Damaged)));
    assert!(matches!(line().await.verified, Verified::Damaged));
    console.control.read_again(&console.permit, destination).await.unwrap();
    assert!(matches!(line().await.verified, Verified::Damaged), "reading manifests alone proves nothing");
    let root = console.control.root(&console.permit, destination, &Default::default()).await.unwrap();
    assert_eq!((root.folders.items[0].points, root.folders.items[0].bad), (0, 1));
    let databases = console.control.databases(&console.permit, server, &Default::default()).await.unwrap();
    assert_eq!(databases.items[0].last_good, None, "a damaged backup is no good one");

    bytes[middle] ^= 1;
    fs::remove_file(&archive).unwrap();
    fs::write(&archive, &bytes).unwrap();
    assert_eq!(verify().await.line.state, RunState::Succeeded);
    assert!(matches!(line().await.verified, Verified::Checked { .. }));
    assert_eq!(
        refused(console.control.verify_now(&console.permit, destination, "shop.db", "2020-01-01-00-00-00Z.full-backup", None, None).await)
            .code(),
        Code::NotFound
    );
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_and_remove_under_a_root_is_seen() {
    let (world, console, server, destination) = backed_up().await;
    let last_good = async || console.control.databases(&console.permit, server, &Default::default()).await.unwrap().items[0].last_good;
    assert!(last_good().await.is_some());
    fs::rename(world.path("root/shop.db"), world.path("aside")).unwrap();
    assert!(console.control.root(&console.permit, destination, &Default::default()).await.unwrap().folders.items.is_empty());
    console.control.read_again(&console.permit, destination).await.unwrap();
    assert_eq!(last_good().await, None);
    fs::rename(world.path("aside"), world.path("root/shop.db")).unwrap();
    console.control.read_again(&console.permit, destination).await.unwrap();
    assert!(last_good().await.is_some());

    // A root that vanished with backups in it is not an empty one.
    fs::rename(world.path("root"), world.path("elsewhere")).unwrap();
    let error = refused(console.control.read_again(&console.permit, destination).await);
    assert_eq!(error.code(), Code::RootUnusable);
    assert_eq!(refused(console.control.root(&console.permit, destination, &Default::default()).await).code(), Code::RootUnusable);
    assert!(last_good().await.is_some());

    // It is told wherever somebody looks, until it is read again.
    let view = console.control.destination(&console.permit, destination).await.unwrap();
    assert!(view.read_at.is_some() && view.read_error.is_some_and(|told| told.sentence.contains("mounted")));
    let troubles = console.control.overview(&console.permit).await.unwrap().troubles;
    assert!(matches!(&troubles[..], [Trouble::Destination { id, error, .. }] if *id == destination && !error.next_step.is_empty()));
    fs::rename(world.path("elsewhere"), world.path("root")).unwrap();
    console.control.read_again(&console.permit, destination).await.unwrap();
    assert!(console.control.overview(&console.permit).await.unwrap().troubles.is_empty());
    assert_eq!(console.control.destination(&console.permit, destination).await.unwrap().read_error, None);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_was_away_for_one_reading_can_be_restored_when_it_is_back() {
    let (world, console, server, destination) = backed_up().await;
    let archive = archives(&world.path("root")).remove(0);
    let last_good = async || console.control.databases(&console.permit, server, &Default::default()).await.unwrap().items[0].last_good;
    let label = console.control.folder(&console.permit, destination, "shop.db").await.unwrap().chains[0].points[0].label.to_string();
    let form = RestoreForm {
        destination: destination.to_string(),
        database: "shop.db".into(),
        point: label,
        server: server.to_string(),
        name: "new.db".into(),
        ..Default::default()
    };
    let preview = async || console.control.preview_restore(&console.permit, &form, &Default::default()).await.unwrap();
    fs::rename(&archive, world.path("aside")).unwrap();
    console.control.read_again(&console.permit, destination).await.unwrap();
    assert_eq!((fields(&preview().await).contains(&"point"), last_good().await), (true, None));

    fs::rename(world.path("aside"), &archive).unwrap();
    assert!(preview().await.errors.is_empty(), "whoever looks at it now sees that it is there");
    console.control.read_again(&console.permit, destination).await.unwrap();
    assert!(last_good().await.is_some());
    let folder = console.control.folder(&console.permit, destination, "shop.db").await.unwrap();
    assert!(matches!(folder.chains[0].points[0].verified, Verified::Checked { .. }), "{folder:?}");
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_servers_with_one_database_name_the_wanted_backup_is_verified() {
    let (world, console, _, destination) = backed_up().await;
    let other = world.path("others");
    fs::create_dir(&other).unwrap();
    fs::copy(world.db("shop.db"), other.join("shop.db")).unwrap();
    let form =
        domain::ServerForm { name: "others".into(), dbms: "sqlite".into(), folder: other.display().to_string(), ..Default::default() };
    let server = console.control.add_server(&console.permit, &form).await.unwrap();
    let task = console.add_task("others", server, destination, "").await;
    console.back_up(task).await;
    let chains = console.control.folder(&console.permit, destination, "shop.db").await.unwrap().chains;
    for chain in &chains {
        let label = chain.points[0].label.to_string();
        let id = console.control.verify_now(&console.permit, destination, "shop.db", &label, Some(&chain.folder), None).await.unwrap();
        let run = console.run_ended(id).await;
        assert_eq!((run.line.state, Some(run.line.server_name)), (RunState::Succeeded, chain.origin.clone()));
        // The label alone is not enough where the folder is another one's.
        let other = chains.iter().find(|other| other.folder != chain.folder).map(|other| other.folder.as_str());
        let error = refused(console.control.verify_now(&console.permit, destination, "shop.db", &label, other, None).await);
        assert_eq!(error.code(), Code::NotFound);
    }
    assert_eq!(chains.len(), 2);
    console.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_installation_signed_is_restored_once_it_was_accepted() {
    let (origin, old, ..) = backed_up().await;
    old.stop().await;
    let world = World::new();
    world.make("own.db");
    let console = world.start().await;
    let server = console.add_folder("apps", &world, "").await;
    let form = domain::DestinationForm { name: "found".into(), root: origin.path("root").display().to_string(), note: String::new() };
    let destination = console.control.add_destination(&console.permit, &form).await.unwrap();
    let point = async || console.control.folder(&console.permit, destination, "shop.db").await.unwrap().chains[0].points[0].clone();
    let before = point().await;
    assert_eq!(before.verified, Verified::Untrusted);
    let form = RestoreForm {
        destination: destination.to_string(),
        database: "shop.db".into(),
        origin: "apps".into(),
        point: before.label.to_string(),
        server: server.to_string(),
        name: "new.db".into(),
        ..RestoreForm::default()
    };
    let error = refused(console.control.restore(&console.permit, &form, None).await);
    let told = error.told().field("point").unwrap().to_owned();
    assert!(told.contains(&origin.fingerprint()) && told.contains("accept it in the settings"), "{told}");

    assert!(refused(console.control.accept_instance(&console.permit, "no fingerprint").await).told().field("accept").is_some());
    console.control.accept_instance(&console.permit, &origin.fingerprint()).await.unwrap();
    assert!(!matches!(point().await.verified, Verified::Untrusted));
    let settings = console.control.settings(&console.permit).await.unwrap();
    assert_eq!(settings.accepted, [origin.fingerprint()]);
    let id = console.control.restore(&console.permit, &form, None).await.unwrap();
    let run = console.run_ended(id).await;
    assert_eq!((run.line.state, run.line.proven), (RunState::Succeeded, Some(true)), "{run:#?}");
    console.stop().await;
}
