//! Tests on real files of SQLite, and of all SQL on a real PostgreSQL.

mod backups;
mod fixture;
mod many;
mod open;
mod people;
mod portable;
mod records;
mod retention;
mod rounds;

/// Every statement of the crate, with its name.
fn statements() -> impl Iterator<Item = (&'static str, &'static str)> {
    let files = [
        crate::audit::ALL,
        crate::backup::ALL,
        crate::database::ALL,
        crate::destination::ALL,
        crate::expired::ALL,
        crate::hold::ALL,
        crate::key::ALL,
        crate::log::ALL,
        crate::open::ALL,
        crate::round::ALL,
        crate::round_server::ALL,
        crate::run::ALL,
        crate::server::ALL,
        crate::session::ALL,
        crate::setting::ALL,
        crate::task::ALL,
        crate::user::ALL,
    ];
    files.into_iter().flatten().copied()
}
