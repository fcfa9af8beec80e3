//! The console as whatever reaches its port meets it.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail anywhere")]

mod support;

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use support::{
    World,
    console::{Console, NAME, PASSWORD, seldom},
    http::{Answer, Client},
};
use testkit::eventually;

const NOBODY: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[test]
fn beyond_this_machine_it_wants_tls_or_a_proxy() {
    let world = World::new();
    world.run(["serve", "--listen", "0.0.0.0:0"]).fails(2, &["--tls-cert", "--behind-proxy"]);
    world.run(["serve", "--listen", "[::]:0"]).fails(2, &["--tls-cert"]);
    world.run(["serve", "--tls-cert", "x"]).fails(2, &["--tls-key"]);
}

#[test]
fn an_address_that_is_taken_and_a_data_directory_in_use_are_told() {
    let console = Console::start(&[]);
    let world = World::new();
    let site = console.path("site");
    let start = |data: &std::path::Path, listen: &str| {
        let mut command = world.command(["serve", "--listen", listen]);
        support::ran({
            command.env("ROOKERY_DATA_DIR", data).env("ROOKERY_SITE", &site);
            command
        })
    };
    start(&world.path("data"), &console.host).fails(2, &["cannot listen", "--listen"]);
    start(&console.path("data"), "127.0.0.1:0").fails(1, &["data directory"]);
}

#[test]
fn a_second_console_is_refused_before_it_touches_what_the_first_needs() {
    let console = Console::start(&[]);
    let world = World::new();
    let mut command = world.command(["serve", "--listen", "127.0.0.1:0"]);
    command.env("ROOKERY_DATA_DIR", console.path("data")).env("ROOKERY_SITE", console.path("site"));
    support::ran(command).fails(1, &["another console", "--data-dir"]);
    let token = fs::read_to_string(console.path("data/setup-token")).unwrap();
    assert_eq!(Some(token.trim()), console.token.as_deref());
    assert_eq!(console.set_up().get("/").status, 200);
}

#[test]
fn those_who_watch_over_it_get_what_they_need() {
    let console = Console::start(&["--behind-proxy"]);
    let client = console.client();
    assert_eq!(client.get("/healthz").text(), "alive\n");
    assert_eq!(client.get("/readyz").text(), "ready\n");
    assert!(client.get("/metrics").text().contains("rookery_catalog_up 1"));
    let elsewhere = client.with("X-Forwarded-For", "203.0.113.9");
    assert_eq!(elsewhere.get("/metrics").status, 401, "figures name servers");
    assert_eq!(elsewhere.get("/healthz").status, 200);
}

#[test]
fn every_answer_says_what_browsers_may_do_with_it() {
    let console = Console::start(&[]);
    let client = console.set_up();
    for path in
        ["/", "/servers", "/nowhere", "/sign-in", "/healthz", "/favicon.svg", "/pkg/a.js", "/pkg/none", "/live/runs/x", "/api/servers"]
    {
        let answer = client.get(path);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("referrer-policy", "same-origin"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{name} of {path}");
        }
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains('*'), "{path}: {policy}");
    }
    let nonce = |answer: support::http::Answer| {
        let policy = answer.header("content-security-policy").unwrap().to_owned();
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        assert!(answer.text().contains(&format!("nonce=\"{nonce}\"")), "the page's script does not bear the nonce");
        nonce
    };
    assert_ne!(nonce(client.get("/")), nonce(client.get("/")));
}

#[test]
fn files_are_kept_for_ever_and_pages_never() {
    let console = Console::start(&[]);
    let client = console.set_up();
    let script = client.with("Accept-Encoding", "gzip, br").get("/pkg/a.js");
    assert_eq!((script.header("content-encoding"), script.text().as_str()), (Some("br"), "as brotli"));
    assert_eq!(script.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(client.with("Accept-Encoding", "gzip").get("/pkg/a.js").text(), "as gzip");
    assert_eq!(client.get("/pkg/a.js").text(), "export default 1");
    assert_eq!(client.get("/pkg/a.wasm").header("content-type"), Some("application/wasm"));
    assert_eq!(client.get("/").header("cache-control"), Some("no-store"));
    assert_eq!(client.get("/site.json").status, 404);
}

#[test]
fn an_unknown_address_is_a_page_that_says_so() {
    let console = Console::start(&[]);
    for client in [console.client(), console.set_up()] {
        let answer = client.get("/nowhere/at/all");
        assert_eq!(answer.status, 404);
        assert!(answer.text().contains("There is nothing at this address"));
    }
    let gone = console.sign_in(NAME).get(&format!("/servers/{NOBODY}"));
    assert_eq!(gone.status, 404, "{}", gone.text());
}

#[test]
fn what_another_site_sends_is_not_done() {
    let console = Console::start(&[]);
    let client = console.set_up();
    for (name, value) in [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Site", "same-site"), ("Origin", "https://evil.example")] {
        let answer = client.with(name, value).call("sign_out", "");
        assert_eq!(answer.status, 403, "{name}: {value}");
        assert!(answer.text().contains("another site"), "{}", answer.text());
    }
    assert_eq!(client.get("/servers").status, 200, "the session was ended");
    assert_ne!(client.get("/api/sign_out").status, 200, "a link must not change anything");
    assert_eq!(client.get("/servers").status, 200, "the session was ended");
    assert_eq!(client.with("Sec-Fetch-Site", "same-origin").call("sign_out", "").status, 200);
}

#[test]
fn a_body_that_is_too_large_is_refused() {
    let console = Console::start(&[]);
    let client = console.client();
    let fields = format!("name=x&password={}&next=", "x".repeat(300 * 1024));
    let announced = client.call("sign_in", &fields);
    assert_eq!(announced.status, 413, "{}", announced.text());
    assert_eq!(client.submit("/sign-in", "sign_in", &fields).status, 413);
    // Nor may it come in pieces whose sum nobody announced, of which one alone is fine.
    let sender = client.with("Accept", "application/json").with("Content-Type", "application/x-www-form-urlencoded");
    let head = sender.request("POST", "/api/choose_theme", "").replace("Content-Length: 0", "Transfer-Encoding: chunked");
    let in_pieces = |count: usize| {
        let piece = format!("{:x}\r\n{}\r\n", 64 * 1024, "x".repeat(64 * 1024)).repeat(count);
        let mut connection = client.connect();
        // The console may hang up before it has read all.
        let _ = connection.write_all(format!("{head}c\r\ntheme=&more=\r\n{piece}0\r\n\r\n").as_bytes());
        let mut line = String::new();
        let _ = BufReader::new(connection).read_line(&mut line);
        line
    };
    let (one, many) = (in_pieces(1), in_pieces(5));
    assert!(one.contains(" 200 ") && !many.contains(" 200 "), "{one}{many}");
    assert_eq!(client.get("/healthz").status, 200);
}

#[test]
fn the_first_start_makes_one_administrator_with_the_token() {
    let mut console = Console::start(&[]);
    let client = console.client();
    for path in ["/", "/servers/new", "/sign-in"] {
        assert_eq!(client.get(path).header("location"), Some("/setup"), "{path}");
    }
    let wrong = client.call("set_up", "token=guess&name=eve&password=0123456789&again=0123456789");
    assert!(wrong.status >= 400 && wrong.header("set-cookie").is_none(), "{wrong:?}");
    let token = console.token.clone().unwrap();
    let administrator = console.set_up();
    assert_eq!(administrator.get("/").status, 200);
    assert_eq!(client.get("/").header("location"), Some("/sign-in"));
    assert_eq!(client.get("/runs?only=failed").header("location"), Some("/sign-in?next=%2Fruns%3Fonly%3Dfailed"));
    assert_eq!(administrator.get("/sign-in").header("location"), Some("/"));
    let again = client.call("set_up", &format!("token={token}&name=eve&password=0123456789&again=0123456789"));
    assert!(again.status >= 400 && again.header("set-cookie").is_none(), "{again:?}");
    assert!(!console.path("data/setup-token").exists(), "the token is still there");
    console.stop();
    console.restart(&[]);
    assert!(console.token.is_none());
    assert_eq!(administrator_at(&console, &administrator).get("/").status, 200, "a session survives a restart");
}

/// The same browser, after the console has moved to another port.
fn administrator_at(console: &Console, client: &Client) -> Client {
    Client { host: console.host.clone(), ..client.clone() }
}

#[test]
fn a_session_is_a_cookie_that_no_script_and_no_other_site_gets() {
    let console = Console::start(&["--behind-proxy"]);
    console.set_up();
    let fields = format!("name={NAME}&password={}&next=", PASSWORD.replace(' ', "+"));
    let cookie = |client: &Client| client.call("sign_in", &fields).header("set-cookie").unwrap().to_owned();
    let plain = cookie(&console.client());
    assert!(plain.starts_with("rookery=") && plain.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{plain}");
    let secure = console.client().with("X-Forwarded-Proto", "https");
    let line = cookie(&secure);
    assert!(line.starts_with("__Host-rookery=") && line.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure"), "{line}");
    assert!(secure.get("/healthz").header("strict-transport-security").is_some());
    assert!(console.client().get("/healthz").header("strict-transport-security").is_none());
}

#[test]
fn guessing_is_slowed_down() {
    let console = Console::start(&["--behind-proxy"]);
    console.set_up();
    let guesser = console.client().with("X-Forwarded-For", "203.0.113.9");
    let statuses: Vec<_> = (0..7).map(|i| guesser.call("sign_in", &format!("name={NAME}&password=guess+{i}&next=")).status).collect();
    assert!(statuses[..5].iter().all(|status| *status != 429), "{statuses:?}");
    assert_eq!(statuses[6], 429, "{statuses:?}");
}

#[test]
fn a_refused_form_without_scripts_comes_back_as_it_was_typed() {
    let console = Console::start(&[]);
    let client = console.set_up();
    let fields = "name=50+%25+%26+more&dbms=postgresql&host=&port=nine&password=canary-7f3a";
    let answer = client.submit("/servers/new?dbms=sqlite", "add_server", fields);
    assert_eq!(answer.status, 302, "{}", answer.text());
    let location = answer.header("location").unwrap();
    assert!(location.starts_with("/servers/new?") && location.contains("__err="), "{location}");
    assert!(location.contains("name=50+%25+%26+more") && !location.contains("canary"), "{location}");
    assert!(location.contains("dbms=postgresql") && !location.contains("dbms=sqlite"), "{location}");
    let page = client.get(location).text();
    assert!(page.contains("50 % &amp; more"), "the name is gone");
    assert!(page.contains("Give a number from 1 to 65535."), "the error is gone");
    // Signed out meanwhile, it waits behind the sign-in.
    let signed_out = console.client().submit("/destinations/new", "add_destination", "name=a&root=%2Fb");
    assert_eq!(signed_out.header("location"), Some("/sign-in?next=%2Fdestinations%2Fnew%3Fname%3Da%26root%3D%252Fb"));
}

#[test]
fn it_stops_when_asked_ends_what_is_live_and_logs_no_secret() {
    let mut console = Console::start(&[]);
    let client = console.set_up();
    client.call("add_server", "name=s&dbms=postgresql&host=127.0.0.1&port=1&password=canary-7f3a");
    client.call("sign_in", &format!("name={NAME}&password=canary-7f3a&next="));
    let ended = console.stop();
    assert!(ended.status.success(), "{ended:?}");
    let printed = ended.lines.join("\n");
    assert!(printed.contains("stopped"), "{printed}");
    let session = client.cookie.as_deref().and_then(|cookie| cookie.split_once('=')).map(|(_, token)| token.to_owned()).unwrap();
    for secret in ["canary-7f3a", PASSWORD, session.as_str()] {
        assert!(!printed.contains(secret), "{secret} is in the log");
        for file in ["catalog.sqlite", "catalog.sqlite-wal"] {
            let bytes = fs::read(console.path("data").join(file)).unwrap_or_default();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret} is in {file}");
        }
    }
    let json = ended.lines.iter().filter(|line| line.starts_with('{')).collect::<Vec<_>>();
    assert!(!json.is_empty() && json.iter().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
}

/// A console that offers the folder of databases as its sample.
fn with_sample(world: &World) -> Console {
    Console::start(&["--sample", &world.path("dbs").display().to_string(), "--sample-root", &world.root()])
}

fn json(answer: &Answer) -> serde_json::Value {
    serde_json::from_str(&answer.text()).unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// Adds the sample with a task for it; the task, and the destination that it writes to.
fn add_task(client: &Client) -> (String, String) {
    let server = client.call("add_sample", "").id();
    let place = json(&client.call("destinations", ""))[0]["id"].as_str().unwrap().to_owned();
    let when = format!("full={}&incremental=&time_zone=UTC&catch_up=on", seldom());
    let fields =
        format!("servers={server}&name=nightly&backup_type=logical&{when}&excluded=&encryption=none&recipients=&destination={place}");
    (client.call("add_task", &fields).id(), place)
}

/// A process that keeps everybody else from a database: a backup of it waits.
struct Held(Child);

fn hold(database: &Path) -> Held {
    let mut child = Command::new("sqlite3").arg(database).stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(b".timeout 10000\nbegin exclusive;\n").unwrap();
    let held = Held(child);
    let is_refused = || {
        let read = Command::new("sqlite3").arg(database).arg("select count(*) from sqlite_schema").output().unwrap();
        !read.status.success()
    };
    eventually("the database is held", is_refused).unwrap();
    held
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Listens to a round, up to its first value.
fn listen(client: &Client, round: &str) -> BufReader<TcpStream> {
    let mut connection = client.connect();
    connection.write_all(client.request("GET", &format!("/live/rounds/{round}"), "").as_bytes()).unwrap();
    let (mut heard, mut line) = (BufReader::new(connection), String::new());
    while !line.starts_with("data: ") {
        line.clear();
        assert_ne!(heard.read_line(&mut line).unwrap(), 0, "no value came");
    }
    heard
}

/// What else comes, until nothing more does.
fn rest(mut heard: BufReader<TcpStream>) -> String {
    let (began, mut text) = (Instant::now(), String::new());
    while heard.read_line(&mut text).unwrap() > 0 {
        assert!(began.elapsed() < Duration::from_secs(60), "it goes on");
    }
    text
}

#[test]
fn what_is_live_ends_with_the_session_that_asked_for_it() {
    let world = World::new();
    world.shop();
    let console = with_sample(&world);
    let client = console.set_up();
    let (task, _) = add_task(&client);
    let held = hold(&world.path("dbs/shop.db"));
    let round = client.call("back_up_now", &format!("task={task}")).id();
    let added = client.call("add_user", "name=bob&role=viewer&password=correct+horse+battery&current_password=");
    assert_eq!(added.status, 200, "{}", added.text());
    let users = json(&client.call("users", ""));
    let bob = users.as_array().unwrap().iter().find(|user| user["name"] == "bob").unwrap()["id"].as_str().unwrap().to_owned();

    let (phone, bobs, ours) = (listen(&console.sign_in(NAME), &round), listen(&console.sign_in("bob"), &round), listen(&client, &round));
    let removed = client.call("remove_user", &format!("user={bob}&current_password="));
    assert_eq!(removed.status, 200, "{}", removed.text());
    assert!(!rest(bobs).contains("event: end"), "the round is not over");
    let changed = format!("current_password={}&password=another+horse&again=another+horse", PASSWORD.replace(' ', "+"));
    assert_eq!(client.call("change_password", &changed).status, 200);
    assert!(!rest(phone).contains("event: end"), "the round is not over");
    assert_eq!(client.call("sign_out", "").status, 200);
    assert!(!rest(ours).contains("event: end"), "the round is not over");
    drop(held);
}

#[test]
fn a_destination_that_cannot_be_read_says_so_wherever_it_is_shown() {
    let world = World::new();
    world.shop();
    let console = with_sample(&world);
    let client = console.set_up();
    let (task, place) = add_task(&client);
    let round = client.call("back_up_now", &format!("task={task}")).id();
    client.follow(&format!("/rounds/{round}")).succeeded();
    let read_again = || client.call("read_again", &format!("destination={place}")).status;
    let pages = ["/destinations".into(), format!("/destinations/{place}"), "/backups".into(), format!("/backups/{place}")];
    assert_eq!(read_again(), 200);
    for page in &pages {
        let answer = client.get(page);
        let text = answer.text();
        assert!(answer.status == 200 && !text.contains("cannot be read") && !text.contains("role=\"alert\""), "{page}: {text}");
    }

    fs::rename(world.path("root"), world.path("away")).unwrap();
    assert_ne!(read_again(), 200);
    let told = json(&client.call("destinations", ""))[0]["read_error"].clone();
    for page in &pages {
        let text = client.get(page).text();
        assert!(text.contains("cannot be read") && text.contains("role=\"alert\""), "{page}: {text}");
        assert!(text.contains(told["next_step"].as_str().unwrap()), "{page} lacks the next step of {told}: {text}");
    }

    fs::rename(world.path("away"), world.path("root")).unwrap();
    assert_eq!(read_again(), 200);
    assert!(!client.get("/destinations").text().contains("cannot be read"));
}

#[test]
fn where_servers_share_the_name_of_a_database_each_backup_tells_whose_it_is() {
    let world = World::new();
    world.shop();
    let console = Console::start(&[]);
    for server in ["east", "west"] {
        let mut command = world.command(["backup", &world.server(), "--to", &world.root(), "--server-name", server]);
        command.env("ROOKERY_DATA_DIR", console.path("data"));
        support::ran(command).succeeds();
    }
    let client = console.set_up();
    let place = client.call("add_destination", &format!("name=vault&root={}&note=", world.root())).id();
    let page = |more: &str| client.get(&format!("/restore?step=point&destination={place}&database=shop.db{more}")).text();
    let both = page("");
    assert!(both.contains("Several servers have a database of this name.") && both.contains("scope=\"col\">From<"), "{both}");
    assert!(both.contains("<title>full, ") && !both.contains("attr:"), "the marks of the picture lead nowhere: {both}");
    assert!(!both.contains("Continue"), "one of them was chosen for the user: {both}");
    let east = page("&origin=east");
    assert!(east.contains("Continue") && east.contains("Show those of every server"), "{east}");
    assert!(!east.contains("Several servers") && !east.contains("scope=\"col\">From<"), "{east}");
}

#[test]
fn a_round_is_followed_to_its_end() {
    let world = World::new();
    world.shop();
    let console = with_sample(&world);
    let client = console.set_up();
    let (task, place) = add_task(&client);
    let round = client.call("back_up_now", &format!("task={task}")).id();
    assert_eq!(console.client().get(&format!("/live/rounds/{round}")).status, 401);
    assert_eq!(client.get(&format!("/live/rounds/{NOBODY}")).status, 404);
    // Reads until the console says that nothing more will come.
    let live = client.with("Accept-Encoding", "gzip, br").follow(&format!("/rounds/{round}"));
    assert_eq!(live.header("content-type"), Some("text/event-stream"));
    assert!(live.header("content-encoding").is_none(), "events would wait in a compressor");
    live.succeeded();
    assert!(live.text().contains("event: end"), "{}", live.text());
    let overview = client.get("/").text();
    assert!(overview.contains("aria-label=\"nightly on "), "{overview}");
    assert!(!overview.contains("attr:"), "the rounds of the picture lead nowhere");
    assert_eq!(client.get(&format!("/rounds/{round}")).status, 200);
    let folder = client.get(&format!("/backups/{place}/shop.db")).text();
    assert!(folder.contains(&format!("rookery cat {} --database shop.db --point ", world.root())), "{folder}");
}
