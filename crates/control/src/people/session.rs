//! Sessions: a token in the browser, its hash here.

use super::{Caller, SignedIn, attempts::Key, lock, setup::new_token};
use crate::{Actor, Control, Permit, View};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use catalog::{SessionRecord, UserRecord};
use domain::{Code, Error, Result, view::people::SessionLine};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use std::{collections::HashMap, time::Duration};

/// A session ends when it has not been used for so long.
pub const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// And at the latest so long after it began.
pub const LONGEST: SignedDuration = SignedDuration::from_hours(12);
/// Its last use is written down no more often than this.
const TOUCH: SignedDuration = SignedDuration::from_secs(60);
/// How often it is looked whether a session that is still being answered has become too old.
const LOOK: Duration = Duration::from_secs(15);
/// A password that was typed so recently need not be typed again for what is dangerous.
const FRESH: SignedDuration = SignedDuration::from_mins(5);

/// Sessions whose password was typed a moment ago, by what they are stored under. A restart forgets them, and asks again.
pub type Confirmed = HashMap<String, Timestamp>;

/// What a token is stored under. It has 256 random bits, so a plain hash cannot be turned back.
fn token_hash(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(token.as_bytes()))
}

/// The name of a session on its page: enough of the hash to tell sessions apart.
fn handle(token_hash: &str) -> String {
    token_hash.chars().take(16).collect()
}

fn has_ended(session: &SessionRecord, now: Timestamp) -> bool {
    now.duration_since(session.seen_at) >= IDLE || now.duration_since(session.created_at) >= LONGEST
}

impl Control {
    pub(super) async fn begin_session(&self, user: &UserRecord, caller: &Caller, now: Timestamp) -> Result<SignedIn> {
        let token = new_token()?;
        let session = SessionRecord {
            token_hash: token_hash(token.expose()),
            user: user.id,
            created_at: now,
            seen_at: now,
            address: caller.address.clone(),
            agent: caller.agent.chars().filter(|c| !c.is_control()).take(200).collect(),
        };
        self.catalog.insert_session(&session).await?;
        self.catalog.set_signed_in(user.id, &caller.audit(user.name.clone(), "signed in", now)).await?;
        self.confirmed(session.token_hash, now);
        Ok(SignedIn { token })
    }

    /// Who the token belongs to, if its session has not ended.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn actor(&self, token: &str) -> Result<Option<Actor>> {
        self.actor_at(token, Timestamp::now()).await
    }

    pub(crate) async fn actor_at(&self, token: &str, now: Timestamp) -> Result<Option<Actor>> {
        let Some((actor, seen_at)) = self.holder(token, now).await? else { return Ok(None) };
        if now.duration_since(seen_at) >= TOUCH {
            self.catalog.touch_session(actor.token_hash(), now).await?;
        }
        Ok(Some(actor))
    }

    /// The same for what a page asks by itself while nobody touches it: that is no use of the session.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn actor_unattended(&self, token: &str) -> Result<Option<Actor>> {
        self.actor_unattended_at(token, Timestamp::now()).await
    }

    pub(crate) async fn actor_unattended_at(&self, token: &str, now: Timestamp) -> Result<Option<Actor>> {
        Ok(self.holder(token, now).await?.map(|(actor, _)| actor))
    }

    /// Who the token belongs to, and when its session was used last. One that is over is ended.
    async fn holder(&self, token: &str, now: Timestamp) -> Result<Option<(Actor, Timestamp)>> {
        let Some((session, user)) = self.catalog.session(&token_hash(token)).await? else { return Ok(None) };
        if has_ended(&session, now) {
            self.catalog.delete_session(&session.token_hash).await?;
            return Ok(None);
        }
        Ok(Some((Actor::new(user.id, user.name, user.role, session.address, session.token_hash), session.seen_at)))
    }

    /// Waits until the actor's session has ended: by signing out, by somebody's hand, or because it became too old.
    pub async fn session_ended(&self, actor: &Actor) {
        let mut ended = self.people.ended.subscribe();
        loop {
            match self.catalog.session(actor.token_hash()).await {
                Ok(Some((session, _))) if !has_ended(&session, Timestamp::now()) => {}
                Ok(_) => return,
                // The next look may find the catalog better.
                Err(error) => tracing::debug!(?error, "it could not be read whether a session goes on"),
            }
            // Late is no error: then it is time to look again.
            let _ = tokio::time::timeout(LOOK, ended.changed()).await;
        }
    }

    /// Tells whoever waits in [`Control::session_ended`] that sessions were ended.
    pub(super) fn sessions_were_ended(&self) {
        self.people.ended.send_modify(|count| *count += 1);
    }

    /// Ends the actor's session.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn sign_out(&self, actor: &Actor) -> Result<()> {
        lock(&self.people.confirmed).remove(actor.token_hash());
        self.catalog.delete_session(actor.token_hash()).await?;
        self.sessions_were_ended();
        Ok(())
    }

    /// The actor's own sessions, the newest first.
    ///
    /// # Errors
    /// [`Code::Catalog`].
    pub async fn sessions(&self, permit: &Permit<View>) -> Result<Vec<SessionLine>> {
        let (actor, now) = (permit.actor(), Timestamp::now());
        let mut sessions = self.catalog.sessions_of(actor.id()).await?;
        sessions.retain(|session| !has_ended(session, now));
        sessions.sort_by_key(|session| std::cmp::Reverse(session.created_at));
        let line = |session: SessionRecord| SessionLine {
            handle: handle(&session.token_hash),
            created_at: session.created_at,
            seen_at: session.seen_at,
            address: session.address,
            agent: session.agent,
            is_this: session.token_hash == actor.token_hash(),
        };
        Ok(sessions.into_iter().map(line).collect())
    }

    /// Ends one of the actor's own sessions.
    ///
    /// # Errors
    /// [`Code::NotFound`] if it has ended already.
    pub async fn revoke_session(&self, permit: &Permit<View>, session_handle: &str) -> Result<()> {
        let sessions = self.catalog.sessions_of(permit.actor().id()).await?;
        let session = sessions
            .into_iter()
            .find(|session| handle(&session.token_hash) == session_handle)
            .ok_or_else(|| Error::new(Code::NotFound, "That session has ended already.", "Look at the list of your sessions again."))?;
        self.catalog.delete_session(&session.token_hash).await?;
        self.sessions_were_ended();
        let detail = format!("Begun from {} at {}.", session.address, session.created_at);
        self.catalog.append_audit(&permit.audit("session ended", permit.actor().name(), None, detail)).await
    }

    /// Takes the actor's password again, so that what is dangerous may be done within the next five minutes.
    /// Nothing typed changes nothing: whoever signed in a moment ago need not type it.
    ///
    /// # Errors
    /// [`Code::Forbidden`] at the field `current_password`; [`Code::TooMany`].
    pub async fn confirm_password(&self, permit: &Permit<View>, password: &str) -> Result<()> {
        if password.is_empty() {
            return Ok(());
        }
        self.check_password(permit, password, Timestamp::now()).await
    }

    /// Compares the actor's password, and remembers that it was typed.
    pub(super) async fn check_password(&self, permit: &Permit<View>, password: &str, now: Timestamp) -> Result<()> {
        let actor = permit.actor();
        let user = self.catalog.user(actor.id()).await?;
        let keys = [Key::address(actor.address()), Key::name(&user.name)];
        if !self.people.judge(&keys, password, Some(&user.password_hash), now).await? {
            self.catalog.append_audit(&permit.audit("password refused", actor.name(), None, "")).await?;
            return Err(password_needed("This is not your password."));
        }
        self.confirmed(actor.token_hash().into(), now);
        Ok(())
    }

    /// An error unless the actor's password was typed within the last five minutes; `why` it is asked for, a sentence.
    pub(crate) fn ensure_fresh(&self, permit: &Permit<View>, why: &str, now: Timestamp) -> Result<()> {
        match lock(&self.people.confirmed).get(permit.actor().token_hash()) {
            Some(at) if now.duration_since(*at) < FRESH => Ok(()),
            _ => Err(password_needed(why)),
        }
    }

    fn confirmed(&self, token_hash: String, now: Timestamp) {
        let mut confirmed = lock(&self.people.confirmed);
        confirmed.retain(|_, at| now.duration_since(*at) < FRESH);
        confirmed.insert(token_hash, now);
    }
}

fn password_needed(sentence: &str) -> Error {
    Error::new(Code::Forbidden, sentence, "Type the password that you signed in with.").at_field("current_password")
}
