//! What the command line understands.

use clap::{Args, Parser, Subcommand, ValueEnum};
use domain::{Destination, Error, Label, retention::Rule};
use jiff::Timestamp;
use repository::Fingerprint;
use std::{net::SocketAddr, path::PathBuf, str::FromStr};

const AFTER: &str = "\
SERVER is one of
  postgres://USER@HOST:PORT      password from PGPASSWORD, or a file named by PGPASSFILE (else ~/.pgpass);
                                 ?sslmode=disable|prefer|require|verify-ca|verify-full&sslrootcert=FILE
  sqlite:FOLDER                  every SQLite database below the folder
ROOT is the path of a folder. Each database gets a child folder below it.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 some databases failed.";

const VERDICTS: &str = "\
Each backup is one of
  checked    whole: signature, stored bytes, every member, and every table's rows and digest hold
  stored     signature and stored bytes hold; what is sealed in them was not looked at, for want of a key
  untrusted  signed by an instance that has not been accepted
  damaged    not what was signed, or not to be decoded: it must not be relied on
  failed     not verified, for another reason
The first two are no failure.";

const EXAMPLES: &str = "\
Examples:
  rookery backup sqlite:/srv/apps --to /backups
  rookery backup postgres://backup@db.example --to /backups --exclude 'tenant_*'
  rookery list /backups
  rookery expire /backups --keep daily=7,weekly=4,monthly=12 --dry-run
  rookery restore /backups --database shop --into postgres://admin@db.example --as shop_monday
  rookery key generate --out rookery.key
  rookery backup sqlite:/srv/apps --to /backups --recipient \"$PUBLIC_KEY\" && rookery verify /backups --key rookery.key
  rookery serve";

/// Reads a value, with the next step beside the sentence where it cannot be read.
fn value<T: FromStr<Err = Error>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: Error| format!("{error}\n  → {}", error.next_step()))
}

/// Server-wide backups: every database into its own child folder, and each restore proven equal.
#[derive(Parser)]
#[command(name = "rookery", version, after_help = AFTER, after_long_help = format!("{AFTER}\n\n{EXAMPLES}"))]
pub struct Arguments {
    #[command(flatten)]
    pub home: Home,
    #[command(subcommand)]
    pub command: Command,
}

/// Where this installation lives.
#[derive(clap::Args, Clone, Default)]
pub struct Home {
    /// Where this installation keeps its key and what it trusts [default: the platform's data folder]
    #[arg(long, env = "ROOKERY_DATA_DIR", value_name = "DIR", global = true)]
    pub data_dir: Option<PathBuf>,
    /// File with the key that seals the secrets in it: 32 bytes in base64 [default: catalog-key in the data folder]
    #[arg(long, env = "ROOKERY_SAFE_KEY", value_name = "FILE", global = true)]
    pub safe_key: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Back up every database of a server
    Backup(Backup),
    /// List databases and their restore points
    List(List),
    /// Restore one database under a new name, and prove it equal
    Restore(Restore),
    /// Read backups back and prove them
    Verify(Verify),
    /// Print rows of a backup, one JSON array a line
    Cat(Cat),
    /// Delete backups that no rule keeps, or show which these are
    Expire(Expire),
    /// Try a server or a root, and say what is possible there
    Probe(Probe),
    /// Make a key that opens sealed backups, or tell which one a file holds
    #[command(subcommand)]
    Key(KeyCommand),
    /// Run the console: schedules, live runs and guided restores in a browser
    Serve(Serve),
}

impl Command {
    /// Whether one JSON document is wanted on standard output.
    pub fn wants_json(&self) -> bool {
        match self {
            Self::Backup(Backup { json, .. }) | Self::List(List { json, .. }) | Self::Restore(Restore { json, .. }) => *json,
            Self::Verify(Verify { json, .. }) | Self::Probe(Probe { json, .. }) | Self::Expire(Expire { json, .. }) => *json,
            Self::Key(KeyCommand::Generate(KeyGenerate { json, .. }) | KeyCommand::Show(KeyShow { json, .. })) => *json,
            Self::Cat(_) | Self::Serve(_) => false,
        }
    }
}

/// Whose repositories are trusted besides our own.
#[derive(Args)]
pub struct Accept {
    /// Trust the instance with this fingerprint from now on: another installation's, or this one's before its data directory was lost
    #[arg(long, value_name = "FINGERPRINT", value_parser = value::<Fingerprint>)]
    pub accept_instance: Option<Fingerprint>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// Everything
    Full,
    /// What has changed since the newest backup; everything where there is none, or it cannot be gone on from
    Incremental,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Type {
    /// Rows and definitions
    Logical,
}

#[derive(Args)]
pub struct Backup {
    /// The server to back up
    pub server: String,
    /// The root to write to; made if it does not exist
    #[arg(long, value_name = "ROOT", value_parser = value::<Destination>)]
    pub to: Destination,
    /// Only this database (may be given several times)
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub database: Vec<String>,
    /// Leave databases out by name; * stands for any characters, ? for one (may be given several times)
    #[arg(long, value_name = "PATTERN", allow_hyphen_values = true)]
    pub exclude: Vec<String>,
    /// What a backup holds
    #[arg(long = "type", value_enum, default_value = "logical")]
    pub backup_type: Type,
    /// Whether it stands alone
    #[arg(long, value_enum, default_value = "full")]
    pub kind: Kind,
    /// Make a full backup once so many incrementals have followed the last one
    #[arg(long, value_name = "N")]
    pub most_incrementals: Option<u32>,
    /// Make a full backup once the last one is so old
    #[arg(long, value_name = "DAYS")]
    pub most_days: Option<u32>,
    /// Seal the backups for the holder of this key: the public half, as `rookery key show` prints it (may be given several times)
    // Not parsed here: it may be a private key by mistake, and errors of arguments repeat what was given.
    #[arg(long, value_name = "PUBLIC")]
    pub recipient: Vec<String>,
    /// The name of the server in folder names [default: its host, or the folder's name]
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub server_name: Option<String>,
    /// Databases at the same time [default: the number of processors, at most 8]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub jobs: Option<u16>,
    /// Take what the machine gives, even where others want all of it
    #[arg(long)]
    pub full_speed: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub accept: Accept,
}

#[derive(Args)]
pub struct Expire {
    /// The root
    #[arg(value_parser = value::<Destination>)]
    pub root: Destination,
    /// Only this database
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub database: Option<String>,
    /// What stays: days=30 keeps what is younger, count=10 the newest, daily=7,weekly=4,monthly=12,yearly=3 the newest of each. Parts
    /// are joined by commas, and what one of them keeps stays. The newest whole backup of a database stays in any case
    #[arg(long, value_name = "RULE", value_parser = value::<Rule>)]
    pub keep: Rule,
    /// Whose days, weeks, months and years these are
    #[arg(long, value_name = "ZONE", default_value = "UTC")]
    pub time_zone: String,
    /// Delete nothing, only show what would be deleted
    #[arg(long)]
    pub dry_run: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct List {
    /// The root
    #[arg(value_parser = value::<Destination>)]
    pub root: Destination,
    /// Only this database
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub database: Option<String>,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// One backup of one database.
#[derive(Args)]
pub struct Chosen {
    /// The root
    #[arg(value_parser = value::<Destination>)]
    pub root: Destination,
    /// The database
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub database: String,
    /// The server that it came from, where the root holds databases of this name from several
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub server: Option<String>,
    /// The restore point, by its label [default: the newest]
    #[arg(long, value_name = "LABEL", value_parser = value::<Label>)]
    pub point: Option<Label>,
}

/// A moment as people write it.
fn moment(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| {
        format!("{text:?} is not a moment. Give one with its offset from UTC, such as 2026-11-22T03:10:12Z or 2026-11-22T04:10:12.5+01:00.")
    })
}

/// What opens backups that are sealed.
#[derive(Args)]
pub struct Opening {
    /// A file with the private key that opens sealed backups
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
}

impl Opening {
    /// The key, read from its file; its passphrase is asked for if it has one.
    pub fn key(&self) -> domain::Result<Option<repository::Key>> {
        self.key.as_deref().map(crate::key_file::open).transpose().map(|key| key.map(repository::Key::Private))
    }
}

#[derive(Args)]
pub struct Restore {
    #[command(flatten)]
    pub chosen: Chosen,
    /// The server that gets the new database
    #[arg(long, value_name = "SERVER")]
    pub into: String,
    /// The name of the new database, which must not exist
    #[arg(long = "as", value_name = "NEW", allow_hyphen_values = true)]
    pub name: String,
    /// The moment to restore, where a chain follows the server's stream of changes: the last commit at it or before it is in
    #[arg(long, value_name = "MOMENT", value_parser = moment, conflicts_with = "point")]
    pub at: Option<Timestamp>,
    /// Load the rows of this table alone, with all definitions but foreign keys
    #[arg(long, value_name = "TABLE", allow_hyphen_values = true)]
    pub table: Option<String>,
    /// Leave owners and privileges out
    #[arg(long)]
    pub no_owner: bool,
    /// Create roles that are missing, without the right to log in
    #[arg(long, conflicts_with = "no_owner")]
    pub create_roles: bool,
    /// Keep the new database even if the comparison finds a difference
    #[arg(long)]
    pub keep_different: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub opening: Opening,
    #[command(flatten)]
    pub accept: Accept,
}

#[derive(Args)]
#[command(after_help = VERDICTS)]
pub struct Verify {
    /// The root
    #[arg(value_parser = value::<Destination>)]
    pub root: Destination,
    /// Only this database
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    pub database: Option<String>,
    /// Take what the machine gives, even where others want all of it
    #[arg(long)]
    pub full_speed: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
    /// A file with a private key that opens sealed backups (may be given several times)
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    #[command(flatten)]
    pub accept: Accept,
}

#[derive(Args)]
pub struct Cat {
    #[command(flatten)]
    pub chosen: Chosen,
    /// The table; without it, the tables are listed
    #[arg(long, value_name = "TABLE", allow_hyphen_values = true)]
    pub table: Option<String>,
    #[command(flatten)]
    pub opening: Opening,
    #[command(flatten)]
    pub accept: Accept,
}

#[derive(Args)]
pub struct Probe {
    /// A SERVER or a ROOT
    #[arg(value_name = "SERVER|ROOT")]
    pub what: String,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Subcommand)]
pub enum KeyCommand {
    /// Make a new key
    Generate(KeyGenerate),
    /// Tell the public half and the fingerprint of a key
    Show(KeyShow),
}

#[derive(Args)]
pub struct KeyGenerate {
    /// Make it from a passphrase, which is asked for, or read from standard input
    #[arg(long)]
    pub passphrase: bool,
    /// Where the key is kept: a new file that only its owner may read [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Print one JSON document about it
    #[arg(long, requires = "out")]
    pub json: bool,
}

#[derive(Args)]
pub struct KeyShow {
    /// The file
    pub file: PathBuf,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Serve {
    /// Where to listen; beyond this machine only with TLS, ours or that of a proxy in front
    #[arg(long, env = "ROOKERY_LISTEN", value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    pub listen: SocketAddr,
    /// The console's own database [default: sqlite:DIR/catalog.sqlite in the data directory]
    #[arg(long, env = "ROOKERY_CATALOG", value_name = "URL")]
    pub catalog: Option<String>,
    /// Certificate chain for TLS, as PEM; read again when it changes
    #[arg(long, env = "ROOKERY_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key, as PEM
    #[arg(long, env = "ROOKERY_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// A proxy in front speaks TLS and tells by X-Forwarded-For and X-Forwarded-Proto who asks and how
    #[arg(long, env = "ROOKERY_BEHIND_PROXY")]
    pub behind_proxy: bool,
    /// Seconds that running backups and restores get to finish when the console is stopped
    #[arg(long, env = "ROOKERY_GRACE", value_name = "SECONDS", default_value = "60")]
    pub grace: u64,
    /// A folder of SQLite databases that is offered as the first server
    #[arg(long, env = "ROOKERY_SAMPLE", value_name = "FOLDER")]
    pub sample: Option<PathBuf>,
    /// The root that is offered with it [default: a folder in the data directory]
    #[arg(long, env = "ROOKERY_SAMPLE_ROOT", value_name = "FOLDER", requires = "sample")]
    pub sample_root: Option<PathBuf>,
}
