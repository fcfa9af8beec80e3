//! One task over several servers through pages and plain forms, as a browser without scripts meets it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail anywhere")]

mod support;

use std::fs;
use support::{
    World,
    console::{Console, seldom},
    http::{Answer, holds},
};

/// The boxes of the servers in the wizard: which are ticked.
fn ticked(page: &Answer) -> Vec<bool> {
    let text = page.text();
    let boxes = text.split("<input").skip(1).map(|field| field.split('>').next().unwrap());
    boxes
        .filter(|field| field.contains("type=\"checkbox\"") && field.contains("name=\"servers\""))
        .map(|it| it.contains("checked"))
        .collect()
}

#[test]
fn a_task_over_two_servers_is_written_and_run_by_plain_forms() {
    let (world, console) = (World::new(), Console::start(&[]));
    world.shop();
    let ada = console.set_up();
    let place = ada.call("add_destination", &format!("name=disk&root={}&note=", world.root())).id();
    fs::create_dir(world.path("west")).unwrap();
    fs::copy(world.path("dbs/shop.db"), world.path("west/shop.db")).unwrap();
    let add =
        |name: &str, folder: &str| ada.call("add_server", &format!("name={name}&dbms=sqlite&folder={}", world.path(folder).display())).id();
    // The wizard asks for servers once there is a choice.
    let east = add("east", "dbs");
    let wizard = format!("/servers/{east}/tasks/new");
    assert!(ticked(&ada.get(&wizard)).is_empty());
    let west = add("west", "west");
    assert_eq!(ticked(&ada.get(&wizard)), [true, false]);

    // Each box that is ticked sends its own, and none is an answer, too.
    let filled = format!("name=Both&encryption=none&destination={place}");
    let review = |servers: &str| ada.get(&format!("{wizard}?step=review&here=name&{filled}&servers=&{servers}")).words();
    holds(&review(&format!("servers={east}&servers={west}")), &["east and west", "of east", "of west"]);
    holds(&review(""), &["Choose at least one server."]);
    let one = format!("servers={east}&servers={west}&only=shop.db");
    holds(&review(&one), &["One database is of one server"]);

    let when = format!("full={}&incremental=&time_zone=UTC&catch_up=on", seldom());
    let fields = format!("{filled}&only=&excluded=&backup_type=logical&{when}&recipients=");
    let refused = ada.submit(&wizard, "add_task", &format!("{fields}&servers="));
    assert_eq!(refused.status, 302);
    let made = ada.submit(&wizard, "add_task", &format!("{fields}&servers={east}+{west}"));
    let task = made.id();
    holds(&ada.get(&format!("/tasks/{task}")).words(), &["Both", "east", "west", "All of these servers"]);
    for server in [&east, &west] {
        holds(&ada.get(&format!("/servers/{server}")).words(), &["Both", "and those of"]);
    }

    // Of a database that both have, the server is named.
    let refused = ada.call("back_up_now", &format!("task={task}&database=shop.db"));
    holds(&refused.text(), &["Say on which of the task's servers"]);
    let round = ada.call("back_up_now", &format!("task={task}")).id();
    ada.follow(&format!("/rounds/{round}")).succeeded();
    holds(&ada.get(&format!("/rounds/{round}")).words(), &["on east and west", "All 2 databases are backed up"]);
    let removed = ada.call("remove_server", &format!("server={west}&typed_name=west"));
    holds(&removed.text(), &["Tasks still cover this server"]);
}
