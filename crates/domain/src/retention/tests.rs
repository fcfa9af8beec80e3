use super::*;
use jiff::ToSpan;
use proptest::prelude::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn whole(began_at: Timestamp) -> Chain {
    Chain { began_at, ended_at: began_at, measure: Measure { size_bytes: 1000, rows: 100 }, condition: Condition::Whole, held: None }
}

fn rule(text: &str) -> Rule {
    text.parse().unwrap()
}

fn kept(chains: &[Chain], text: &str, now: Timestamp) -> Vec<String> {
    let decisions = plan(chains, &rule(text), &TimeZone::UTC, None, now);
    let mut kept: Vec<_> = chains.iter().zip(decisions).filter(|(_, decision)| decision.keep).map(|(chain, _)| chain.began_at).collect();
    kept.sort_unstable();
    kept.iter().map(|at| at.strftime("%F").to_string()).collect()
}

/// A full backup every day at two, until the day of `now`.
fn days(count: i64, now: Timestamp) -> Vec<Chain> {
    (0..count).map(|day| whole(now - SignedDuration::from_hours(24 * day + 1))).collect()
}

#[test]
fn age_counts_from_the_newest_member_and_count_from_the_newest_chain() {
    let now = at("2026-11-24T03:00:00Z");
    let mut chains = days(6, now);
    assert_eq!(kept(&chains, "days=2", now), ["2026-11-23", "2026-11-24"]);
    assert_eq!(kept(&chains, "count=3", now), ["2026-11-22", "2026-11-23", "2026-11-24"]);
    // A member that is young keeps what it builds on.
    chains[5].ended_at = now - SignedDuration::from_hours(30);
    assert_eq!(kept(&chains, "days=2", now), ["2026-11-19", "2026-11-23", "2026-11-24"]);
}

/// What a rule of generations keeps of a year of daily backups: one chain for each of seven days, four weeks, twelve months.
#[test]
fn generations_of_a_year_of_daily_backups() {
    let now = at("2026-11-24T03:00:00Z");
    let kept = kept(&days(365, now), "daily=7,weekly=4,monthly=12", now);
    let golden = include_str!("generations.txt");
    assert_eq!(kept, golden.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>());
}

#[test]
fn days_are_those_of_the_time_zone() {
    // 23:30 and 00:30 in Berlin: two days there, one in UTC.
    let chains = [whole(at("2026-07-01T21:30:00Z")), whole(at("2026-07-01T22:30:00Z")), whole(at("2026-07-03T12:00:00Z"))];
    let keeps =
        |zone: &TimeZone| plan(&chains, &rule("daily=5"), zone, None, at("2026-07-03T13:00:00Z")).iter().filter(|one| one.keep).count();
    assert_eq!((keeps(&TimeZone::UTC), keeps(&TimeZone::get("Europe/Berlin").unwrap())), (2, 3));
}

#[test]
fn what_is_left_to_restore_from_stays_whatever_the_rule() {
    let now = at("2026-11-24T03:00:00Z");
    let mut chains = days(5, now);
    for chain in &mut chains {
        chain.began_at -= SignedDuration::from_hours(24 * 1000);
        chain.ended_at = chain.began_at;
    }
    // Nothing gets old by backups that have stopped: age counts from the newest good one.
    assert_eq!(plan(&chains, &rule("days=3"), &TimeZone::UTC, None, now).iter().filter(|one| one.keep).count(), 3);
    assert_eq!(plan(&chains, &rule("count=1"), &TimeZone::UTC, None, now).iter().filter(|one| one.keep).count(), 1);
    // The two newest are damaged: they, and the one before them, stay, and so does everything else until a newer one is good.
    chains[0].condition = Condition::Damaged("Its archive is missing.".into());
    chains[1].condition = Condition::Damaged("Its archive is missing.".into());
    let decisions = plan(&chains, &rule("days=1"), &TimeZone::UTC, None, now);
    assert!(decisions.iter().all(|decision| decision.keep), "{decisions:#?}");
    assert!(decisions[2].reason.contains("newest whole one") && decisions[3].reason.contains("until a newer one is good"));
    // Failing runs leave nothing under the root; whoever knows of them says so.
    let decisions = plan(&days(5, now), &rule("count=1"), &TimeZone::UTC, Some("The last run failed."), now);
    assert!(decisions.iter().all(|decision| decision.keep), "{decisions:#?}");
}

#[test]
fn a_backup_from_the_future_stays_and_displaces_no_other() {
    let now = at("2026-11-24T03:00:00Z");
    let mut chains = days(4, now);
    chains.push(whole(at("2036-01-01T00:00:00Z")));
    for text in ["count=1", "daily=1", "yearly=1", "days=1"] {
        let decisions = plan(&chains, &rule(text), &TimeZone::UTC, None, now);
        assert_eq!(decisions.iter().map(|one| one.keep).collect::<Vec<_>>(), [true, false, false, false, true], "{text}");
    }
    // A clock that is behind takes all of them for the future, and deletes nothing.
    assert!(plan(&chains, &rule("count=1"), &TimeZone::UTC, None, at("2026-01-01T00:00:00Z")).iter().all(|decision| decision.keep));
}

#[test]
fn what_is_held_or_not_ours_stays() {
    let now = at("2026-11-24T03:00:00Z");
    let mut chains = days(5, now);
    chains[3].held = Some("A restore reads it.".into());
    chains[4].condition = Condition::Foreign("Another installation signed it.".into());
    let decisions = plan(&chains, &rule("count=1"), &TimeZone::UTC, None, now);
    assert_eq!(decisions.iter().map(|one| one.keep).collect::<Vec<_>>(), [true, false, false, true, true]);
}

#[test]
fn one_that_is_far_too_small_does_not_count_as_a_good_newer_one() {
    let now = at("2026-11-24T03:00:00Z");
    for shrink in [|chain: &mut Chain| chain.measure.size_bytes = 499, |chain: &mut Chain| chain.measure.rows = 49] {
        let mut chains = days(8, now);
        shrink(&mut chains[0]);
        let decisions = plan(&chains, &rule("count=1"), &TimeZone::UTC, None, now);
        assert!(decisions.iter().all(|decision| decision.keep), "{decisions:#?}");
        // Half is not yet suspicious, and one older backup is enough to compare with.
        chains[0].measure = Measure { size_bytes: 500, rows: 50 };
        assert_eq!(plan(&chains, &rule("count=1"), &TimeZone::UTC, None, now).iter().filter(|one| one.keep).count(), 1);
        let mut few = days(2, now);
        shrink(&mut few[0]);
        assert!(plan(&few, &rule("count=1"), &TimeZone::UTC, None, now).iter().all(|decision| decision.keep));
    }
}

#[test]
fn a_chain_goes_only_if_every_task_lets_it_go() {
    let now = at("2026-11-24T03:00:00Z");
    let chains = days(6, now);
    let wish = |task: &str, text: Option<&str>| Wish { task: task.into(), rule: text.map(rule), zone: TimeZone::UTC };
    let kept = |wishes: &[Wish]| agreed(&chains, wishes, None, now).iter().map(|one| one.keep).collect::<Vec<_>>();
    assert_eq!(kept(&[wish("a", Some("count=2"))]), [true, true, false, false, false, false]);
    let both = [wish("a", Some("count=2")), wish("b", Some("count=4"))];
    assert_eq!(kept(&both), [true, true, true, true, false, false]);
    let reasons: Vec<_> = agreed(&chains, &both, None, now).into_iter().map(|one| one.reason).collect();
    assert_eq!(reasons[3], "The task \"b\" keeps it. It is one of the 4 newest.");
    assert_eq!(reasons[1], "It is one of the 2 newest.");
    // One that has no rule keeps everything, and so does nobody.
    assert_eq!(kept(&[wish("a", Some("count=1")), wish("b", None)]), [true; 6]);
    assert_eq!(kept(&[]), [true; 6]);
}

fn any_chain() -> impl Strategy<Value = Chain> {
    let condition = prop_oneof![
        8 => Just(Condition::Whole),
        1 => Just(Condition::Damaged("It is damaged.".into())),
        1 => Just(Condition::Foreign("It is foreign.".into())),
    ];
    (0..60_000_i64, 0..500_i64, 1..5000_u64, 0..5000_u64, condition, proptest::option::weighted(0.1, Just("Held.".to_owned()))).prop_map(
        |(hour, more, size_bytes, rows, condition, held)| {
            let began_at = at("2020-01-01T00:00:00Z") + hour.hours();
            Chain { began_at, ended_at: began_at + more.hours(), measure: Measure { size_bytes, rows }, condition, held }
        },
    )
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let part = || proptest::option::of(1..40_u32);
    (part(), part(), part(), part(), part(), part()).prop_map(|(days, count, daily, weekly, monthly, yearly)| Rule {
        days,
        count,
        daily,
        weekly,
        monthly,
        yearly,
    })
}

proptest! {
    /// What no rule and no history may ever delete.
    #[test]
    fn no_history_loses_what_must_stay(chains in proptest::collection::vec(any_chain(), 0..40), rule in any_rule(), later in 0..20_000_i64) {
        let now = at("2022-01-01T00:00:00Z") + later.hours();
        let decisions = plan(&chains, &rule, &TimeZone::UTC, None, now);
        prop_assert_eq!(decisions.len(), chains.len());
        let newest_whole = chains.iter().filter(|chain| chain.condition == Condition::Whole).map(|chain| chain.began_at).max();
        for (chain, decision) in chains.iter().zip(&decisions) {
            prop_assert!(!decision.reason.is_empty());
            if decision.keep {
                continue;
            }
            prop_assert!(chain.held.is_none() && !matches!(chain.condition, Condition::Foreign(_)), "{chain:?}");
            // There is a newer whole one, and it is not deleted.
            let newer = chains.iter().zip(&decisions).any(|(other, decided)| {
                other.condition == Condition::Whole && other.began_at >= chain.began_at && other != chain && decided.keep
            });
            prop_assert!(newer && newest_whole.is_some_and(|newest| chain.began_at <= newest), "{chain:?}");
            prop_assert!(rule.days.is_none_or(|days| now.duration_since(chain.ended_at) >= SignedDuration::from_hours(24 * i64::from(days))));
            prop_assert!(chain.began_at <= now + AHEAD, "{chain:?}");
        }
        // A rule that wants more keeps more.
        let more = Rule { count: Some(rule.count.unwrap_or(0) + 3), ..rule };
        for (less, more) in decisions.iter().zip(plan(&chains, &more, &TimeZone::UTC, None, now)) {
            prop_assert!(!less.keep || more.keep);
        }
        // Two tasks keep what either keeps.
        let wish = |rule: Rule| Wish { task: String::new(), rule: Some(rule), zone: TimeZone::UTC };
        let (one, other) = (wish(Rule { yearly: Some(2), ..Rule::default() }), wish(more.clone()));
        let both = agreed(&chains, &[one.clone(), other.clone()], None, now);
        let each = [one, other].map(|wish| plan(&chains, wish.rule.as_ref().unwrap(), &TimeZone::UTC, None, now));
        for (at, decision) in both.iter().enumerate() {
            prop_assert_eq!(decision.keep, each[0][at].keep || each[1][at].keep);
        }
        // What is failing deletes nothing.
        prop_assert!(plan(&chains, &more, &TimeZone::UTC, Some("The last run failed."), now).iter().all(|decision| decision.keep));
    }

    /// Whatever is left after a deletion is left alone by the same rule at the same moment. Where backups are of different sizes, what
    /// goes may have made another one look far too small, which then counts as a good one: that one and those before it may follow.
    #[test]
    fn a_second_look_finds_nothing_more(chains in proptest::collection::vec(any_chain(), 0..40), rule in any_rule()) {
        let now = at("2027-01-01T00:00:00Z");
        let look = |chains: &[Chain]| -> Vec<Chain> {
            let decisions = plan(chains, &rule, &TimeZone::UTC, None, now);
            chains.iter().cloned().zip(decisions).filter(|(_, decision)| decision.keep).map(|(chain, _)| chain).collect()
        };
        let alike: Vec<Chain> =
            chains.iter().cloned().map(|chain| Chain { measure: Measure { size_bytes: 1000, rows: 100 }, ..chain }).collect();
        let left = look(&alike);
        prop_assert_eq!(look(&left), left);
        // And however often it is looked, the newest whole one stays.
        let is_whole = |chain: &&Chain| chain.condition == Condition::Whole;
        let newest = |chains: &[Chain]| chains.iter().filter(is_whole).map(|chain| chain.began_at).max();
        let mut left = chains.clone();
        for _ in 0..4 {
            left = look(&left);
            prop_assert_eq!(newest(&left), newest(&chains));
        }
    }
}
