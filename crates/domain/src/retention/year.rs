//! A year of a task: a full backup every Sunday and an incremental on every other day, by the clocks of Berlin through both their
//! changes, with runs that fail and times that are missed, with chains that get damaged, held and released. The plan acts after
//! every success and at every noon, and after each of its steps nothing is gone that must not be.

use super::*;
use crate::Schedule;
use std::fmt::Write;

/// Numbers that look random and are the same every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    /// True in so many of a hundred cases.
    fn percent(&mut self, chance: u64) -> bool {
        self.roll(100) < chance
    }
}

/// A chain with the moments of all its members.
#[derive(Clone)]
struct Made {
    chain: Chain,
    members: Vec<Timestamp>,
}

/// What became of a month.
#[derive(Default)]
struct Month {
    fulls: u32,
    incrementals: u32,
    failed: u32,
    missed: u32,
    damaged: u32,
    deleted: u32,
    kept_back: u32,
}

struct Year {
    rule: Rule,
    zone: TimeZone,
    dice: Dice,
    there: Vec<Made>,
    /// Why the newest run failed, and for how many days more runs will.
    failing: Option<String>,
    trouble: u64,
    size: u64,
    months: Vec<Month>,
}

/// When a full or an incremental backup is due, and the noons, in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Full,
    Incremental,
    Noon,
}

fn events() -> Vec<(Timestamp, Event)> {
    let (from, to): (Timestamp, Timestamp) = ("2025-12-31T23:00:00Z".parse().unwrap(), "2026-12-31T23:00:00Z".parse().unwrap());
    let of = |cron: &str, event| {
        let schedule = Schedule::parse(cron, "Europe/Berlin").unwrap();
        schedule.upcoming(from).take_while(|at| *at < to).map(|at| (at, event)).collect::<Vec<_>>()
    };
    // At two the clocks are changed, in one direction and in the other.
    let mut events = [of("0 2 * * 0", Event::Full), of("0 2 * * 1-6", Event::Incremental), of("0 12 * * *", Event::Noon)].concat();
    events.sort_unstable();
    events
}

impl Year {
    fn new(rule: &str, seed: u64) -> Self {
        Self {
            rule: rule.parse().unwrap(),
            zone: TimeZone::get("Europe/Berlin").unwrap(),
            dice: Dice(seed),
            there: vec![],
            failing: None,
            trouble: 0,
            size: 1_000_000,
            months: (0..12).map(|_| Month::default()).collect(),
        }
    }

    fn month(&mut self, at: Timestamp) -> &mut Month {
        let month = at.to_zoned(self.zone.clone()).month();
        &mut self.months[usize::try_from(month - 1).unwrap()]
    }

    fn happens(&mut self, at: Timestamp, event: Event) {
        match event {
            Event::Noon => {
                self.mishaps(at);
                self.expire(at);
            }
            // The console was down; half of the times it makes up for it later.
            _ if self.dice.percent(6) => {
                self.month(at).missed += 1;
                if self.dice.percent(50) {
                    self.run(at + SignedDuration::from_mins(40), event == Event::Full);
                }
            }
            _ => self.run(at, event == Event::Full),
        }
    }

    fn run(&mut self, at: Timestamp, full: bool) {
        if self.trouble == 0 && self.dice.percent(6) {
            self.trouble = 1 + self.dice.roll(9);
        }
        if self.trouble > 0 {
            self.trouble -= 1;
            self.failing = Some("The newest run failed".into());
            self.month(at).failed += 1;
            return;
        }
        self.failing = None;
        self.size += self.dice.roll(20_000);
        let newest = self.there.iter_mut().max_by_key(|made| made.chain.began_at);
        match newest.filter(|made| !full && made.chain.condition == Condition::Whole) {
            // An incremental that finds no change writes no file.
            Some(_) if self.dice.percent(15) => {}
            Some(made) => {
                made.members.push(at);
                made.chain.ended_at = at;
                self.month(at).incrementals += 1;
            }
            None => {
                let is_odd = self.dice.percent(4);
                let size_bytes = if is_odd { self.size / 10 } else { self.size };
                let measure = Measure { size_bytes, rows: size_bytes / 100 };
                let chain = Chain { began_at: at, ended_at: at, measure, condition: Condition::Whole, held: None };
                self.there.push(Made { chain, members: vec![at] });
                self.month(at).fulls += 1;
            }
        }
        self.expire(at + SignedDuration::from_mins(20));
    }

    fn mishaps(&mut self, at: Timestamp) {
        let some = self.there.len() as u64;
        if some == 0 {
            return;
        }
        let one = usize::try_from(self.dice.roll(some)).unwrap();
        if self.dice.percent(2) {
            self.there[one].chain.condition = Condition::Damaged("Its archive has other bytes.".into());
            self.month(at).damaged += 1;
        }
        if self.dice.percent(3) {
            self.there[one].chain.held = Some("It is held.".into());
        }
        for made in &mut self.there {
            if self.dice.percent(5) {
                made.chain.held = None;
            }
        }
    }

    fn expire(&mut self, now: Timestamp) {
        let chains: Vec<Chain> = self.there.iter().map(|made| made.chain.clone()).collect();
        let decisions = plan(&chains, &self.rule, &self.zone, self.failing.as_deref(), now);
        let before = self.there.clone();
        let mut decisions = decisions.iter();
        self.there.retain(|_| decisions.next().is_some_and(|decision| decision.keep));
        let gone: Vec<&Made> = before.iter().filter(|made| !self.there.iter().any(|left| left.chain == made.chain)).collect();
        self.nothing_is_lost(&before, &gone, now);
        let count = u32::try_from(gone.len()).unwrap();
        let kept_back = u32::from(self.failing.is_some());
        let month = self.month(now);
        month.deleted += count;
        month.kept_back += kept_back;
    }

    /// What may never happen, seen from what was there before and what is gone.
    fn nothing_is_lost(&self, before: &[Made], gone: &[&Made], now: Timestamp) {
        let whole = |made: &&Made| made.chain.condition == Condition::Whole;
        let newest = before.iter().max_by_key(|made| made.chain.began_at);
        let newest_whole = before.iter().filter(whole).max_by_key(|made| made.chain.began_at);
        let is_left = |made: &Made| self.there.iter().any(|left| left.chain == made.chain);
        if let Some(newest) = newest_whole {
            assert!(is_left(newest), "{now}: the newest whole chain is gone");
        }
        assert_eq!(before.iter().any(|made| whole(&made)), self.there.iter().any(|made| whole(&made)), "{now}: nothing to restore from");
        let is_bad = newest.is_some_and(|newest| newest.chain.condition != Condition::Whole);
        let mut order: Vec<&Made> = before.iter().filter(whole).collect();
        order.sort_by_key(|made| std::cmp::Reverse(made.chain.began_at));
        let is_odd =
            order.first().is_some_and(|one| suspicion(one.chain.measure, order[1..].iter().map(|made| made.chain.measure)).is_some());
        if self.failing.is_some() || is_bad || is_odd {
            assert!(gone.is_empty(), "{now}: something went while newer ones are not good");
        }
        let newest_member = before.iter().filter(whole).flat_map(|made| &made.members).max().copied();
        for made in gone {
            assert!(made.chain.held.is_none(), "{now}: a held chain is gone");
            assert!(newest_whole.is_some_and(|newest| newest.chain.began_at > made.chain.began_at), "{now}: there is no newer one");
            for (member, days) in made.members.iter().flat_map(|member| self.rule.days.map(|days| (*member, days))) {
                let age = SignedDuration::from_hours(24 * i64::from(days));
                assert!(now.duration_since(member) >= age, "{now}: a member of {member} is younger than promised");
                assert!(newest_member.is_some_and(|newest| newest.duration_since(member) >= age), "{now}: age counted from nothing good");
            }
        }
        if let Some(count) = self.rule.count {
            let wanted = order.iter().take(count as usize);
            assert!(wanted.clone().all(|made| is_left(made) || is_suspicious(&order, made)), "{now}: one of the newest is gone");
        }
        if self.failing.is_none() && !is_bad && !is_odd {
            self.room_is_bounded(now);
        }
    }

    /// Where nothing stands in the way, no more stays than the parts of the rule want, together with what is held.
    fn room_is_bounded(&self, now: Timestamp) {
        let parts = [self.rule.count, self.rule.daily, self.rule.weekly, self.rule.monthly, self.rule.yearly];
        let wanted: u32 = parts.into_iter().flatten().sum();
        let newest = self.there.iter().filter(|made| made.chain.condition == Condition::Whole).map(|made| made.chain.ended_at).max();
        let is_young = |made: &&Made| {
            let age = SignedDuration::from_hours(24 * i64::from(self.rule.days.unwrap_or(0)));
            newest.is_some_and(|newest| newest.duration_since(made.chain.ended_at) < age)
        };
        let free = self.there.iter().filter(|made| made.chain.held.is_none() && !is_young(made)).count();
        assert!(free <= wanted as usize + 1, "{now}: {free} chains stay, and the rule {} wants {wanted}", self.rule);
    }

    fn told(&self) -> String {
        let mut told = String::new();
        for (number, month) in self.months.iter().enumerate() {
            let Month { fulls, incrementals, failed, missed, damaged, deleted, kept_back } = month;
            writeln!(
                told,
                "2026-{:02} {fulls:5} {incrementals:12} {failed:6} {missed:6} {damaged:7} {kept_back:9} {deleted:7}",
                number + 1
            )
            .unwrap();
        }
        let left = self.there.iter().map(|made| {
            let state = match (&made.chain.condition, &made.chain.held) {
                (Condition::Whole, None) => "",
                (Condition::Whole, Some(_)) => ", held",
                (_, None) => ", damaged",
                (_, Some(_)) => ", damaged, held",
            };
            format!("{} with {} incrementals{state}\n", made.chain.began_at, made.members.len() - 1)
        });
        told + "left:\n" + &left.collect::<String>()
    }
}

fn is_suspicious(order: &[&Made], one: &Made) -> bool {
    let at = order.iter().position(|made| made.chain == one.chain).unwrap();
    suspicion(one.chain.measure, order[at + 1..].iter().map(|made| made.chain.measure)).is_some()
}

fn lived(rule: &str, seed: u64) -> Year {
    let mut year = Year::new(rule, seed);
    for (at, event) in events() {
        year.happens(at, event);
    }
    year
}

#[test]
fn a_year_has_every_day_once_however_the_clocks_go() {
    let events = events();
    let count = |event| events.iter().filter(|(_, other)| *other == event).count();
    assert_eq!((count(Event::Full), count(Event::Incremental), count(Event::Noon)), (52, 313, 365));
    let of_day = |day: &str| events.iter().find(|(at, event)| *event == Event::Full && at.to_string().starts_with(day)).unwrap().0;
    assert_eq!(of_day("2026-03-29").to_string(), "2026-03-29T01:00:00Z");
    assert_eq!(of_day("2026-10-25").to_string(), "2026-10-25T00:00:00Z");
}

#[test]
fn no_year_loses_what_it_must_keep_nor_keeps_what_nobody_wants() {
    for rule in ["days=30", "count=4", "daily=7,weekly=4,monthly=12", "days=14,count=2,monthly=6,yearly=2", "count=1"] {
        for seed in 0..12 {
            let year = lived(rule, seed);
            assert!(!year.there.is_empty(), "{rule}, {seed}");
        }
    }
}

/// The same year as a person can read it.
#[test]
fn a_year_by_generations() {
    let told = lived("daily=7,weekly=4,monthly=12", 7).told();
    let golden = include_str!("year.txt");
    let golden: String = golden.lines().filter(|line| !line.starts_with('#')).map(|line| format!("{line}\n")).collect();
    assert_eq!(told, golden, "{told}");
}
