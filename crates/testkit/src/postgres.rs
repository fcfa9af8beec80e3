//! A private PostgreSQL cluster on a free loopback port, gone when the test is.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, bail, ensure};

use crate::Account;

/// Runs the server and watches over it. Standard input is the life line: it ends when the test process ends, however that
/// happens, so no server and no folder outlives a killed test. (A parent-death signal would not do: Linux sends it when the
/// *thread* that started the child ends, and each test has a thread of its own.) Any line on it means "stop, keep the folder".
const KEEPER: &str = r#"
folder=$1; shift
"$@" >>"$folder/log" 2>&1 &
server=$!
echo "$server"; exec >&-
read -r order
kill -QUIT "$server" 2>/dev/null; wait "$server"
[ -n "$order" ] || rm -rf "$folder"
"#;

const START_LIMIT: Duration = Duration::from_secs(60);

/// What a cluster is to be like; from [`PostgresServer::builder`].
#[derive(Debug, Default)]
pub struct PostgresBuilder {
    conf: Vec<String>,
    hba: Vec<String>,
    tls: Option<(PathBuf, PathBuf)>,
    encoding: Option<String>,
    locale: Option<String>,
}

impl PostgresBuilder {
    /// Adds a line to `postgresql.conf`; it wins over ours.
    #[must_use]
    pub fn conf(mut self, line: impl Into<String>) -> Self {
        self.conf.push(line.into());
        self
    }

    /// Adds a line to `pg_hba.conf`. With at least one, only these lines decide who may come over TCP (otherwise everybody on
    /// loopback may); [`PostgresServer::psql`] and its kin come over the local socket and are always let in.
    #[must_use]
    pub fn hba(mut self, line: impl Into<String>) -> Self {
        self.hba.push(line.into());
        self
    }

    /// Switches TLS on with this certificate (chain) and private key, both PEM; they are copied.
    #[must_use]
    pub fn tls(mut self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.tls = Some((certificate.into(), key.into()));
        self
    }

    /// Encoding of the cluster, `UTF8` when not said.
    #[must_use]
    pub fn encoding(mut self, encoding: impl Into<String>) -> Self {
        self.encoding = Some(encoding.into());
        self
    }

    /// Locale of the cluster, `C.UTF-8` when not said (a single-byte encoding needs `C`).
    #[must_use]
    pub fn locale(mut self, locale: impl Into<String>) -> Self {
        self.locale = Some(locale.into());
        self
    }

    /// Makes the cluster and starts it; returns when it accepts connections.
    ///
    /// # Errors
    /// When PostgreSQL is not installed, or its own message when it does not start.
    pub fn start(self) -> Result<PostgresServer> {
        let binaries = postgres_binaries()?;
        let account = Account::for_servers()?;
        let folder = tempfile::Builder::new().prefix("rookery-pg-").tempdir().context("cannot make a folder for PostgreSQL")?;
        account.give(folder.path())?;
        self.initdb(&binaries, account, folder.path())?;
        let mut server = PostgresServer { binaries, account, folder: folder.keep(), port: 0, running: None };
        self.configure(&server)?;
        server.start_on_free_port()?;
        Ok(server)
    }

    fn initdb(&self, binaries: &Path, account: Account, folder: &Path) -> Result<()> {
        let out = account
            .command(&binaries.join("initdb"))
            .args(["--no-sync", "--username=postgres", "--auth=trust"])
            .arg(format!("--encoding={}", self.encoding.as_deref().unwrap_or("UTF8")))
            .arg(format!("--locale={}", self.locale.as_deref().unwrap_or("C.UTF-8")))
            .arg("--pgdata")
            .arg(folder.join("data"))
            .current_dir("/")
            .output()
            .context("cannot run initdb")?;
        ensure!(out.status.success(), "initdb failed: {}", String::from_utf8_lossy(&out.stderr));
        Ok(())
    }

    fn configure(&self, server: &PostgresServer) -> Result<()> {
        let data = server.data();
        let mut conf = fs::read_to_string(data.join("postgresql.conf"))?;
        // Commits still wait for the write itself, so that `stop` loses none of them.
        conf.push_str("\nlisten_addresses = '127.0.0.1'\nfsync = off\nfull_page_writes = off\n");
        conf.push_str(&format!("unix_socket_directories = '{}'\n", server.folder.display()));
        if let Some((certificate, key)) = &self.tls {
            for (from, to) in [(certificate, "server.crt"), (key, "server.key")] {
                fs::copy(from, data.join(to)).with_context(|| format!("cannot copy {}", from.display()))?;
                server.account.give(&data.join(to))?;
            }
            conf.push_str("ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\n");
        }
        self.conf.iter().for_each(|line| conf.extend([line.as_str(), "\n"]));
        fs::write(data.join("postgresql.conf"), conf)?;
        let trust = ["host all all 127.0.0.1/32 trust".into(), "host replication all 127.0.0.1/32 trust".into()];
        let over_tcp = if self.hba.is_empty() { trust.as_slice() } else { self.hba.as_slice() };
        let hba = format!("local all all trust\nlocal replication all trust\n{}\n", over_tcp.join("\n"));
        fs::write(data.join("pg_hba.conf"), hba).context("cannot write pg_hba.conf")
    }
}

/// A running cluster; stopped and removed when dropped.
#[derive(Debug)]
pub struct PostgresServer {
    binaries: PathBuf,
    account: Account,
    folder: PathBuf,
    port: u16,
    running: Option<Running>,
}

/// The keeper and the server that it started.
#[derive(Debug)]
struct Running {
    keeper: Child,
    pid: u32,
}

impl PostgresServer {
    /// A cluster with nothing special: UTF-8, everybody on loopback trusted.
    ///
    /// # Errors
    /// See [`PostgresBuilder::start`].
    pub fn start() -> Result<Self> {
        Self::builder().start()
    }

    /// A cluster that differs from the plain one.
    #[must_use]
    pub fn builder() -> PostgresBuilder {
        PostgresBuilder::default()
    }

    /// TCP port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The superuser.
    #[must_use]
    pub fn user(&self) -> &'static str {
        "postgres"
    }

    /// The address as a user writes it: `postgres://postgres@127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("postgres://{}@127.0.0.1:{}", self.user(), self.port)
    }

    /// Folder of the local socket; the log of the server is the file `log` in it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Process id of the server, `None` while stopped. For tests that freeze or kill it.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.running.as_ref().map(|running| running.pid)
    }

    /// Runs SQL by `psql` as superuser, and returns its rows: unaligned, `|` between columns, one line each.
    ///
    /// # Errors
    /// With the server's message, at the first statement that fails.
    pub fn psql(&self, database: &str, sql: &str) -> Result<String> {
        let mut command = self.client("psql", database);
        command.args(["-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-f", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("cannot run psql")?;
        let mut input = child.stdin.take().context("psql has no standard input")?;
        let out = thread::scope(|scope| {
            // psql may stop reading at an error; its own message then says more than our broken pipe.
            scope.spawn(move || input.write_all(sql.as_bytes()).is_ok());
            child.wait_with_output()
        })?;
        ensure!(out.status.success(), "psql on {database:?} failed: {}", String::from_utf8_lossy(&out.stderr));
        Ok(String::from_utf8_lossy(&out.stdout).trim_end_matches('\n').to_owned())
    }

    /// Makes an empty database of any name.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn create_database(&self, name: &str) -> Result<()> {
        self.psql("postgres", &format!("create database \"{}\" template template0", name.replace('"', "\"\""))).map(drop)
    }

    /// Makes an empty database with a name that no other test has, and returns the name.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn fresh_database(&self) -> Result<String> {
        static NEXT: AtomicUsize = AtomicUsize::new(1);
        let name = format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        self.create_database(&name)?;
        Ok(name)
    }

    /// The whole database as `pg_dump` writes it, lines sorted, without what differs between two equal databases (comments,
    /// the random restrict token, blank lines and the creation of large objects, whose order is free).
    ///
    /// # Errors
    /// With the message of `pg_dump`.
    pub fn dump(&self, database: &str) -> Result<String> {
        let out = self.client("pg_dump", database).arg("--no-sync").output().context("cannot run pg_dump")?;
        ensure!(out.status.success(), "pg_dump of {database:?} failed: {}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8_lossy(&out.stdout);
        let noise = ["--", r"\restrict", r"\unrestrict", "SELECT pg_catalog.lo_create"];
        let mut lines: Vec<_> =
            text.lines().filter(|line| !line.is_empty() && !noise.iter().any(|start| line.starts_with(start))).collect();
        lines.sort_unstable();
        Ok(lines.join("\n"))
    }

    /// A client tool of this cluster's version, connected as superuser over the local socket. The database goes by the
    /// environment: as an argument, a name such as `host=evil` would be taken for settings.
    #[must_use]
    pub fn client(&self, tool: &str, database: &str) -> Command {
        let mut command = Command::new(self.binaries.join(tool));
        command.env_clear().env("PGHOST", &self.folder).env("PGPORT", self.port.to_string());
        command.envs([("PGUSER", self.user()), ("PGDATABASE", database), ("PGCLIENTENCODING", "UTF8"), ("LC_ALL", "C.UTF-8")]);
        command
    }

    /// Stops the server at once, as a crash would: connections break, the data stays. Does nothing when stopped.
    ///
    /// # Errors
    /// When the keeper cannot be reached.
    pub fn stop(&mut self) -> Result<()> {
        let Some(mut running) = self.running.take() else { return Ok(()) };
        let mut order = running.keeper.stdin.take().context("the keeper of PostgreSQL has no standard input")?;
        order.write_all(b"keep\n").context("the keeper of PostgreSQL is gone")?;
        running.keeper.wait().context("the keeper of PostgreSQL is gone")?;
        Ok(())
    }

    /// Stops the server if it runs, and starts it again on the same port.
    ///
    /// # Errors
    /// When it does not start.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        self.launch()
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// A port found free can be taken by somebody else before the server has it, so a few are tried.
    fn start_on_free_port(&mut self) -> Result<()> {
        for _ in 0..5 {
            self.port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
            match self.launch() {
                Err(error) if self.log().contains("Address already in use") => {
                    self.stop()?;
                    fs::remove_file(self.folder.join("log")).with_context(|| format!("port {} was taken: {error}", self.port))?;
                }
                other => return other,
            }
        }
        bail!("no free port on 127.0.0.1 for PostgreSQL in five tries")
    }

    fn launch(&mut self) -> Result<()> {
        let mut command = self.account.command(Path::new("/bin/sh"));
        command.args(["-c", KEEPER, "keeper"]).arg(&self.folder).arg(self.binaries.join("postgres")).arg("-D").arg(self.data());
        // A process group of its own: Ctrl-C ends the test, and the end of the test ends the server, in this order.
        command.arg("-p").arg(self.port.to_string()).current_dir("/").process_group(0);
        let mut keeper =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().context("cannot start PostgreSQL")?;
        let mut pid = String::new();
        BufReader::new(keeper.stdout.take().context("the keeper has no output")?).read_line(&mut pid)?;
        let pid = pid.trim().parse().context("the keeper of PostgreSQL did not say its process id")?;
        self.running = Some(Running { keeper, pid });
        self.wait_until_ready(pid)
    }

    /// Reads readiness where `pg_ctl` does: the eighth line of our own cluster's lock file. Asking the port could be answered
    /// by another cluster.
    fn wait_until_ready(&self, pid: u32) -> Result<()> {
        let limit = Instant::now() + START_LIMIT;
        while Instant::now() < limit {
            let lock = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
            let mut lines = lock.lines();
            if lines.next() == Some(pid.to_string().as_str())
                && lines.nth(6).is_some_and(|state| matches!(state.trim(), "ready" | "standby"))
            {
                return Ok(());
            }
            ensure!(is_alive(pid), "PostgreSQL did not start: {}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
        bail!("PostgreSQL was not ready after {} s: {}", START_LIMIT.as_secs(), self.log())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        if let Some(mut running) = self.running.take() {
            drop(running.keeper.stdin.take());
            // The keeper removes the folder; should it be gone, the removal below still happens.
            let _ = running.keeper.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A child that has ended stays in the process table until its parent asks, so its state is what tells.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Folder of the PostgreSQL binaries: `ROOKERY_PG_BIN`, else the newest version that Debian's packages have installed.
///
/// # Errors
/// When there is none.
pub fn postgres_binaries() -> Result<PathBuf> {
    if let Some(folder) = std::env::var_os("ROOKERY_PG_BIN") {
        return Ok(folder.into());
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("postgres").is_file())
        .max();
    newest
        .map(|(_, bin)| bin)
        .context("PostgreSQL is not installed; install the package `postgresql`, or set ROOKERY_PG_BIN to its bin folder")
}

/// One cluster for all tests of a process; each takes databases of its own by [`PostgresServer::fresh_database`].
///
/// # Errors
/// When the cluster did not start; the same message for every caller.
pub fn shared() -> Result<&'static PostgresServer> {
    static SHARED: OnceLock<Result<PostgresServer, String>> = OnceLock::new();
    SHARED.get_or_init(|| PostgresServer::start().map_err(|error| format!("{error:#}"))).as_ref().map_err(anyhow::Error::msg)
}
