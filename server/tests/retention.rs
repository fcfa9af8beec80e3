//! Retention through pages and plain forms, as a browser without scripts meets it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail anywhere")]

mod support;

use std::fs;
use support::{
    World,
    console::{Console, seldom},
    http::{Answer, Client, holds},
};

/// The value of a hidden field of a page.
fn hidden(answer: &Answer, name: &str) -> String {
    let text = answer.text();
    let field = text.split("<input").find(|field| field.contains(&format!("name=\"{name}\""))).unwrap_or_else(|| panic!("no {name}"));
    field.split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// A task over one database, with so many backups of it: its identifier, and that of the destination.
fn with_backups(world: &World, ada: &Client, count: usize) -> (String, String) {
    world.shop();
    let place = ada.call("add_destination", &format!("name=disk&root={}&note=", world.root())).id();
    let server = ada.call("add_server", &format!("name=apps&dbms=sqlite&folder={}", world.path("dbs").display())).id();
    let when = format!("full={}&incremental=&time_zone=UTC", seldom());
    let fields = format!("servers={server}&name=nightly&{when}&excluded=&encryption=none&recipients=");
    let task = ada.call("add_task", &format!("{fields}&backup_type=logical&catch_up=on&destination={place}")).id();
    for _ in 0..count {
        let round = ada.call("back_up_now", &format!("task={task}")).id();
        ada.follow(&format!("/rounds/{round}")).succeeded();
    }
    (task, place)
}

fn chains(world: &World) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(world.path("root/shop.db")).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_rule_is_previewed_kept_and_applied_and_a_held_chain_stays() {
    let (world, console) = (World::new(), Console::start(&[]));
    let ada = console.set_up();
    let (task, place) = with_backups(&world, &ada, 4);
    holds(&ada.get(&format!("/tasks/{task}")).words(), &["Every backup"]);

    // The oldest one is held.
    let backups = format!("/backups/{place}/shop.db");
    let folder = format!("shop.db/{}", chains(&world)[0]);
    let page = format!("{backups}/hold?folder={}", folder.replace('/', "%2F"));
    holds(&ada.get(&page).words(), &["Hold it"]);
    let fields = format!("destination={place}&folder={}&note=Until+the+audit&back={backups}", folder.replace('/', "%2F"));
    let held = ada.submit(&page, "hold_chain", &fields);
    assert_eq!((held.status, held.header("location")), (302, Some(backups.as_str())), "{}", held.text());
    holds(&ada.get(&backups).words(), &["by ada: Until the audit"]);
    holds(&ada.get(&page).words(), &["Release it"]);

    // The wizard's step shows what a rule would do, from its address alone; so does the last step.
    let edit = |step: &str, more: &str| ada.get(&format!("/tasks/{task}/edit?step={step}&keep_how=own&keep_count={more}"));
    let step = edit("retention", "2").words();
    holds(&step, &["1 of 4 chains at disk would go"]);
    holds(&step, &["ada holds it: Until the audit"]);
    holds(&step, &["The 2 newest chains."]);
    holds(&edit("review", "2").words(), &["1 of 4 chains at disk would go"]);
    holds(&edit("retention", "many").words(), &["Give a whole number"]);
    let review = edit("review", "2");
    let fields = [
        "version",
        "name",
        "servers",
        "full",
        "incremental",
        "chain_incrementals",
        "chain_days",
        "time_zone",
        "encryption",
        "destination",
        "keep_how",
        "keep_count",
    ];
    let fields: Vec<_> = fields.iter().map(|name| format!("{name}={}", hidden(&review, name).replace(' ', "+"))).collect();
    let sent = format!("task={task}&{}&backup_type=logical&catch_up=on&excluded=&recipients=&current_password=", fields.join("&"));
    let saved = ada.submit(&format!("/tasks/{task}/edit"), "change_task", &sent);
    assert_eq!((saved.status, saved.id()), (302, task.clone()), "{}", saved.text());
    let shown = ada.get(&format!("/tasks/{task}")).words();
    holds(&shown, &["The 2 newest chains."]);
    holds(&shown, &["See what goes, and apply now"]);

    // What is shown is applied, once.
    let page = format!("/tasks/{task}/retention");
    let plan = ada.get(&page);
    holds(&plan.words(), &["Delete 1 chain now"]);
    let fields = format!("task={task}&seen={}", hidden(&plan, "seen"));
    let applied = ada.submit(&page, "apply_retention", &fields);
    assert_eq!(applied.status, 302, "{}", applied.text());
    assert_eq!(chains(&world).len(), 3);
    let after = ada.get(&page).words();
    holds(&after, &["All 3 chains that are at disk stay."]);
    holds(&after, &["Deleted lately"]);
    holds(&after, &["Asked for by ada."]);
    let again = ada.call("apply_retention", &fields);
    assert_eq!(again.status, 409, "{}", again.text());
    assert_eq!(chains(&world).len(), 3);
    holds(&ada.get("/audit").words(), &["chain expires"]);
    holds(&ada.get("/settings").words(), &["Retention"]);
    holds(&ada.get("/metrics").text(), &["rookery_background_failed{work=\"expire\"} 0"]);
}
