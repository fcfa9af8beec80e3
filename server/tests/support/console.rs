//! The console as its administrator starts it: the real binary with a data directory of its own.

use super::http::{Answer, Client};
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use std::{fs, path::PathBuf};
use tempfile::TempDir;
use testkit::{Ended, Puppet};

pub const NAME: &str = "ada";
pub const PASSWORD: &str = "correct horse battery";

pub struct Console {
    pub folder: TempDir,
    process: Option<Puppet>,
    /// `http` or `https`, and where.
    pub scheme: String,
    pub host: String,
    pub token: Option<String>,
}

impl Console {
    pub fn start(arguments: &[&str]) -> Self {
        let folder = tempfile::Builder::new().prefix("rookery-console-").tempdir().unwrap();
        site(&folder.path().join("site"));
        let mut console = Self { folder, process: None, scheme: String::new(), host: String::new(), token: None };
        console.restart(arguments);
        console
    }

    /// Starts it again with the same data directory, on another port.
    pub fn restart(&mut self, arguments: &[&str]) {
        let mut command = Puppet::command(env!("CARGO_BIN_EXE_rookery"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--grace", "5", "--data-dir"]).arg(self.path("data")).args(arguments);
        command.env("ROOKERY_SITE", self.path("site")).env("ROOKERY_LOG", "debug,sqlx=warn,hyper=warn,rustls=warn");
        let mut process = Puppet::start(command).unwrap();
        let line = process.wait_for_line(" is at http").unwrap();
        let address = line.rsplit(' ').next().unwrap();
        let (scheme, host) = address.split_once("://").unwrap();
        (self.scheme, self.host) = (scheme.into(), host.into());
        self.token = fs::read_to_string(self.path("data/setup-token")).ok().map(|token| token.trim().to_owned());
        self.process = Some(process);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Nobody yet.
    pub fn client(&self) -> Client {
        Client::new(&self.host)
    }

    /// Makes the first administrator, who is signed in then.
    pub fn set_up(&self) -> Client {
        let token = self.token.as_ref().expect("nobody has set this console up yet");
        let fields = format!("token={token}&name={NAME}&password={}&again={0}", PASSWORD.replace(' ', "+"));
        signed_in(&self.client(), &self.client().call("set_up", &fields))
    }

    pub fn sign_in(&self, name: &str) -> Client {
        let fields = format!("name={name}&password={}&next=", PASSWORD.replace(' ', "+"));
        signed_in(&self.client(), &self.client().call("sign_in", &fields))
    }

    pub fn process(&mut self) -> &mut Puppet {
        self.process.as_mut().expect("it runs")
    }

    /// Asks it to stop and waits until it has.
    pub fn stop(&mut self) -> Ended {
        let process = self.process.take().expect("it runs");
        process.interrupt().unwrap();
        process.wait().unwrap()
    }
}

/// When a task is due whose schedule a test is not about, as forms send it: half a year from now, and so at no time of day, and on no
/// day, while the test runs.
pub fn seldom() -> String {
    let day = Timestamp::now().to_zoned(TimeZone::UTC) + 26.weeks();
    format!("0+2+{}+{}+*", day.day(), day.month())
}

/// The client with the session that an answer gave it.
pub fn signed_in(client: &Client, answer: &Answer) -> Client {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let cookie = answer.header("set-cookie").expect("a session").split(';').next().unwrap().to_owned();
    Client { cookie: Some(cookie), ..client.clone() }
}

/// The least that browsers load: tests of answers need no scripts.
fn site(folder: &std::path::Path) {
    fs::create_dir_all(folder.join("pkg")).unwrap();
    for (name, content) in [
        ("site.json", r#"{"script":"/pkg/a.js","module":"/pkg/a.wasm","style":"/pkg/a.css"}"#),
        ("favicon.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("pkg/a.js", "export default 1"),
        ("pkg/a.js.br", "as brotli"),
        ("pkg/a.js.gz", "as gzip"),
        ("pkg/a.wasm", ""),
        ("pkg/a.css", "a{}"),
    ] {
        fs::write(folder.join(name), content).unwrap();
    }
}
