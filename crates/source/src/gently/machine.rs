//! What the machine's processors do, as Linux tells it (proc(5)). Other systems tell nothing, and nobody rests there.

use rustix::time::{ClockId, clock_gettime};
use std::{
    fs,
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// Seconds of processor time, each since some moment that stays the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Look {
    /// Of all processors, whatever they did.
    pub all: f64,
    /// What nobody wanted of it.
    pub idle: f64,
    /// What this process and its helpers took.
    pub ours: f64,
    /// The gentle part of that.
    pub gentle: f64,
}

/// The processes of servers on this machine that work for this one, and what those took that are gone.
static HELPERS: Mutex<(Vec<Helping>, Duration)> = Mutex::new((Vec::new(), Duration::ZERO));

struct Helping {
    pid: u32,
    /// What it had taken when it began to help.
    before: Duration,
}

/// A process of a server on this machine that works for this one, for as long as this value is kept.
#[derive(Debug)]
pub(crate) struct Helper(u32);

impl Helper {
    /// The process with this number, if it has this name: numbers mean something else on another machine and in a container.
    pub fn new(pid: u32, name: &str) -> Option<Self> {
        let is_it = fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim_end() == name);
        let before = taken(pid).filter(|_| is_it)?;
        HELPERS.lock().unwrap_or_else(PoisonError::into_inner).0.push(Helping { pid, before });
        Some(Self(pid))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let mut helpers = HELPERS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = helpers.0.iter().position(|helping| helping.pid == self.0) {
            let helping = helpers.0.swap_remove(at);
            helpers.1 += helping.took();
        }
    }
}

impl Helping {
    fn took(&self) -> Duration {
        taken(self.pid).unwrap_or_default().saturating_sub(self.before)
    }
}

/// Looks at the machine, where gentle threads took `threads` seconds; `None` if it tells nothing.
pub(super) fn look(threads: f64) -> Option<Look> {
    let (all, idle) = processors(&fs::read_to_string("/proc/stat").ok()?)?;
    let helped = helped();
    Some(Look { all, idle, ours: seconds(ClockId::ProcessCPUTime) + helped, gentle: threads + helped })
}

/// Seconds that gentle threads and the helpers took, where the threads took `threads`.
pub(super) fn gentle(threads: f64) -> f64 {
    threads + helped()
}

/// Seconds that this thread has taken since it began.
pub(super) fn of_this_thread() -> f64 {
    seconds(ClockId::ThreadCPUTime)
}

fn helped() -> f64 {
    let helpers = HELPERS.lock().unwrap_or_else(PoisonError::into_inner);
    (helpers.1 + helpers.0.iter().map(Helping::took).sum::<Duration>()).as_secs_f64()
}

fn seconds(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Seconds of all processors and the idle part of them, out of the first line of `/proc/stat`. The times of guests are in those of
/// users.
fn processors(stat: &str) -> Option<(f64, f64)> {
    let mut words = stat.lines().next()?.split_whitespace();
    let ticks: Vec<u64> = (words.next()? == "cpu").then(|| words.map_while(|word| word.parse().ok()).take(8).collect())?;
    let idle = ticks.get(3)? + ticks.get(4)?;
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    Some((ticks.iter().sum::<u64>() as f64 / per_second, idle as f64 / per_second))
}

/// What a process has taken so far.
fn taken(pid: u32) -> Option<Duration> {
    let schedstat = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
    schedstat.split_whitespace().next()?.parse().map(Duration::from_nanos).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postgres::wire::{Session, Target};

    #[test]
    fn the_first_line_tells_what_all_processors_did() {
        let stat = "cpu  300 100 200 1000 50 0 50 100 20 10\ncpu0 1 2 3 4\n";
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        assert_eq!(processors(stat), Some((1800.0 / per_second, 1050.0 / per_second)));
        for nonsense in ["", "cpu", "cpu 1 2 3", "cpu0 1 2 3 4 5 6 7 8", "intr 1 2 3 4 5"] {
            assert_eq!(processors(nonsense), None, "{nonsense}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_a_helper_takes_is_ours_and_stays_so() {
        let mut busy = std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        assert!(Helper::new(busy.id(), "postgres").is_none());
        // Between its start and its program it has the name of this test.
        let helper = loop {
            if let Some(helper) = Helper::new(busy.id(), "sh") {
                break helper;
            }
        };
        let start = taken(busy.id()).unwrap();
        while taken(busy.id()).unwrap() - start < Duration::from_millis(50) {}
        let least = seconds(ClockId::ProcessCPUTime) + 0.05;
        assert!(look(0.0).unwrap().ours >= least);
        drop(helper);
        busy.kill().and_then(|()| busy.wait()).unwrap();
        let look = look(1.0).unwrap();
        assert!(look.ours >= least && look.gentle >= 1.05 && look.all >= look.idle, "{look:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_server_on_this_machine_works_for_us() {
        let server = testkit::PostgresServer::start().unwrap();
        let context = crate::Context::default();
        let connection = domain::Connection::Postgresql {
            host: "127.0.0.1".into(),
            port: server.port(),
            user: "postgres".into(),
            password: None,
            maintenance_database: "postgres".into(),
            tls: domain::TlsMode::Disable,
            root_certificate: None,
        };
        let mut session = Session::connect(&Target::new(&connection).unwrap(), "postgres", &context).unwrap();
        let before = look(0.0).unwrap().gentle;
        session.execute("SELECT count(*) FROM generate_series(1, 1000000)").unwrap();
        assert!(look(0.0).unwrap().gentle > before);
    }
}
