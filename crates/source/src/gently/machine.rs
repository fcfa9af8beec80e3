//! What the machine's processors do, as Linux tells it (proc(5)). Other systems tell nothing, and nobody rests there.

use rustix::time::{ClockId, clock_gettime};
use std::{
    fs,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
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

/// What helpers took holds for so long: it costs some system calls for each of them.
const FRESH: Duration = Duration::from_millis(20);

static HELPERS: Mutex<Helpers> = Mutex::new(Helpers { all: Vec::new(), gone: Taken::NONE, last: None });

/// The processes of servers on this machine that work for this one.
struct Helpers {
    all: Vec<Helping>,
    /// What those took that are gone.
    gone: Taken,
    /// What all took lately.
    last: Option<(Instant, Taken)>,
}

/// Processor time.
#[derive(Clone, Copy)]
struct Taken {
    all: Duration,
    gentle: Duration,
}

struct Helping {
    pid: u32,
    is_gentle: bool,
    /// What it had taken when it began to help, and what it had at the last look.
    before: Duration,
    last: Duration,
}

/// A process of a server on this machine that works for this one, for as long as this value is kept.
#[derive(Debug)]
pub(crate) struct Helper(u32);

impl Helper {
    /// The process with this number, if it has one of these names: numbers mean something else on another machine and in a container.
    pub fn new(pid: u32, names: &[&str], is_gentle: bool) -> Option<Self> {
        let is_it = fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| names.contains(&comm.trim_end()));
        let before = taken(pid).filter(|_| is_it)?;
        helpers().all.push(Helping { pid, is_gentle, before, last: before });
        Some(Self(pid))
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let mut helpers = helpers();
        if let Some(at) = helpers.all.iter().position(|helping| helping.pid == self.0) {
            let mut helping = helpers.all.swap_remove(at);
            helpers.gone = helpers.gone.and(helping.took());
        }
    }
}

impl Helping {
    /// What it took; where it is gone already, up to the last look.
    fn took(&mut self) -> Taken {
        self.last = taken(self.pid).unwrap_or_default().max(self.last);
        let all = self.last - self.before;
        Taken { all, gentle: if self.is_gentle { all } else { Duration::ZERO } }
    }
}

impl Helpers {
    fn took(&mut self, now: Instant) -> Taken {
        match self.last {
            Some((at, taken)) if now.saturating_duration_since(at) < FRESH => taken,
            _ => {
                let taken = self.all.iter_mut().fold(self.gone, |taken, helping| taken.and(helping.took()));
                self.last = Some((now, taken));
                taken
            }
        }
    }
}

impl Taken {
    const NONE: Self = Self { all: Duration::ZERO, gentle: Duration::ZERO };

    fn and(self, more: Self) -> Self {
        Self { all: self.all + more.all, gentle: self.gentle + more.gentle }
    }
}

fn helpers() -> MutexGuard<'static, Helpers> {
    HELPERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Looks at the machine, where gentle threads took `threads` seconds; `None` if it tells nothing.
pub(super) fn look(threads: f64, now: Instant) -> Option<Look> {
    let (all, idle) = processors(&fs::read_to_string("/proc/stat").ok()?)?;
    let helped = helpers().took(now);
    let ours = seconds(ClockId::ProcessCPUTime) + helped.all.as_secs_f64();
    Some(Look { all, idle, ours, gentle: threads + helped.gentle.as_secs_f64() })
}

/// Seconds that gentle threads and the helpers of gentle work took, where the threads took `threads`.
pub(super) fn gentle(threads: f64, now: Instant) -> f64 {
    threads + helpers().took(now).gentle.as_secs_f64()
}

/// Seconds that this thread has taken since it began.
pub(super) fn of_this_thread() -> f64 {
    seconds(ClockId::ThreadCPUTime)
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

    /// A process that is busy until it is ended.
    struct Busy(std::process::Child);

    impl Drop for Busy {
        fn drop(&mut self) {
            self.0.kill().and_then(|()| self.0.wait()).unwrap();
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_helpers_take_is_ours_and_stays_so_when_they_are_gone() {
        let start = look(0.0, Instant::now()).unwrap();
        for is_gentle in [true, false] {
            let busy = Busy(std::process::Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap());
            let pid = busy.0.id();
            assert!(Helper::new(pid, &["postgres"], is_gentle).is_none());
            // Between its start and its program it has the name of this test.
            let helper = loop {
                if let Some(helper) = Helper::new(pid, &["bash", "sh"], is_gentle) {
                    break helper;
                }
            };
            let began = taken(pid).unwrap();
            while taken(pid).unwrap() - began < Duration::from_millis(50) {}
            helpers().last = None;
            assert!(look(0.0, Instant::now()).unwrap().ours >= start.ours + 0.05);
            // It ends before we are done with it.
            drop(busy);
            drop(helper);
            helpers().last = None;
        }
        let look = look(1.0, Instant::now()).unwrap();
        assert!(look.ours >= start.ours + 0.1 && look.all >= look.idle, "{look:?}");
        assert!(look.gentle >= 1.05 && look.gentle <= look.ours + 1.0 - 0.05, "{look:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_server_on_this_machine_works_for_us() {
        let server = testkit::PostgresServer::start().unwrap();
        let connection = domain::Connection::Postgresql {
            host: "127.0.0.1".into(),
            port: server.port(),
            user: "postgres".into(),
            password: None,
            maintenance_database: "postgres".into(),
            tls: domain::TlsMode::Disable,
            root_certificate: None,
        };
        let target = Target::new(&connection).unwrap();
        for gives_way in [true, false] {
            let mut session = Session::connect(&target, "postgres", &crate::Context { gives_way, ..Default::default() }).unwrap();
            let before = helpers().all[0].last;
            session.execute("SELECT count(*) FROM generate_series(1, 1000000)").unwrap();
            let took = helpers().all[0].took();
            assert!(helpers().all[0].last > before && took.all > Duration::ZERO);
            assert_eq!(took.gentle > Duration::ZERO, gives_way);
        }
        assert!(helpers().all.is_empty());
    }
}
