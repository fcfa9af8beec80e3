//! Names of new databases.

use domain::{Dbms, Error};

/// Longest name of a PostgreSQL database, in bytes.
const MAX_POSTGRESQL: usize = 63;

/// What is wrong with a name, as far as it can be told without asking the server.
pub(super) fn fault(name: &str, dbms: Dbms) -> Option<String> {
    if name.trim().is_empty() {
        return Some("Give the new database a name.".into());
    }
    if name.contains('\0') {
        return Some("A name cannot hold a zero byte.".into());
    }
    match dbms {
        Dbms::Postgresql if name.len() > MAX_POSTGRESQL => {
            Some(format!("PostgreSQL takes names of at most {MAX_POSTGRESQL} bytes; this one has {}.", name.len()))
        }
        Dbms::Sqlite if name.split('/').any(|segment| matches!(segment, "" | "." | "..")) => {
            Some("Give a path below the server's folder, such as team/shop.db.".into())
        }
        _ => None,
    }
}

/// The error for a name that is in use.
pub(super) fn taken(name: &str, server: &str) -> Error {
    Error::invalid_field("name", taken_sentence(name, server))
}

pub(super) fn taken_sentence(name: &str, server: &str) -> String {
    format!("{server} has a database {name:?} already. A restore never replaces one: choose another name.")
}

/// A name like that of the origin which none of the others has. An extension stays at the end.
pub(super) fn propose(origin: &str, dbms: Dbms, is_taken: impl Fn(&str) -> bool) -> String {
    let (stem, extension) = match dbms {
        Dbms::Sqlite => match origin.rsplit_once('.') {
            Some((stem, extension)) if !stem.is_empty() && !stem.ends_with('/') && !extension.contains('/') => {
                (stem, format!(".{extension}"))
            }
            _ => (origin, String::new()),
        },
        Dbms::Postgresql => (origin, String::new()),
    };
    let numbered = |number: u32| {
        let suffix = if number == 1 { "_restored".into() } else { format!("_restored_{number}") };
        let room = if dbms == Dbms::Postgresql { MAX_POSTGRESQL - suffix.len() } else { usize::MAX };
        format!("{}{suffix}{extension}", &stem[..stem.floor_char_boundary(room)])
    };
    (1..).map(numbered).find(|name| !is_taken(name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proposal_is_free_fits_and_keeps_its_extension() {
        let taken = ["shop_restored", "shop_restored_2"];
        assert_eq!(propose("shop", Dbms::Postgresql, |name| taken.contains(&name)), "shop_restored_3");
        assert_eq!(propose("team/shop.v2.db", Dbms::Sqlite, |_| false), "team/shop.v2_restored.db");
        assert_eq!(propose("team.x/shop", Dbms::Sqlite, |_| false), "team.x/shop_restored");
        assert_eq!(propose(".hidden", Dbms::Sqlite, |_| false), ".hidden_restored");
        let long = propose(&"é".repeat(40), Dbms::Postgresql, |_| false);
        assert!(long.len() <= MAX_POSTGRESQL && long.ends_with("_restored"), "{long}");
    }

    #[test]
    fn bad_names_are_told_in_words() {
        for (name, dbms) in
            [("", Dbms::Sqlite), (" ", Dbms::Postgresql), ("../x.db", Dbms::Sqlite), ("/x.db", Dbms::Sqlite), ("a\0", Dbms::Postgresql)]
        {
            assert!(fault(name, dbms).is_some(), "{name:?}");
        }
        assert!(fault(&"x".repeat(64), Dbms::Postgresql).is_some());
        for (name, dbms) in [("host=evil", Dbms::Postgresql), ("team/shop.db", Dbms::Sqlite), ("../x", Dbms::Postgresql)] {
            assert_eq!(fault(name, dbms), None, "{name:?}");
        }
    }
}
