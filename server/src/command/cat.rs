//! `rookery cat`

use crate::{
    Exit,
    arguments::{Cat, Home},
    output::{Output, harmless, table},
};
use domain::{Result, display};
use source::Context;
use std::io::{self, BufWriter};

/// Prints the rows of one table, or lists the tables.
pub async fn run(arguments: Cat, home: Home, output: &Output, context: &Context) -> Result<Exit> {
    // Before anything is read or printed: it may ask for a passphrase.
    let key = arguments.opening.key()?;
    let repository = super::open(&arguments.chosen.root, home, arguments.accept.accept_instance).await?;
    let point = super::choose(&arguments.chosen, &repository).await?;
    let Some(name) = arguments.table else {
        let tables = engine::cat::tables(&repository, &point, key.as_ref(), context).await?;
        let rows: Vec<_> = tables.iter().map(|one| vec![harmless(&one.table), display::count(one.rows)]).collect();
        output.result(&tables, || table(&rows, &[1]))?;
        return Ok(Exit::Done);
    };
    let printed = engine::cat(&repository, &point, key.as_ref(), name, BufWriter::new(io::stdout()), context).await;
    match printed {
        // Whoever reads us has seen enough, as `head` has.
        Err(error) if reader_left(&error) => Ok(Exit::Done),
        other => other.map(|()| Exit::Done),
    }
}

fn reader_left(error: &domain::Error) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}
