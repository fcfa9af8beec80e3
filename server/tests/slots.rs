//! Replication slots as a browser without scripts meets them.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail anywhere")]

mod support;

use support::{
    World,
    console::{Console, seldom},
    http::{Client, holds},
};
use testkit::PostgresServer;

fn server() -> PostgresServer {
    let server = PostgresServer::builder().conf("wal_level = logical").start().unwrap();
    server.create_database("shop").unwrap();
    server.psql("shop", "create table t (id int primary key); insert into t values (1)").unwrap();
    server
}

/// Lets so many segments of 16 MiB of log pass.
fn write_log(server: &PostgresServer, segments: u32) {
    for _ in 0..segments {
        server.psql("shop", "insert into t select max(id) + 1 from t; select pg_switch_wal()").unwrap();
    }
}

/// Backs up incrementally, and gives why the backup of the database is of its kind.
fn round(ada: &Client, task: &str) -> String {
    let round = ada.call("back_up_now", &format!("task={task}&kind=incremental")).id();
    let view = ada.follow(&format!("/rounds/{round}")).succeeded();
    let run = view["runs"].as_array().unwrap().iter().find(|run| run["database"] == "shop");
    run.unwrap_or_else(|| panic!("{view:#}"))["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn slots_are_listed_and_dropped_by_plain_forms() {
    let (world, console, postgres) = (World::new(), Console::start(&[]), server());
    let ada = console.set_up();
    let place = ada.call("add_destination", &format!("name=disk&root={}&note=", world.root())).id();
    let reached = format!("name=db&dbms=postgresql&folder=&host=127.0.0.1&port={}&user=postgres&tls=disable", postgres.port());
    let db = ada.call("add_server", &reached).id();
    let page = format!("/servers/{db}/slots");
    holds(&ada.get(&page).words(), &["The server keeps nothing for incrementals", "more than 4 GiB is dropped"]);
    let when = format!("full={0}&incremental={0}&time_zone=UTC", seldom());
    let fields = format!("servers={db}&name=nightly&{when}&excluded=postgres%0Atemplate1&encryption=none");
    let task = ada.call("add_task", &format!("{fields}&recipients=&backup_type=logical&catch_up=on&destination={place}")).id();
    round(&ada, &task);
    let shown = ada.get(&page);
    holds(&shown.words(), &["1 slot", "shop", "nightly", "Reserved", "Change the limit"]);
    for far in ["Near the limit", "Over the limit"] {
        assert!(!shown.words().contains(far), "it is far from it");
    }

    // The limit is a field of the server's settings; a wrong one comes back with what was typed.
    let settings = format!("/servers/{db}/settings");
    holds(&ada.get(&settings).words(), &["Log kept for each database"]);
    let sent = |most: &str| ada.submit(&settings, "change_server", &format!("server={db}&version=1&{reached}&most_held={most}"));
    let wrong = sent("5+apples");
    assert_eq!(wrong.status, 302);
    let back = ada.get(wrong.header("location").unwrap()).words();
    holds(&back, &["Give a whole number with its unit from 64 MiB to 64 TiB"]);
    assert!(wrong.header("location").unwrap().contains("most_held=5+apples"), "{wrong:?}");
    assert_eq!(sent("100+MiB").id(), db);
    // From 80 to 96 MiB, by where in a segment the slot began.
    write_log(&postgres, 6);
    holds(&ada.get(&page).words(), &["more than 100 MiB is dropped", "Near the limit"]);

    // It is dropped with its database's name typed.
    let text = shown.text();
    let drop =
        text.split("href=\"").map(|rest| rest.split('"').next().unwrap()).find(|href| href.starts_with(&format!("{page}/"))).unwrap();
    let slot = drop.rsplit('/').next().unwrap();
    holds(&ada.get(drop).words(), &["Drop the slot of shop", "the next backup is a full one", slot]);
    let sent = |typed: &str| ada.submit(drop, "drop_slot", &format!("server={db}&slot={slot}&typed_name={typed}"));
    let refused = sent("nightly");
    holds(&ada.get(refused.header("location").unwrap()).words(), &["Type its name, shop, to confirm."]);
    assert_eq!(sent("shop").header("location"), Some(page.as_str()));
    holds(&ada.get(&page).words(), &["The server keeps nothing for incrementals"]);
    assert_eq!(ada.get(drop).status, 404);
    assert_eq!(round(&ada, &task), "Its replication slot was dropped by ada.");

    // Who may not drop one sees them all the same.
    ada.call("add_user", "name=viewer&role=viewer&password=correct+horse+battery&current_password=");
    let viewer = console.sign_in("viewer");
    let seen = viewer.get(&page).words();
    holds(&seen, &["1 slot", "nightly"]);
    assert!(!seen.contains("Drop") && !seen.contains("Change the limit"), "{seen}");
}
