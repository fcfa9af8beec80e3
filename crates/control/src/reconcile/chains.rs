//! Chains that nobody follows any more: what servers keep for them is removed there, before it fills a disk.
//!
//! A chain is followed as long as a task covers its database at its root. One whose task was deleted, or leaves the database or its
//! server out now, is forgotten: its backups stay, and what the server kept for the next one goes. So does what keeps back too much log,
//! because its task is disabled or fails: then the next backup is a full one, and says why. Chains of the command line are its own.
//! Where a root is not there at the moment, nobody knows which chains are under it: every one that may be is followed.
//!
//! Before it comes to that, what a slot keeps of an idle database's log, which others filled, is let go.

use crate::{Control, cause::Cause};
use catalog::{DestinationRecord, RunRecord, ServerRecord, TaskRecord};
use domain::{Code, Dbms, DestinationId, Result, RunKind, ServerId, display, size};
use engine::{A_LOOK, Follow, HeldChain, KeptChain, kept_chains, let_go};
use jiff::Timestamp;
use source::{Context, Following, Slot, Source};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

/// A slot that keeps back more log than this, or than a quarter of its limit, is looked at: whether its database changed at all. Less
/// is not worth reading for.
const WORTH_A_LOOK_BYTES: u64 = 256 << 20;

/// The server reads all that a slot keeps for such a look. When so much time has gone by with that, the other slots have their turn
/// the next time, when those that were let go keep little.
const LOOKING_TIME: Duration = Duration::from_secs(60);

/// Long enough for a backup that waits for a chain to notice that it is free.
const BREATH: Duration = Duration::from_millis(100);

/// What is known of those who follow chains.
pub(crate) struct Followers {
    servers: Vec<ServerRecord>,
    tasks: Vec<TaskRecord>,
    roots: BTreeMap<DestinationId, Root>,
}

/// The root of a destination.
struct Root {
    /// What the destination is called.
    name: String,
    follow: Follow,
}

impl Followers {
    pub async fn of(control: &Control) -> Result<Self> {
        let (destinations, folder) = (control.catalog.destinations().await?, control.chains());
        let root = |record: DestinationRecord| {
            let follow = Follow::new(&record.destination, folder.clone());
            (record.id, Root { name: record.name, follow })
        };
        Ok(Self {
            servers: control.catalog.servers().await?,
            tasks: control.catalog.tasks().await?,
            roots: destinations.into_iter().map(root).collect(),
        })
    }

    fn server(&self, chain: &KeptChain) -> Option<&ServerRecord> {
        let mut of_instance: Vec<_> =
            self.servers.iter().filter(|server| server.instance.as_deref() == Some(chain.server_instance.as_str())).collect();
        // One server may be known under several names, each with chains of its own.
        of_instance.sort_by_key(|server| server.server.name != chain.server);
        of_instance.first().copied()
    }

    /// The task that goes on with a chain.
    pub fn task(&self, chain: &KeptChain) -> Option<&TaskRecord> {
        let server = self.server(chain)?;
        let is_known = self.roots.values().any(|root| root.follow.covers(chain));
        self.tasks.iter().find(|task| {
            let may_be = |root: &Root| root.follow.covers(chain) || (root.follow.is_away() && !is_known);
            self.roots.get(&task.task.destination).is_some_and(may_be)
                && task.task.servers.contains(&server.id)
                && server.server.name == chain.server
                && task.task.selection.includes(&chain.database)
        })
    }

    /// The destination of a task, if its root is not there at the moment.
    fn away(&self, task: &TaskRecord) -> Option<&str> {
        let root = self.roots.get(&task.task.destination)?;
        root.follow.is_away().then_some(root.name.as_str())
    }
}

/// What became of a chain that was looked at.
enum Looked {
    /// Its server keeps so many bytes for it, and so many more until now, in which nothing of its database changed.
    Kept { held: u64, let_go: u64 },
    /// Nobody follows it.
    Forgotten,
    /// It kept back too much: a sentence.
    GivenUp(String),
}

impl Looked {
    fn kept(held: u64) -> Self {
        Self::Kept { held, let_go: 0 }
    }
}

/// What the work did.
#[derive(Default)]
struct Done {
    held: u64,
    let_go: u64,
    idle: Vec<String>,
    /// Spent on looking at what idle databases may keep.
    looking: Duration,
    forgotten: usize,
    given_up: Vec<String>,
    /// Servers that could not be reached. They are not asked for each of their chains.
    silent: BTreeSet<ServerId>,
    /// Destinations whose roots are not there.
    away: BTreeSet<String>,
    faults: Vec<String>,
}

impl Done {
    fn told(self) -> String {
        let mut said = vec![format!("Servers keep {} of log for chains.", display::size(self.held))];
        if !self.idle.is_empty() {
            said.push(format!("Log without a change of theirs ({}) was let go: {}.", display::size(self.let_go), self.idle.join(", ")));
        }
        if self.forgotten > 0 {
            said.push(format!("Chains that nobody follows any more were forgotten ({}).", self.forgotten));
        }
        if !self.given_up.is_empty() {
            said.push(format!("What kept back too much log was dropped: {}.", self.given_up.join(", ")));
        }
        let away = |name| format!("{name}: its root is not there at the moment, so what may be kept for chains under it stays.");
        said.into_iter().chain(self.away.into_iter().map(away)).chain(self.faults).collect::<Vec<_>>().join(" ")
    }
}

impl Control {
    /// Where the state of chains is kept.
    pub(crate) fn chains(&self) -> PathBuf {
        self.data_dir.join("chains")
    }

    /// Chains that something is kept for.
    pub(crate) async fn kept_chains(&self) -> Result<Vec<KeptChain>> {
        let folder = self.chains();
        crate::blocking(move |_| Ok(kept_chains(&folder))).await
    }

    pub(crate) async fn reconcile_chains(&self) -> Result<String> {
        let followers = Followers::of(self).await?;
        let mut done = Done::default();
        for chain in self.kept_chains().await?.into_iter().filter(|chain| chain.task.is_some()) {
            let server = followers.server(&chain);
            // What a backup at work builds on is not taken away under its hands.
            let running = self.catalog.running_runs().await?;
            if is_at_work(&running, server, &chain.database) || server.is_some_and(|it| done.silent.contains(&it.id)) {
                continue;
            }
            let task = followers.task(&chain);
            done.away.extend(task.and_then(|task| followers.away(task)).map(str::to_owned));
            match self.look_at_chain(&chain, server, task, &mut done.looking).await {
                Ok(Looked::Kept { held, let_go }) => {
                    (done.held, done.let_go) = (done.held + held, done.let_go + let_go);
                    done.idle.extend((let_go > 0).then_some(chain.database));
                }
                Ok(Looked::Forgotten) => done.forgotten += 1,
                Ok(Looked::GivenUp(why)) => {
                    self.write_dropped(server, &chain.database, &why).await;
                    done.given_up.push(chain.database);
                }
                // Another time, or never again if the server is gone for good.
                Err(error) => {
                    tracing::info!(database = chain.database, ?error, "a chain could not be looked at");
                    done.faults.push(format!("{}: {error}", chain.database));
                    done.silent.extend(server.filter(|_| is_silent(error.code())).map(|server| server.id));
                }
            }
        }
        for server in followers.servers.iter().filter(|server| server.server.dbms() == Dbms::Postgresql) {
            if done.silent.contains(&server.id) || server.seen.as_ref().is_none_or(|seen| seen.error.is_some()) {
                continue;
            }
            match self.drop_strays(server).await {
                Ok(dropped) => done.given_up.extend(dropped),
                Err(error) => done.faults.push(format!("{}: {error}", server.server.name)),
            }
        }
        Ok(done.told())
    }

    async fn look_at_chain(
        &self,
        chain: &KeptChain,
        server: Option<&ServerRecord>,
        task: Option<&TaskRecord>,
        looking: &mut Duration,
    ) -> Result<Looked> {
        let Some(server) = server else {
            // Nobody can reach it to remove anything there.
            if task.is_some() {
                return Ok(Looked::kept(0));
            }
            self.hold(chain).await?.forget()?;
            return Ok(Looked::Forgotten);
        };
        let source = self.open_source(server).await?;
        let following: Arc<dyn Following> = chain.following(source.as_ref(), &self.instance).into();
        let hold = match self.hold(chain).await {
            Err(error) if error.code() == Code::Busy => return Ok(Looked::kept(0)),
            hold => hold?,
        };
        if let Some(task) = task {
            return self.look_at_followed((chain, hold), task, &following, server.server.held_limit_bytes(), looking).await;
        }
        tracing::info!(database = chain.database, "a chain that nobody follows is forgotten");
        release(&following).await?;
        // With its state it would look as if it could go on.
        hold.forget()?;
        Ok(Looked::Forgotten)
    }

    async fn look_at_followed(
        &self,
        (chain, mut hold): (&KeptChain, HeldChain),
        task: &TaskRecord,
        following: &Arc<dyn Following>,
        limit: u64,
        looking: &mut Duration,
    ) -> Result<Looked> {
        let before = held_bytes(following).await?;
        let (mut held, worth_a_look) = (before, WORTH_A_LOOK_BYTES.min(limit / 4));
        while held > worth_a_look && *looking < LOOKING_TIME {
            let began = Instant::now();
            let is_idle = self.let_idle_go(&hold, task, following).await;
            let now = held_bytes(following).await?;
            *looking += began.elapsed();
            let is_less = now < held;
            held = now;
            // A transaction that goes on for long keeps the rest there.
            if !is_idle || !is_less {
                break;
            }
            drop(hold);
            tokio::time::sleep(BREATH).await;
            hold = match self.hold(chain).await {
                Err(error) if error.code() == Code::Busy => return Ok(Looked::Kept { held, let_go: before.saturating_sub(held) }),
                hold => hold?,
            };
        }
        if held <= limit {
            return Ok(Looked::Kept { held, let_go: before.saturating_sub(held) });
        }
        tracing::info!(database = chain.database, held, "a chain is given up");
        release(following).await?;
        let why = too_much(held, limit);
        hold.give_up(&why)?;
        Ok(Looked::GivenUp(why))
    }

    /// Takes hold of a chain, if no backup works on it.
    async fn hold(&self, chain: &KeptChain) -> Result<HeldChain> {
        let (chain, folder) = (chain.clone(), self.chains());
        crate::blocking(move |context| chain.hold(&folder, Duration::ZERO, context)).await
    }

    /// Lets the server forget what it keeps for a chain whose database did not change. Not being able to is left to the next backup,
    /// which says why, and to the limit.
    async fn let_idle_go(&self, chain: &HeldChain, task: &TaskRecord, following: &Arc<dyn Following>) -> bool {
        let tried = async {
            let destination = self.catalog.destination(task.task.destination).await?;
            let Some(repository) = self.open_known(&destination).await? else { return Ok(false) };
            let context = Context::default();
            let _cancelled_when_dropped = context.cancel.clone().drop_guard();
            let_go(chain, &repository, following, &context).await
        };
        tried.await.unwrap_or_else(|error: domain::Error| {
            tracing::info!(?error, "what a slot keeps could not be looked at");
            false
        })
    }

    /// Removes all that a server keeps for chains of its record, which is about to go, and forgets these. A sentence, if that cannot
    /// be: whoever removes a server that is gone for good cannot be kept from it.
    pub(crate) async fn release_chains_of(&self, server: &ServerRecord) -> Result<Option<String>> {
        let is_its = |chain: &KeptChain| chain.server == server.server.name && server.instance.as_deref() == Some(&chain.server_instance);
        let mut chains = self.kept_chains().await?;
        chains.retain(is_its);
        if chains.is_empty() {
            return Ok(None);
        }
        let (instance, folder) = (Arc::clone(&self.instance), self.chains());
        let release = async |source: Arc<dyn Source>| {
            let work = move |context: &Context| {
                for chain in &chains {
                    let hold = chain.hold(&folder, A_LOOK, context)?;
                    chain.following(source.as_ref(), &instance).release(context)?;
                    hold.forget()?;
                }
                Ok(())
            };
            crate::blocking(work).await
        };
        let released = match self.open_source(server).await {
            Ok(source) => release(source).await,
            Err(error) => Err(error),
        };
        match released {
            Ok(()) => Ok(None),
            Err(error) if error.code() == Code::Busy => Err(error),
            Err(error) => Ok(Some(format!(
                "Replication slots of this console may be left on it, and keep its log, as they could not be dropped: {error}"
            ))),
        }
    }

    /// Drops slots of this installation that belong to no chain that is known here, once they keep back more than the limit: those
    /// of a data directory that was set back, say. Whoever makes one notes its chain before.
    async fn drop_strays(&self, server: &ServerRecord) -> Result<Vec<String>> {
        let (source, limit) = (self.open_source(server).await?, server.server.held_limit_bytes());
        let asked = Arc::clone(&source);
        let mut over = crate::blocking(move |context| asked.slots(context)).await?;
        over.retain(|slot| slot.is_of(&self.instance.fingerprint().to_string()) && slot.held_bytes > limit && !slot.is_active);
        if over.is_empty() {
            return Ok(vec![]);
        }
        let chains = self.kept_chains().await?;
        over.retain(|slot| !chains.iter().any(|chain| chain.following(source.as_ref(), &self.instance).owns(&slot.name)));
        let mut dropped = vec![];
        for Slot { name, database, held_bytes, .. } in over {
            let (asked, slot) = (Arc::clone(&source), name.clone());
            crate::blocking(move |context| asked.drop_slot(&slot, context)).await?;
            self.write_dropped(Some(server), &database, &format!("{name}: {}", too_much(held_bytes, limit))).await;
            dropped.push(database);
        }
        Ok(dropped)
    }

    /// Writes down that a slot went because it kept back too much.
    async fn write_dropped(&self, server: Option<&ServerRecord>, database: &str, why: &str) {
        let Some(server) = server else { return };
        tracing::warn!(server = server.server.name, database, why, "a replication slot was dropped");
        let audit = Cause::console(why).audit(Timestamp::now(), "slot dropped", database, format!("/servers/{}/slots", server.id));
        if let Err(error) = self.catalog.append_audit(&audit).await {
            tracing::warn!(?error, "that a slot was dropped could not be written down");
        }
    }
}

/// Whether a backup of a database of a server is under way; if it is not known which server, of any database of this name.
pub(crate) fn is_at_work(running: &[RunRecord], server: Option<&ServerRecord>, database: &str) -> bool {
    let is_its = |run: &RunRecord| server.is_none_or(|server| run.server == Some(server.id));
    running.iter().any(|run| run.kind == RunKind::Backup && run.database == database && is_its(run))
}

async fn release(following: &Arc<dyn Following>) -> Result<()> {
    let following = Arc::clone(following);
    crate::blocking(move |context| following.release(context)).await
}

async fn held_bytes(following: &Arc<dyn Following>) -> Result<u64> {
    let following = Arc::clone(following);
    Ok(crate::blocking(move |context| following.held_bytes(context)).await?.unwrap_or(0))
}

/// Whether nobody answers at all.
fn is_silent(code: Code) -> bool {
    matches!(code, Code::Unreachable | Code::Silent | Code::AuthFailed | Code::Tls)
}

fn too_much(held: u64, limit: u64) -> String {
    format!(
        "Its replication slot held back {} of log on the server, more than the limit of {}: it was dropped.",
        display::size(held),
        size::exact(limit)
    )
}
