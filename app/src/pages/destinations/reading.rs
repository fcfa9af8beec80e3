//! How the reading of destinations goes: what is known of one that cannot be read is not what lies there now.

use crate::components::{Badge, Manner, Notice, Tone, When, counted};
use domain::view::destination::DestinationView;
use leptos::prelude::*;

/// Whether somebody waits for the first reading of one of them.
pub(in crate::pages) fn is_being_read(all: &[DestinationView]) -> bool {
    all.iter().any(|one| one.read_at.is_none())
}

/// What is to be said of all of them before anything is counted, without its full stop: that some cannot be read, or that
/// none has been read yet.
pub(in crate::pages) fn answer(all: &[DestinationView]) -> Option<String> {
    let number = all.len() as u64;
    let unread = all.iter().filter(|one| one.read_error.is_some()).count();
    match unread {
        0 if number > 0 && all.iter().all(|one| one.read_at.is_none()) => {
            Some(format!("{} being read for the first time", counted(number, "destination is", "destinations are")))
        }
        0 => None,
        _ if number == 1 => Some(format!("{} cannot be read", all[0].name)),
        unread => Some(format!("{unread} of {number} destinations cannot be read")),
    }
}

/// Why the last reading failed, where it did.
#[component]
pub(in crate::pages) fn Unreadable(
    /// The destination.
    one: DestinationView,
    /// Whether the page is not that of the destination, so that the way there is shown.
    #[prop(optional)]
    linked: bool,
) -> impl IntoView {
    let DestinationView { id, name, read_at, now, .. } = one;
    one.read_error.map(|told| {
        let href = linked.then(|| format!("/destinations/{id}"));
        view! {
            <Notice tone=Tone::Bad title=format!("{name} could not be read.")>
                <p>{told.sentence} " " {told.next_step}</p>
                <p>
                    "Tried last " <When at=read_at now manner=Manner::Relative/>
                    ". What is shown of it was read before that. "
                    {href.map(|href| view! { <a href=href>"Look at it"</a> })}
                </p>
            </Notice>
        }
    })
}

/// The same in a word, with the time of the last reading.
#[component]
pub(in crate::pages) fn Reading(
    /// The destination.
    one: DestinationView,
) -> impl IntoView {
    let (tone, text) = match (one.read_at, one.read_error) {
        (None, _) => (Tone::Busy, "Being read"),
        (Some(_), None) => (Tone::Good, "Readable"),
        (Some(_), Some(_)) => (Tone::Bad, "Unreadable"),
    };
    let at = one.read_at.map(|at| view! { <small><When at now=one.now manner=Manner::Relative/></small> });
    view! { <Badge tone text/> {at} }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Code, Error};

    fn one(name: &str, read: bool, fails: bool) -> DestinationView {
        let told = || Error::new(Code::RootUnusable, "It is gone.", "Bring it back.").told().clone();
        DestinationView {
            id: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            name: name.into(),
            destination: "/srv/backups".parse().unwrap(),
            note: String::new(),
            tasks: vec![],
            databases: 0,
            backups: 0,
            stored_bytes: 0,
            free_bytes: None,
            read_at: read.then_some(jiff::Timestamp::UNIX_EPOCH),
            read_error: fails.then(told),
            version: 1,
            now: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn one_that_cannot_be_read_is_told_first_and_one_that_was_not_read_yet_is_not_empty() {
        let (good, bad, new) = (one("a", true, false), one("b", true, true), one("c", false, false));
        assert_eq!(answer(&[]), None);
        assert_eq!(answer(std::slice::from_ref(&good)), None);
        assert_eq!(answer(&[good.clone(), new.clone()]), None);
        assert_eq!(answer(std::slice::from_ref(&new)).as_deref(), Some("1 destination is being read for the first time"));
        assert_eq!(answer(std::slice::from_ref(&bad)).as_deref(), Some("b cannot be read"));
        assert_eq!(answer(&[good, bad, new.clone()]).as_deref(), Some("1 of 3 destinations cannot be read"));
        assert!(is_being_read(&[new]));
    }
}
