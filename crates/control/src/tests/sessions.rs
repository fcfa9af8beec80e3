use super::*;
use crate::View;
use domain::Code;
use jiff::ToSpan;

#[tokio::test]
async fn a_session_ends_when_it_is_idle_or_old() {
    let (console, _) = Console::with_ada().await;
    let (control, start) = (&console.control, at("2030-01-01T00:00:00Z"));
    let signed_in = control.sign_in_at("Ada", PASSWORD, &caller(), start).await.unwrap();
    let is_in = async |minutes: i64| control.actor_at(signed_in.token.expose(), start + minutes.minutes()).await.unwrap().is_some();

    // Every use is the beginning of another half hour, until twelve hours are over.
    for minutes in (0..720).step_by(29) {
        assert!(is_in(minutes).await, "after {minutes} minutes");
    }
    assert!(is_in(719).await);
    assert!(!is_in(720).await);
    assert!(!is_in(719).await, "an ended session came back");

    let idle = control.sign_in_at("Ada", PASSWORD, &caller(), start).await.unwrap();
    assert!(control.actor_at(idle.token.expose(), start + 29.minutes() + 59.seconds()).await.unwrap().is_some());
    assert!(control.actor_at(idle.token.expose(), start + 59.minutes() + 59.seconds()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_is_written_at_most_once_a_minute() {
    let (console, _) = Console::with_ada().await;
    let (control, start) = (&console.control, at("2030-01-01T00:00:00Z"));
    let signed_in = control.sign_in_at("Ada", PASSWORD, &caller(), start).await.unwrap();
    let seen_after = async |seconds: i64| {
        let actor = control.actor_at(signed_in.token.expose(), start + seconds.seconds()).await.unwrap().unwrap();
        control.catalog.session(actor.token_hash()).await.unwrap().unwrap().0.seen_at
    };
    assert_eq!(seen_after(59).await, start);
    assert_eq!(seen_after(60).await, start + 60.seconds());
}

#[tokio::test]
async fn what_a_page_asks_by_itself_keeps_no_session_alive() {
    let (console, _) = Console::with_ada().await;
    let (control, start) = (&console.control, at("2030-01-01T00:00:00Z"));
    let signed_in = control.sign_in_at("Ada", PASSWORD, &caller(), start).await.unwrap();
    let asks = async |minutes: i64| control.actor_unattended_at(signed_in.token.expose(), start + minutes.minutes()).await.unwrap();
    for minutes in [1, 15, 29] {
        assert!(asks(minutes).await.is_some(), "after {minutes} minutes");
    }
    assert!(asks(30).await.is_none());
    assert!(control.actor_at(signed_in.token.expose(), start + 30.minutes()).await.unwrap().is_none());
}

#[tokio::test]
async fn sessions_are_listed_without_what_opens_them_and_can_be_ended() {
    let (console, ada) = Console::with_ada().await;
    let control = &console.control;
    let phone = Caller { address: "198.51.100.9".into(), agent: "a\u{7}phone".into() };
    let on_phone = control.sign_in("Ada", PASSWORD, &phone).await.unwrap();
    let sessions = control.sessions(&ada).await.unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!((sessions[0].address.as_str(), sessions[0].agent.as_str(), sessions[0].is_this), ("198.51.100.9", "aphone", false));
    assert!(sessions[1].is_this);
    assert!(control.actor(&sessions[0].handle).await.unwrap().is_none(), "the handle opens the session");

    // Nobody ends the session of somebody else.
    console.add_user(&ada, "Bob", Role::Administrator).await;
    let bob: Permit<View> = console.permit(&console.sign_in("Bob").await).await;
    assert_eq!(control.revoke_session(&bob, &sessions[0].handle).await.unwrap_err().code(), Code::NotFound);
    control.revoke_session(&ada, &sessions[0].handle).await.unwrap();
    assert!(control.actor(on_phone.token.expose()).await.unwrap().is_none());

    control.sign_out(ada.actor()).await.unwrap();
    assert!(control.sessions(&ada).await.unwrap().is_empty());
}

#[tokio::test]
async fn neither_token_nor_password_is_in_the_catalog() {
    let (console, _) = Console::with_ada().await;
    let signed_in = console.sign_in("Ada").await;
    let files = secrets::catalog_bytes(&console);
    for secret in [signed_in.token.expose().as_str(), PASSWORD] {
        assert!(!secrets::contains(&files, secret), "{secret}");
    }
    assert!(secrets::contains(&files, "argon2id"), "the test looks at the wrong files");
}
