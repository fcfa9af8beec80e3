//! Secrets stay where they belong: a secret of its own in every place that takes one, and then a search of everything that was
//! written, said, logged or given to another process.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod support;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use seal::{DataKey, Envelope, Opener, PrivateKey, body::HEAD_BYTES};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Stdio,
};
use support::{
    World, collect,
    console::{Console, seldom, signed_in},
    http::Client,
};

/// A secret that is nowhere by chance, and can stand in a form as it is.
fn canary(place: &str) -> String {
    format!("canary.{place}.Vq3xZ7mK2wP9")
}

/// Every form in which a secret may hide.
fn forms(secret: &[u8]) -> Vec<Vec<u8>> {
    let text = |text: String| text.into_bytes();
    vec![
        secret.to_vec(),
        // Without the end, which depends on what stands before.
        text(STANDARD.encode(&secret[..secret.len() / 3 * 3])),
        text(URL_SAFE_NO_PAD.encode(&secret[..secret.len() / 3 * 3])),
        text(hex::encode(secret)),
    ]
}

/// What was seen, with where.
#[derive(Default)]
struct Seen(Vec<(String, Vec<u8>)>);

impl Seen {
    fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.push((place.into(), bytes.into()));
    }

    fn files(&mut self, folder: &Path) {
        let mut files: Vec<(PathBuf, Vec<u8>)> = vec![];
        collect(folder, &mut files);
        self.0.extend(files.into_iter().map(|(path, bytes)| (path.display().to_string(), bytes)));
    }

    #[track_caller]
    fn holds_none_of(&self, secrets: &[(&str, Vec<u8>)]) {
        let mut hits = vec![];
        for (name, secret) in secrets {
            assert!(secret.len() > 8, "{name} is too short to be looked for");
            for form in forms(secret) {
                hits.extend(self.0.iter().filter(|(_, bytes)| find(bytes, &form)).map(|(place, _)| format!("{name} in {place}")));
            }
        }
        assert!(hits.is_empty(), "{} hits: {hits:#?}", hits.len());
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Calls a server function and keeps its answer.
#[track_caller]
fn call(seen: &mut Seen, client: &Client, function: &str, fields: &str) -> u16 {
    let answer = client.call(function, fields);
    let headers = answer.headers.iter().filter(|(name, _)| name != "set-cookie").map(|(name, value)| format!("{name}: {value}\n"));
    // What was sent in vain could not come out anywhere.
    assert!(!answer.text().contains("The form could not be read."), "the fields of {function} do not fit");
    seen.add(format!("the answer of {function}"), [headers.collect::<String>().into_bytes(), answer.body.clone()].concat());
    answer.status
}

#[test]
fn no_secret_is_written_said_or_passed_on_by_the_console() {
    let mut console = Console::start(&[]);
    let [own, user, server, data_key, wrong] = ["own", "user", "server", "data-key-of-32-b", "wrong"].map(canary);
    let setup = console.token.clone().unwrap();
    let mut seen = Seen::default();
    let anyone = console.client();
    call(&mut seen, &anyone, "set_up", &format!("token={wrong}&name=ada&password={own}&again={own}"));
    let answer = anyone.call("set_up", &format!("token={setup}&name=ada&password={own}&again={own}"));
    let ada = signed_in(&anyone, &answer);
    let session = ada.cookie.clone().unwrap().split_once('=').unwrap().1.to_owned();

    let at = "host=127.0.0.1&port=1&user=u&dbms=postgresql&folder=&tls=disable&root_certificate=&maintenance_database=&jobs=&note=";
    assert_eq!(call(&mut seen, &ada, "add_server", &format!("name=db&{at}&password={server}")), 200);
    call(&mut seen, &ada, "probe_server", &format!("name=db&{at}&password={server}"));
    call(&mut seen, &ada, "servers", "");
    call(&mut seen, &ada, "add_user", &format!("name=ben&role=viewer&password={user}&current_password={own}"));
    call(&mut seen, &ada, "sign_in", &format!("name=ada&password={wrong}&next="));
    call(&mut seen, &ada, "change_password", &format!("current_password={wrong}&password={user}&again={user}"));
    // A private key, taken for a public one.
    let private = PrivateKey::generate().unwrap().expose();
    let key = format!("name=k&public_key={}&derivation=&typed_fingerprint=x&understood=on&note=", &*private);
    for password in [&own, &wrong] {
        assert_ne!(call(&mut seen, &ada, "add_key", &format!("{key}&current_password={password}&back=")), 200);
    }
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let restore = format!("destination={id}&database=x&origin=&point=x&server={id}&name=y&no_owner=&create_roles=&data_key={data_key}");
    assert_ne!(call(&mut seen, &ada, "start_restore", &restore), 200);
    call(&mut seen, &ada, "verify_now", &format!("destination={id}&database=x&label=x&data_key={data_key}"));
    call(&mut seen, &ada, "answer_drill", &format!("id={id}&answer={wrong}"));
    // Forms without scripts come back with what was typed.
    for (page, function, fields) in [
        ("/keys/new?way=elsewhere", "add_key", format!("{key}&current_password={wrong}&back=")),
        ("/servers/new", "add_server", format!("name=&{at}&password={server}")),
        ("/users", "add_user", format!("name=&role=viewer&password={user}&current_password={wrong}")),
        ("/restore", "start_restore", restore.clone()),
        ("/sign-in", "sign_in", format!("name=ada&password={wrong}&next=")),
    ] {
        let answer = ada.submit(page, function, &fields);
        let location = answer.header("location").unwrap_or_default().to_owned();
        seen.add(format!("where the form of {page} led"), location.clone());
        if location.starts_with('/') {
            seen.add(format!("the page {page} afterwards"), ada.get(&location).body);
        }
    }
    for page in ["/", "/servers", "/users", "/audit", "/settings", "/keys", "/account", "/metrics"] {
        seen.add(page, ada.get(page).body);
    }
    let pid = console.process().pid();
    seen.add("the arguments", fs::read(format!("/proc/{pid}/cmdline")).unwrap());
    seen.add("the environment", fs::read(format!("/proc/{pid}/environ")).unwrap());
    let ended = console.stop();
    // Where the first administrator finds the token, and nobody else.
    let lines: Vec<_> = ended.lines.into_iter().filter(|line| !line.starts_with("Set-up token: ")).collect();
    assert!(lines.iter().any(|line| line.contains("DEBUG")), "the log was not seen");
    seen.add("the log", lines.join("\n"));
    seen.files(&console.path("data"));
    let secrets =
        [("own password", own), ("user's password", user), ("server's password", server), ("data key", data_key), ("wrong input", wrong)];
    let secrets: Vec<_> = secrets.into_iter().map(|(name, secret)| (name, secret.into_bytes())).collect();
    seen.holds_none_of(&secrets);
    let private_bytes = URL_SAFE_NO_PAD.decode(&private["rookery-key1-".len()..]).unwrap()[..32].to_vec();
    seen.holds_none_of(&[("session", session.into_bytes()), ("private key", private.as_bytes().to_vec()), ("its bytes", private_bytes)]);
    seen.holds_none_of(&[("set-up token", setup.into_bytes())]);
}

#[test]
fn no_secret_is_written_or_said_by_the_command_line() {
    let world = World::new();
    world.shop();
    let passphrase = format!("rook raven {}", canary("passphrase"));
    let password = canary("server");
    let mut seen = Seen::default();
    let run = |seen: &mut Seen, arguments: &[&str], input: &str, code: i32| {
        let mut command = world.command(arguments);
        command.env("PGPASSWORD", &password).env("ROOKERY_LOG", "trace");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let _ = child.stdin.take().unwrap().write_all(format!("{input}\n").as_bytes());
        let output = child.wait_with_output().unwrap();
        seen.add(format!("standard output of {}", arguments[0]), output.stdout.clone());
        seen.add(format!("standard error of {}", arguments[0]), output.stderr.clone());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let (file, root, server) = (world.path("made.key").display().to_string(), world.root(), world.server());
    let made = run(&mut seen, &["key", "generate", "--passphrase", "--out", &file, "--json"], &passphrase, 0);
    let public = serde_json::from_str::<serde_json::Value>(&made).unwrap()["public_key"].as_str().unwrap().to_owned();
    run(&mut seen, &["backup", &server, "--to", &root, "--recipient", &public, "--json"], "", 0);
    run(&mut seen, &["verify", &root, "--key", &file, "--json"], &passphrase, 0);
    let restore = ["restore", &root, "--database", "shop.db", "--into", &server, "--as", "back.db", "--key", &file, "--json"];
    run(&mut seen, &restore, &passphrase, 0);
    run(&mut seen, &["verify", &root, "--key", &file], &format!("{passphrase}x"), 1);
    run(&mut seen, &["probe", "postgres://u@127.0.0.1:1"], "", 1);
    run(&mut seen, &["backup", "postgres://u@127.0.0.1:1", "--to", &root], "", 1);
    for folder in ["data", "tmp", "root", "home"] {
        seen.files(&world.path(folder));
    }
    seen.add("the key file", fs::read(&file).unwrap());
    seen.holds_none_of(&[("passphrase", passphrase.into_bytes()), ("password", password.into_bytes())]);
}

/// A thief of the data directory has the catalog, the instance's key and the key that seals both, and of the backups whatever he
/// finds: he tries every secret that could be in there, in every form, on every archive.
#[test]
fn a_copy_of_the_data_directory_opens_none_of_the_sealed_archives() {
    let world = World::new();
    world.shop();
    world.database("more.db", "create table t(a); insert into t values (1);");
    let keys = [PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap()];
    let mut console = Console::start(&[]);
    let ada = console.set_up();
    let place = ada.call("add_destination", &format!("name=disk&root={}&note=", world.root())).id();
    let folder = world.path("dbs").display().to_string();
    let server = ada.call("add_server", &format!("name=apps&dbms=sqlite&folder={folder}")).id();
    let mut recipients = vec![];
    for (number, key) in keys.iter().enumerate() {
        let public = key.public().unwrap();
        let form =
            format!("name=key{number}&public_key={public}&derivation=&typed_fingerprint={}&understood=on&note=", public.fingerprint());
        recipients.push(ada.call("add_key", &format!("{form}&current_password=&back=")).id());
    }
    let when = format!("full={}&incremental=&time_zone=UTC", seldom());
    let task = format!("servers={server}&name=nightly&{when}&excluded=&destination={place}&encryption=sealed");
    let task = ada.call("add_task", &format!("{task}&backup_type=logical&catch_up=on&recipients={}", recipients.join("+"))).id();
    let round = ada.call("back_up_now", &format!("task={task}")).id();
    ada.follow(&format!("/rounds/{round}")).succeeded();
    let mut seen = Seen::default();
    let data_key = open_and_use(&mut seen, &ada, &keys[0], &place, &server);
    seen.add("the log", console.stop().lines.join("\n"));
    seen.files(&console.path("data"));
    seen.files(&world.path("root"));
    seen.holds_none_of(&[("data key", data_key)]);
    let mut loot = vec![];
    collect(&console.path("data"), &mut loot);
    let safe = control::Safe::open(&console.path("data")).unwrap();
    for (path, bytes) in loot.clone() {
        // What the safe opens is the thief's as well.
        for word in words(&bytes) {
            for (kind, id) in [("instance", "key"), ("server", "1")] {
                if let Ok(secret) = safe.unseal(kind, id, &word) {
                    loot.push((path.join("unsealed"), secret.expose().clone().into_bytes()));
                }
            }
        }
    }
    assert!(loot.iter().any(|(path, _)| path.ends_with("unsealed")), "the thief did not even open the instance's key");
    let found = candidates(&loot);
    assert!(found.len() > 1000, "only {} candidates", found.len());
    let archives: Vec<_> = world.files().into_iter().filter(|(path, _)| path.to_string_lossy().ends_with(".zip.sealed")).collect();
    assert_eq!(archives.len(), 2);
    let mut opened = 0;
    for (_, bytes) in &archives {
        let size = Envelope::size(bytes).unwrap();
        let envelope = Envelope::parse(&bytes[..size]).unwrap();
        let (context, head) = (envelope.context(), &bytes[size..][..HEAD_BYTES]);
        for key in &found {
            opened += usize::from(is_private_key_of(&envelope, key));
            opened += usize::from(Opener::new(&DataKey::from_bytes(key).unwrap(), &context, head).is_ok());
        }
    }
    assert_eq!(opened, 0, "of {} archives", archives.len());
    // And the same search does find a key where there is one.
    let with_key = [(PathBuf::from("key"), keys[1].expose().as_bytes().to_vec())];
    let envelope = Envelope::parse(&archives[0].1[..Envelope::size(&archives[0].1).unwrap()]).unwrap();
    assert!(candidates(&with_key).iter().any(|key| is_private_key_of(&envelope, key)), "the search would not even find the right key");
}

/// Restores a sealed backup and verifies it, as a browser does that has the key; returns the data key that it sent.
fn open_and_use(seen: &mut Seen, ada: &Client, key: &PrivateKey, place: &str, server: &str) -> Vec<u8> {
    let folder: serde_json::Value =
        serde_json::from_str(&ada.call("folder", &format!("destination={place}&database=shop.db")).text()).unwrap();
    let label = folder["chains"][0]["points"][0]["label"].as_str().unwrap().to_owned();
    let sealed = ada.call("sealed_point", &format!("destination={place}&database=shop.db&point={label}&origin=")).text();
    let sealed: serde_json::Value = serde_json::from_str(&sealed).unwrap();
    let envelope = Envelope::parse(&STANDARD.decode(sealed["envelopes"][0].as_str().unwrap()).unwrap()).unwrap();
    let data_key = envelope.open(key).unwrap();
    let sent: String = url::form_urlencoded::byte_serialize(data_key.to_base64().as_bytes()).collect();
    let restore =
        format!("destination={place}&database=shop.db&origin=&point={label}&server={server}&name=back.db&no_owner=&create_roles=");
    for (function, fields) in [
        ("start_restore", format!("{restore}&data_key={sent}")),
        ("verify_now", format!("destination={place}&database=shop.db&label={label}&data_key={sent}")),
    ] {
        let answer = ada.call(function, &fields);
        let run = answer.id();
        seen.add(function, answer.body);
        let live = ada.follow(&format!("/runs/{run}"));
        let view = live.succeeded();
        assert!(!view.to_string().contains("without a key"), "{function}: {view:#}");
        seen.add(format!("the events of {function}"), live.body);
        seen.add(format!("the page of {function}"), ada.get(&format!("/runs/{run}")).body);
    }
    for page in ["/audit", "/runs", "/"] {
        seen.add(page, ada.get(page).body);
    }
    data_key.expose().to_vec()
}

fn is_private_key_of(envelope: &Envelope, bytes: &[u8; 32]) -> bool {
    STANDARD.encode(bytes).parse::<PrivateKey>().is_ok_and(|key| envelope.open(&key).is_ok())
}

/// Words of a file that could be base64.
fn words(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "+/=_-".contains(c))).filter(|word| word.len() >= 32).map(String::from).collect()
}

/// Everything of 32 bytes that could be a key: at any place of a file, and of what a word of it says in base64 or hexadecimal.
fn candidates(loot: &[(PathBuf, Vec<u8>)]) -> std::collections::BTreeSet<[u8; 32]> {
    let mut found = std::collections::BTreeSet::new();
    let mut take = |bytes: &[u8]| {
        for window in bytes.windows(32) {
            found.insert(<[u8; 32]>::try_from(window).unwrap());
        }
    };
    for (_, bytes) in loot {
        take(bytes);
        for word in words(bytes) {
            let rest = word.rsplit('-').next().unwrap_or_default().to_owned();
            let prefixed = word.split_once("1-").map(|(_, rest)| rest.to_owned()).unwrap_or_default();
            for word in [word, rest, prefixed] {
                for decoded in [STANDARD.decode(&word).ok(), URL_SAFE_NO_PAD.decode(&word).ok(), hex::decode(&word).ok()] {
                    take(&decoded.unwrap_or_default());
                }
            }
        }
    }
    found
}
