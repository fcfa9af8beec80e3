//! Backups taken out through a browser: who gets them, what comes, and that a database can be made of it elsewhere.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail anywhere")]

mod support;

use std::{
    fs::{self, OpenOptions},
    io::{Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use support::{
    World,
    console::{Console, NAME, seldom},
    http::{Answer, Client},
};

/// A console with a chain of two backups of one database, and where they lie.
struct Backed {
    world: World,
    console: Console,
    ada: Client,
    place: String,
    /// The folder of the chain, from the root on.
    chain: String,
    /// Labels, the full backup first.
    labels: Vec<String>,
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// The value of an attribute of a link whose address holds these words.
#[track_caller]
fn link(answer: &Answer, words: &str) -> String {
    let text = answer.text();
    let links = text.split("href=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let found = links.map(|href| href.replace("&amp;", "&")).find(|href| href.contains(words));
    found.unwrap_or_else(|| panic!("no link with {words:?} in {text}"))
}

impl Backed {
    fn new() -> Self {
        let (world, console) = (World::new(), Console::start(&[]));
        world.shop();
        let ada = console.set_up();
        let place = ada.call("add_destination", &format!("name=disk&root={}&note=", world.root())).id();
        let server = ada.call("add_server", &format!("name=apps&dbms=sqlite&folder={}", world.path("dbs").display())).id();
        let when = format!("full={0}&incremental={0}&time_zone=UTC", seldom());
        let fields = format!("servers={server}&name=nightly&{when}&excluded=&encryption=none");
        let task = ada.call("add_task", &format!("{fields}&recipients=&backup_type=logical&catch_up=on&destination={place}")).id();
        let mut backed = Self { world, console, ada, place, chain: String::new(), labels: vec![] };
        for kind in ["full", "incremental"] {
            let round = backed.ada.call("back_up_now", &format!("task={task}&kind={kind}")).id();
            backed.ada.follow(&format!("/rounds/{round}")).succeeded();
            let changes = match kind {
                "full" => "insert into item values (5000, 'later'); delete from item where id = 3;",
                // What came after it is in no backup.
                _ => "delete from item where id = 5000;",
            };
            backed.world.database("shop.db", changes);
        }
        let mut files: Vec<PathBuf> = backed.world.files().into_iter().map(|(path, _)| path).collect();
        files.retain(|path| path.extension().is_some_and(|ending| ending == "zip"));
        backed.chain = files[0].parent().unwrap().strip_prefix(backed.world.path("root")).unwrap().display().to_string();
        backed.labels = files.iter().map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        assert!(backed.labels[0].ends_with("full-backup") && backed.labels[1].ends_with("incremental-backup"), "{:?}", backed.labels);
        backed
    }

    fn file(&self, part: &str, label: usize) -> String {
        let (chain, label) = (encoded(&self.chain), &self.labels[label]);
        format!("/download/{}?database=shop.db&folder={chain}&point={label}&part={part}", self.place)
    }

    fn page(&self, label: usize) -> String {
        format!("/backups/{}/shop.db/download?folder={}&point={}", self.place, encoded(&self.chain), self.labels[label])
    }

    fn archive(&self, label: usize) -> PathBuf {
        self.world.path("root").join(&self.chain).join(format!("{}.zip", self.labels[label]))
    }

    fn fingerprint(&self) -> String {
        let text = self.ada.get(&self.page(0)).text();
        text.split("--accept-instance ").nth(1).unwrap().split('<').next().unwrap().to_owned()
    }

    fn audit(&self) -> String {
        self.ada.call("audit", "query[filter]=downloaded&query[page]=1").text()
    }
}

/// Unpacks with the system's own tar.
fn unpack(bytes: &[u8], into: &Path) {
    fs::create_dir_all(into).unwrap();
    let mut child = Command::new("tar").arg("-xf").arg("-").current_dir(into).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    assert!(child.wait().unwrap().success());
}

/// On another machine: restores what lies under a root there, and says what is in it.
#[track_caller]
fn restored(root: &Path, fingerprint: &str, point: &str) -> String {
    let elsewhere = World::new();
    let (root, into) = (root.display().to_string(), elsewhere.server());
    let restore = ["restore", &root, "--database", "shop.db", "--point", point, "--into", &into, "--as", "back.db", "--json"];
    elsewhere.run(restore).fails(1, &["--accept-instance"]);
    let report = elsewhere.run(restore.iter().chain(&["--accept-instance", fingerprint])).succeeds().json();
    assert_eq!(report["proven"], true, "{report}");
    testkit::sqlite_dump(&elsewhere.path("dbs/back.db")).unwrap()
}

#[test]
fn what_was_downloaded_becomes_an_equal_database_on_another_machine() {
    let backed = Backed::new();
    let Backed { world, ada, labels, .. } = &backed;
    let page = ada.get(&backed.page(1));
    assert_eq!(page.status, 200, "{}", page.text());
    let text = page.words();
    for words in ["Download a backup of shop.db", "needs the 2 backups below", "rookery restore", &backed.chain] {
        assert!(text.contains(words), "{words:?} is not in {text}");
    }
    // The earlier one is a click away.
    assert_eq!(ada.get(&link(&page, &format!("point={}", labels[0]))).status, 200);
    let fingerprint = backed.fingerprint();

    // The database as it was at the incremental.
    world.database("shop.db", "insert into item values (5000, 'later');");
    let wanted = testkit::sqlite_dump(&world.path("dbs/shop.db")).unwrap();

    // As one file.
    let tar = ada.get(&link(&page, "part=everything"));
    let name = format!("shop.db-{}", labels[1].split('.').next().unwrap());
    assert_eq!(tar.status, 200);
    assert_eq!(tar.header("content-length"), Some(tar.body.len().to_string().as_str()));
    let disposition = tar.header("content-disposition").unwrap();
    assert!(disposition.starts_with(&format!("attachment; filename=\"{name}.tar\"")), "{disposition}");
    assert_eq!((tar.header("cache-control"), tar.header("content-encoding")), (Some("no-store"), None));
    unpack(&tar.body, &world.path("taken"));
    let root = world.path("taken").join(&name);
    let told = fs::read_to_string(root.join("RESTORE.txt")).unwrap();
    assert!(told.contains(&format!("rookery restore {name} --database shop.db --point {}", labels[1])), "{told}");
    assert_eq!(restored(&root, &fingerprint, &labels[1]), wanted);
    let verified = world.run(["verify", &root.display().to_string(), "--accept-instance", &fingerprint, "--json"]).succeeds().json();
    let results: Vec<_> = verified["backups"].as_array().unwrap().iter().map(|backup| backup["result"].as_str().unwrap()).collect();
    assert_eq!(results, ["checked", "checked"], "{verified}");

    // File by file, under the names that the page tells.
    let pieces = world.path("pieces");
    for label in labels {
        for (part, ending) in [("archive", "zip"), ("manifest", "json")] {
            let path = format!("{}/{label}.{ending}", backed.chain);
            assert!(text.contains(&path), "{path} is not in {text}");
            let answer = ada.get(&link(&page, &format!("point={label}&part={part}")));
            assert_eq!(answer.status, 200);
            assert!(answer.header("content-disposition").unwrap().contains(&format!("\"shop.db-{label}.{ending}\"")), "{answer:?}");
            fs::create_dir_all(pieces.join(&backed.chain)).unwrap();
            fs::write(pieces.join(path), answer.body).unwrap();
        }
    }
    assert_eq!(restored(&pieces, &fingerprint, &labels[1]), wanted);
    let audit = backed.audit();
    for words in ["all that a restore needs", "the archive", "the manifest", "127.0.0.1", NAME] {
        assert!(audit.contains(words), "{words:?} is not in {audit}");
    }
}

#[test]
fn only_operators_and_administrators_get_it_and_only_with_their_password() {
    let mut backed = Backed::new();
    let file = backed.file("archive", 0);
    for role in ["viewer", "operator"] {
        let added = backed.ada.call("add_user", &format!("name={role}&role={role}&password=correct+horse+battery&current_password="));
        assert_eq!(added.status, 200, "{}", added.text());
    }
    assert_eq!(backed.console.client().get(&file).status, 401);
    let viewer = backed.console.sign_in("viewer");
    assert_eq!((viewer.get(&file).status, viewer.get(&backed.page(0)).status), (403, 403));
    let folder = viewer.get(&format!("/backups/{}/shop.db", backed.place));
    assert!(folder.status == 200 && !folder.text().contains("/download?"), "a viewer is offered what is refused");
    let operator = backed.console.sign_in("operator");
    assert_eq!(operator.get(&file).status, 200);
    assert!(operator.get(&format!("/backups/{}/shop.db", backed.place)).text().contains("/download?"));
    // A link does not begin one, and nothing but asking for it does.
    assert_eq!(operator.post(&file, "").status, 405);

    // After a restart nobody has typed a password lately.
    let cookies = (operator.cookie.clone(), backed.ada.cookie.clone());
    backed.console.stop();
    backed.console.restart(&[]);
    let operator = Client { cookie: cookies.0, ..backed.console.client() };
    let before = operator.get(&file);
    assert_eq!(before.status, 403, "{}", before.text());
    // A person is led to the page that asks for it.
    let led = operator.with("Accept", "text/html").get(&file);
    let page = led.header("location").unwrap().to_owned();
    assert_eq!((led.status, page.starts_with(&format!("/backups/{}/shop.db/download?", backed.place))), (303, true), "{page}");
    let asks = operator.get(&page);
    assert!(asks.words().contains("Your own password") && !asks.text().contains("part=archive"), "{}", asks.text());
    let sent = |password: &str| operator.submit(&page, "allow_download", &format!("current_password={password}&back={}", encoded(&page)));
    assert!(sent("wrong").header("location").unwrap().contains("__err="));
    assert_eq!(operator.get(&file).status, 403);
    let allowed = sent("correct+horse+battery");
    assert_eq!(allowed.header("location"), Some(page.as_str()), "{}", allowed.text());
    assert!(operator.get(&page).text().contains("part=archive"));
    assert_eq!(operator.get(&file).status, 200);
    // Nobody signed in is led to signing in, and back.
    let nobody = backed.console.client().with("Accept", "text/html").get(&file);
    assert!(nobody.header("location").unwrap().starts_with("/sign-in?next=%2Fbackups%2F"), "{nobody:?}");
}

#[test]
fn a_download_goes_on_where_it_broke_off() {
    let backed = Backed::new();
    let (file, ada) = (backed.file("archive", 0), &backed.ada);
    let whole = ada.get(&file);
    let stored = fs::read(backed.archive(0)).unwrap();
    assert_eq!((whole.status, whole.body == stored, whole.header("accept-ranges")), (200, true, Some("bytes")));
    let tag = whole.header("etag").unwrap().to_owned();
    let part = |range: &str, tag: &str| ada.with("Range", range).with("If-Range", tag).get(&file);
    let rest = part("bytes=100-", &tag);
    assert_eq!((rest.status, rest.body == stored[100..]), (206, true));
    assert_eq!(rest.header("content-range"), Some(format!("bytes 100-{}/{}", stored.len() - 1, stored.len()).as_str()));
    let some = part("bytes=100-199", &tag);
    assert_eq!((some.status, some.header("content-length"), some.body == stored[100..200]), (206, Some("100"), true));
    for (range, tag) in [("bytes=100-", "\"another\""), ("bytes=999999999-", tag.as_str()), ("bytes=-5", &tag)] {
        let all = part(range, tag);
        assert_eq!((all.status, all.body.len()), (200, stored.len()), "{range} of {tag}");
    }
    assert!(backed.audit().contains("from byte 100"));
}

#[test]
fn what_is_missing_or_damaged_is_told_and_never_sent_as_if_it_were_whole() {
    let backed = Backed::new();
    let ada = &backed.ada;
    // A byte in the middle of the full backup, which the incremental needs as well.
    let damage = |archive: &Path| {
        fs::set_permissions(archive, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let mut file = OpenOptions::new().read(true).write(true).open(archive).unwrap();
        let (mut byte, middle) = ([0], file.metadata().unwrap().len() / 2);
        file.seek(SeekFrom::Start(middle)).unwrap();
        file.read_exact(&mut byte).unwrap();
        file.seek(SeekFrom::Start(middle)).unwrap();
        file.write_all(&[byte[0] ^ 1]).unwrap();
    };
    damage(&backed.archive(0));
    let refused = ada.get(&backed.file("everything", 1));
    assert_eq!(refused.status, 422, "{}", refused.text());
    assert!(refused.text().contains("bytes that were signed"), "{}", refused.text());
    // It is known from now on, and told where it is offered.
    for label in [0, 1] {
        let page = ada.get(&backed.page(label)).words();
        assert!(page.contains("It cannot be downloaded.") && page.contains("bytes that were signed"), "{page}");
        assert_eq!(ada.get(&backed.file("archive", label)).status, 422);
        assert_eq!(ada.with("Accept", "text/html").get(&backed.file("archive", label)).status, 303);
    }
    fs::remove_file(backed.archive(0)).unwrap();
    let page = ada.get(&backed.page(1)).words();
    assert!(page.contains("It cannot be downloaded.") && page.contains("missing"), "{page}");

    // Whoever writes an address himself gets nothing but what is a backup.
    fs::write(backed.world.path("root/secret.json"), "secret").unwrap();
    let (place, label) = (&backed.place, &backed.labels[1]);
    for (database, folder, point) in [
        ("shop.db", "..%2F..", label.as_str()),
        ("..", "..", label),
        ("shop.db", "", "secret"),
        ("shop.db", &encoded(&backed.chain), "..%2F..%2Fsecret"),
        ("none", &encoded(&backed.chain), label),
    ] {
        let answer = ada.get(&format!("/download/{place}?database={database}&folder={folder}&point={point}&part=manifest"));
        assert_eq!(answer.status, 404, "{}", answer.text());
    }
    assert_eq!(ada.get(&format!("/download/{place}?part=other")).status, 400);
}
