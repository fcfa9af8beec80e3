use super::*;
use domain::{Code, Secret};
use jiff::{SignedDuration, ToSpan};
use std::os::unix::fs::PermissionsExt;

#[tokio::test]
async fn the_first_administrator_needs_the_token_and_then_the_token_is_gone() {
    let console = Console::new().await;
    let (control, file) = (&console.control, console.path("setup-token"));
    assert!(control.needs_setup());
    let token = control.setup_token().unwrap();
    assert_eq!(std::fs::read_to_string(&file).unwrap().trim(), token.expose());
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(token.expose().len(), 43, "256 bits in base64");

    let form = UserForm { name: " Ada ".into(), role: "viewer".into(), password: PASSWORD.into() };
    for wrong in ["", "guess", &token.expose()[1..]] {
        let error = control.set_up(wrong, &form, &caller()).await.unwrap_err();
        assert_eq!(error.code(), Code::Forbidden);
        field(&error, "token");
    }
    let bad = UserForm { password: "short".into(), ..UserForm::default() };
    let error = control.set_up(token.expose(), &bad, &caller()).await.unwrap_err();
    assert!(!field(&error, "name").is_empty() && !field(&error, "password").is_empty());

    let signed_in = control.set_up(token.expose(), &form, &caller()).await.unwrap();
    let viewer = control.viewer(&console.permit::<crate::View>(&signed_in).await).await.unwrap();
    assert_eq!((viewer.name.as_str(), viewer.role, viewer.version.as_str(), viewer.failing), ("Ada", Role::Administrator, "1.2.3", 0));
    assert!(!control.needs_setup() && control.setup_token().is_none() && !file.exists());
    assert_eq!(control.set_up(token.expose(), &form, &caller()).await.unwrap_err().code(), Code::Conflict);
    assert!(!console.again().await.needs_setup());
}

#[tokio::test]
async fn each_start_without_a_user_has_a_token_of_its_own() {
    let console = Console::new().await;
    let first = console.control.setup_token().unwrap();
    let again = console.again().await;
    let second = again.setup_token().unwrap();
    assert_ne!(first.expose(), second.expose());
    assert_eq!(std::fs::read_to_string(console.path("setup-token")).unwrap().trim(), second.expose());
}

#[tokio::test]
async fn of_two_who_set_up_at_once_one_becomes_administrator() {
    let console = Console::new().await;
    let token = console.control.setup_token().unwrap();
    let form = |name: &str| UserForm { name: name.into(), password: PASSWORD.into(), ..UserForm::default() };
    let (ada, bob, caller) = (form("Ada"), form("Bob"), caller());
    let (first, second) =
        tokio::join!(console.control.set_up(token.expose(), &ada, &caller), console.control.set_up(token.expose(), &bob, &caller));
    assert_eq!([&first, &second].iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(console.control.catalog.count_users().await.unwrap(), 1);
}

#[tokio::test]
async fn a_guesser_is_told_nothing_and_slowed_down() {
    let (console, _) = Console::with_ada().await;
    let (control, start) = (&console.control, at("2030-01-01T00:00:00Z"));
    let from = |address: &str| Caller { address: address.into(), agent: String::new() };
    let unknown = control.sign_in_at("Eve", PASSWORD, &from("198.51.100.1"), start).await.unwrap_err();
    let wrong = control.sign_in_at("Ada", "wrong horse", &from("198.51.100.1"), start).await.unwrap_err();
    assert_eq!(unknown.told(), wrong.told());
    assert_eq!(unknown.code(), Code::AuthFailed);

    // Four more from elsewhere: after five failures under the name, even the right password waits.
    for _ in 0..4 {
        control.sign_in_at("Ada", "wrong horse", &from("198.51.100.2"), start).await.unwrap_err();
    }
    let refused = control.sign_in_at("Ada", PASSWORD, &from("198.51.100.3"), start + 14.seconds()).await.unwrap_err();
    assert_eq!((refused.code(), refused.next_step()), (Code::TooMany, "Wait 1.0 s, then try again."));
    control.sign_in_at("Ada", PASSWORD, &from("198.51.100.3"), start + 15.seconds()).await.unwrap();
    // Which clears the name, but not the address that failed.
    control.sign_in_at("Ada", "wrong horse", &from("198.51.100.3"), start + 15.seconds()).await.unwrap_err();
    control.sign_in_at("Ada", PASSWORD, &from("198.51.100.3"), start + 15.seconds()).await.unwrap();
}

#[tokio::test]
async fn what_a_guesser_types_is_not_written_down() {
    let (console, ada) = Console::with_ada().await;
    console.control.sign_in("hunter2-in-the-name-field", "hunter3", &caller()).await.unwrap_err();
    console.control.sign_in("Ada", "hunter4-and-more", &caller()).await.unwrap_err();
    let lines = console.control.audit(&ada, &Default::default()).await.unwrap().items;
    let refused: Vec<_> = lines.iter().filter(|line| line.action == "sign-in refused").map(|line| line.actor.as_str()).collect();
    assert_eq!(refused, ["Ada", "unknown name"]);
    assert!(!format!("{lines:?}").contains("hunter"));
    assert_eq!(lines.last().map(|line| line.action.as_str()), Some("first administrator set up"));
}

#[tokio::test]
async fn the_last_administrator_stays_one() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let error = control.change_role(&ada, ada.actor().id(), Role::Operator).await.unwrap_err();
    assert_eq!((error.code(), error.to_string().as_str()), (Code::Forbidden, "This is the last administrator."));
    assert_eq!(control.remove_user(&ada, ada.actor().id()).await.unwrap_err().code(), Code::Forbidden);

    let bob = console.add_user(&ada, "Bob", Role::Administrator).await;
    let bobs: Permit<Administer> = console.permit(&console.sign_in("Bob").await).await;
    // Each removes the other at the same moment: one of them must fail.
    let (first, second) = tokio::join!(control.remove_user(&ada, bob), control.remove_user(&bobs, ada.actor().id()));
    assert_eq!([first, second].iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(control.catalog.users().await.unwrap().iter().filter(|user| user.role == Role::Administrator).count(), 1);
}

#[tokio::test]
async fn users_are_added_by_whoever_typed_a_password_a_moment_ago() {
    let (console, _) = Console::with_ada().await;
    let control = &console.control;
    let form = UserForm { name: "Bob".into(), role: "operator".into(), password: PASSWORD.into() };
    let long_ago = Timestamp::now() - SignedDuration::from_mins(6);
    let signed_in = control.sign_in_at("Ada", PASSWORD, &caller(), long_ago).await.unwrap();
    let ada: Permit<Administer> = console.permit(&signed_in).await;

    let error = control.add_user(&ada, &form).await.unwrap_err();
    assert_eq!(error.code(), Code::Forbidden);
    field(&error, "current_password");
    control.confirm_password(&ada, "").await.unwrap();
    control.add_user(&ada, &form).await.unwrap_err();
    field(&control.confirm_password(&ada, "wrong horse").await.unwrap_err(), "current_password");
    control.confirm_password(&ada, PASSWORD).await.unwrap();
    control.add_user(&ada, &form).await.unwrap();

    assert_eq!(field(&control.add_user(&ada, &form).await.unwrap_err(), "name"), "There is already a user of this name.");
    let names: Vec<_> = control.users(&ada).await.unwrap().into_iter().map(|user| (user.name, user.role, user.is_you)).collect();
    assert_eq!(names, [("Ada".into(), Role::Administrator, true), ("Bob".into(), Role::Operator, false)]);
}

#[tokio::test]
async fn a_changed_role_counts_at_once_and_ends_sessions() {
    let (console, ada) = Console::with_ada().await;
    let bob = console.add_user(&ada, "Bob", Role::Operator).await;
    let signed_in = console.sign_in("Bob").await;
    console.control.change_role(&ada, bob, Role::Viewer).await.unwrap();
    assert!(console.control.actor(signed_in.token.expose()).await.unwrap().is_none());
    let signed_in = console.sign_in("Bob").await;
    let actor = console.control.actor(signed_in.token.expose()).await.unwrap().unwrap();
    assert_eq!(actor.permit::<crate::Operate>().err().unwrap().code(), Code::Forbidden);
    console.control.remove_user(&ada, bob).await.unwrap();
    assert!(console.control.actor(signed_in.token.expose()).await.unwrap().is_none());
    assert!(console.control.actor("no such token").await.unwrap().is_none());
}

#[tokio::test]
async fn a_new_password_works_the_old_one_does_not_and_other_sessions_end() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let other = console.sign_in("Ada").await;
    field(&control.change_password(&ada, "wrong horse", "another horse").await.unwrap_err(), "current_password");
    field(&control.change_password(&ada, PASSWORD, "short").await.unwrap_err(), "password");
    control.change_password(&ada, PASSWORD, "another horse").await.unwrap();
    assert!(control.actor(other.token.expose()).await.unwrap().is_none());
    assert_eq!(control.sessions(&ada).await.unwrap().len(), 1, "the session that changed it goes on");
    control.sign_in("Ada", PASSWORD, &caller()).await.unwrap_err();
    control.sign_in("Ada", "another horse", &caller()).await.unwrap();

    let bob = console.add_user(&ada, "Bob", Role::Viewer).await;
    let bobs = console.sign_in("Bob").await;
    control.reset_password(&ada, bob, "a third horse").await.unwrap();
    assert!(control.actor(bobs.token.expose()).await.unwrap().is_none());
    control.sign_in("Bob", "a third horse", &caller()).await.unwrap();
}

#[test]
fn a_token_is_not_printed() {
    let signed_in = SignedIn { token: Secret::new("opens-everything".into()) };
    assert!(!format!("{signed_in:?}").contains("opens"));
}
