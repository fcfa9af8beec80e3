use super::fixture::{Opened, at, audit, session, user};
use crate::{AuditRecord, SessionRecord, UserRecord};
use domain::{Code, Role};

#[tokio::test]
async fn users_are_found_and_changed_and_their_hash_is_not_shown() {
    let opened = Opened::new().await;
    let ada = user("ada", Role::Administrator);
    opened.insert_user(&ada, &audit()).await.unwrap();
    assert_eq!(opened.user_by_name("ada").await.unwrap(), Some(ada.clone()));
    assert_eq!((opened.user_by_name("Ada").await.unwrap(), opened.count_users().await.unwrap()), (None, 1));
    let error = opened.insert_user(&user("ada", Role::Viewer), &audit()).await.unwrap_err();
    assert!(error.told().field("name").is_some());

    let bob = user("bob", Role::Viewer);
    opened.insert_user(&bob, &audit()).await.unwrap();
    let changed = UserRecord { role: Role::Operator, password_hash: "$argon2id$new".into(), ..bob };
    opened.update_user(&changed, &audit()).await.unwrap();
    opened.set_signed_in(changed.id, &AuditRecord { at: at(7), ..audit() }).await.unwrap();
    let changed = UserRecord { signed_in_at: Some(at(7)), ..changed };
    assert_eq!(opened.users().await.unwrap(), [ada, changed.clone()]);
    assert!(!format!("{changed:?}").contains("argon2id"));
    opened.delete_user(changed.id, &audit()).await.unwrap();
    assert_eq!(opened.user(changed.id).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn an_administrator_is_always_left_even_when_two_demote_each_other() {
    let opened = Opened::new().await;
    let [ada, bob] = ["ada", "bob"].map(|name| user(name, Role::Administrator));
    for one in [&ada, &bob] {
        opened.insert_user(one, &audit()).await.unwrap();
    }
    let demoted = |one: &UserRecord| UserRecord { role: Role::Viewer, ..one.clone() };
    let (demoted_ada, demoted_bob, line) = (demoted(&ada), demoted(&bob), audit());
    let both = tokio::join!(opened.update_user(&demoted_ada, &line), opened.update_user(&demoted_bob, &line));
    let refused: Vec<_> = [both.0, both.1].into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.iter().map(|error| error.code()).collect::<Vec<_>>(), [Code::Forbidden]);
    let users = opened.users().await.unwrap();
    let left = users.iter().find(|one| one.role == Role::Administrator).unwrap();
    assert_eq!(opened.delete_user(left.id, &audit()).await.unwrap_err().code(), Code::Forbidden);
    assert_eq!(opened.count_users().await.unwrap(), 2);
}

#[tokio::test]
async fn sessions_end_one_by_one_with_their_user_and_by_age() {
    let opened = Opened::new().await;
    let (ada, bob) = (user("ada", Role::Administrator), user("bob", Role::Viewer));
    for one in [&ada, &bob] {
        opened.insert_user(one, &audit()).await.unwrap();
    }
    for (token, one, minutes) in [("a1", &ada, 0), ("a2", &ada, 10), ("a3", &ada, 20), ("b1", &bob, 30)] {
        opened.insert_session(&session(token, one, at(minutes))).await.unwrap();
    }
    let (first, whose) = opened.session("a1").await.unwrap().unwrap();
    assert_eq!((first, whose), (session("a1", &ada, at(0)), ada.clone()));
    opened.touch_session("a1", at(40)).await.unwrap();
    opened.touch_session("a1", at(35)).await.unwrap();
    let tokens = async |one: &UserRecord| -> Vec<String> {
        opened.sessions_of(one.id).await.unwrap().into_iter().map(|session: SessionRecord| session.token_hash).collect()
    };
    assert_eq!(tokens(&ada).await, ["a1", "a3", "a2"]);
    assert_eq!(opened.session("a1").await.unwrap().unwrap().0.seen_at, at(40));

    // Idle since before 15: the second. Begun before 0: none.
    assert_eq!(opened.delete_idle_sessions(at(15), at(0)).await.unwrap(), 1);
    // Idle since before 15: none. Begun before 1, though used since: the first.
    assert_eq!(opened.delete_idle_sessions(at(15), at(1)).await.unwrap(), 1);
    assert_eq!((tokens(&ada).await, tokens(&bob).await), (vec!["a3".into()], vec!["b1".into()]));

    opened.insert_session(&session("a4", &ada, at(50))).await.unwrap();
    opened.delete_sessions_of(ada.id, Some("a4")).await.unwrap();
    assert_eq!(tokens(&ada).await, ["a4"]);
    opened.delete_session("a4").await.unwrap();
    opened.delete_session("a4").await.unwrap();
    opened.delete_user(bob.id, &audit()).await.unwrap();
    assert_eq!(opened.session("b1").await.unwrap(), None);
    assert_eq!(opened.insert_session(&session("b2", &bob, at(60))).await.unwrap_err().code(), Code::Conflict);
}

#[tokio::test]
async fn a_password_that_changed_ends_all_sessions() {
    let opened = Opened::new().await;
    let ada = user("ada", Role::Administrator);
    opened.insert_user(&ada, &audit()).await.unwrap();
    opened.insert_session(&session("a1", &ada, at(0))).await.unwrap();
    opened.delete_sessions_of(ada.id, None).await.unwrap();
    assert!(opened.sessions_of(ada.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn the_audit_log_is_paged_and_searched_as_plain_text() {
    let opened = Opened::new().await;
    for number in 0..60 {
        let subject = if number == 7 { "100% Shop_A!".into() } else { format!("task {number}") };
        let line = AuditRecord { at: at(number), subject, path: None, detail: "It was.".into(), ..audit() };
        opened.append_audit(&line).await.unwrap();
    }
    let second = opened.audit_page("", 2).await.unwrap();
    assert_eq!((second.items.len(), second.total, second.number, second.count()), (10, 60, 2, 2));
    assert_eq!((second.items[0].at, second.items[9].at), (at(9), at(0)));
    for (filter, total) in [("100% shop_a!", 1), ("%", 1), ("_", 1), ("!", 1), (" ADA ", 60), ("'; --", 0), ("\\", 0)] {
        assert_eq!(opened.audit_page(filter, 1).await.unwrap().total, total, "{filter}");
    }
    assert_eq!(opened.audit_page("", u64::MAX).await.unwrap().items, []);
}

#[tokio::test]
async fn a_setting_changes_only_from_what_it_was() {
    let opened = Opened::new().await;
    assert_eq!(opened.setting("jobs").await.unwrap(), None);
    opened.set_setting("jobs", None, "2", &audit()).await.unwrap();
    assert_eq!(opened.set_setting("jobs", None, "3", &audit()).await.unwrap_err().code(), Code::Conflict);
    opened.set_setting("jobs", Some("2"), "4", &audit()).await.unwrap();
    assert_eq!(opened.set_setting("jobs", Some("2"), "5", &audit()).await.unwrap_err().code(), Code::Conflict);
    assert_eq!(opened.setting("jobs").await.unwrap().as_deref(), Some("4"));
    assert_eq!(opened.audit_page("", 1).await.unwrap().total, 2);
}
