//! Who asks, and what they may: the one place that mints permits.

use catalog::AuditRecord;
use domain::{Code, Error, Result, Role, UserId};
use jiff::Timestamp;
use std::{ops::Deref, sync::Arc};

/// What a role may do at least. Implemented by [`View`], [`Operate`] and [`Administer`] alone.
pub trait Level: sealed::Sealed {
    /// The weakest role that may.
    const ROLE: Role;

    /// The permit of the level below, which this one holds.
    #[doc(hidden)]
    type Below: Send + Sync;

    #[doc(hidden)]
    fn below(actor: &Arc<Actor>) -> Self::Below;
}

mod sealed {
    pub trait Sealed {}
}

/// Sees everything.
pub struct View;

/// Starts, stops and verifies.
pub struct Operate;

/// Everything.
pub struct Administer;

impl sealed::Sealed for View {}
impl sealed::Sealed for Operate {}
impl sealed::Sealed for Administer {}

impl Level for View {
    const ROLE: Role = Role::Viewer;
    type Below = ();

    fn below(_: &Arc<Actor>) {}
}

impl Level for Operate {
    const ROLE: Role = Role::Operator;
    type Below = Permit<View>;

    fn below(actor: &Arc<Actor>) -> Permit<View> {
        Permit::mint(actor)
    }
}

impl Level for Administer {
    const ROLE: Role = Role::Administrator;
    type Below = Permit<Operate>;

    fn below(actor: &Arc<Actor>) -> Permit<Operate> {
        Permit::mint(actor)
    }
}

/// A user who is signed in. Only [`crate::Control::actor`] gives one.
#[derive(Clone, Debug)]
pub struct Actor {
    id: UserId,
    name: String,
    role: Role,
    address: String,
    token_hash: String,
}

impl Actor {
    pub(crate) fn new(id: UserId, name: String, role: Role, address: String, token_hash: String) -> Self {
        Self { id, name, role, address, token_hash }
    }

    /// The user.
    #[must_use]
    pub fn id(&self) -> UserId {
        self.id
    }

    /// The user's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the user may do.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The network address: of the sign-in, unless [`Actor::asking_from`] told a newer one.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What the session is stored under.
    pub(crate) fn token_hash(&self) -> &str {
        &self.token_hash
    }

    /// The same actor, at the address that this request came from.
    #[must_use]
    pub fn asking_from(mut self, address: &str) -> Self {
        self.address = address.into();
        self
    }

    /// A permit of a level, if the actor's role is enough for it.
    ///
    /// # Errors
    /// [`Code::Forbidden`], saying which role is needed.
    pub fn permit<L: Level>(&self) -> Result<Permit<L>> {
        if self.role >= L::ROLE {
            return Ok(Permit::mint(&Arc::new(self.clone())));
        }
        Err(Error::new(
            Code::Forbidden,
            format!("This needs the role {}; yours is {}.", L::ROLE, self.role),
            "Ask an administrator to do it, or to give you that role.",
        ))
    }
}

/// Leave to do what a level may, given to one actor. A higher permit serves wherever a lower one is asked for.
pub struct Permit<L: Level> {
    actor: Arc<Actor>,
    below: L::Below,
}

impl<L: Level> Permit<L> {
    fn mint(actor: &Arc<Actor>) -> Self {
        Self { actor: Arc::clone(actor), below: L::below(actor) }
    }

    /// To whom it was given.
    #[must_use]
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// A line of the audit log for what the actor does now.
    pub(crate) fn audit(&self, action: &str, subject: &str, path: Option<String>, detail: impl Into<String>) -> AuditRecord {
        AuditRecord {
            at: Timestamp::now(),
            actor: self.actor.name.clone(),
            address: self.actor.address.clone(),
            action: action.into(),
            subject: subject.into(),
            path,
            detail: detail.into(),
        }
    }
}

impl Deref for Permit<Operate> {
    type Target = Permit<View>;

    fn deref(&self) -> &Permit<View> {
        &self.below
    }
}

impl Deref for Permit<Administer> {
    type Target = Permit<Operate>;

    fn deref(&self) -> &Permit<Operate> {
        &self.below
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actor(role: Role) -> Actor {
        let id = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        Actor::new(id, "ada".into(), role, "192.0.2.1".into(), "hash".into())
    }

    #[test]
    fn a_role_may_what_it_says_and_all_below() {
        for role in Role::ALL {
            let actor = actor(role);
            assert_eq!(
                [actor.permit::<View>().is_ok(), actor.permit::<Operate>().is_ok(), actor.permit::<Administer>().is_ok()],
                [true, role >= Role::Operator, role >= Role::Administrator]
            );
        }
        let error = actor(Role::Viewer).permit::<Administer>().err().unwrap();
        assert_eq!(error.code(), Code::Forbidden);
        assert_eq!(error.to_string(), "This needs the role administrator; yours is viewer.");
    }

    #[test]
    fn a_higher_permit_serves_as_a_lower_one() {
        fn looks(permit: &Permit<View>) -> &str {
            permit.actor().name()
        }
        assert_eq!(looks(&actor(Role::Administrator).permit::<Administer>().unwrap()), "ada");
    }

    #[test]
    fn the_audit_log_names_where_the_request_came_from() {
        let permit = actor(Role::Viewer).asking_from("198.51.100.7").permit::<View>().unwrap();
        let line = permit.audit("looked", "x", None, "");
        assert_eq!((line.actor.as_str(), line.address.as_str()), ("ada", "198.51.100.7"));
    }
}
