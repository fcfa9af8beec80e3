//! A hundred databases that wait for their first backup are one thing to know, not a hundred.

use domain::{
    Protection,
    view::{
        overview::Attention,
        server::{ServerLine, Tally},
    },
};

/// From so many on, databases of one server with the same state and no error of their own are told together.
const MANY: usize = 4;

/// A line of what needs attention.
#[derive(Debug)]
pub enum Entry {
    /// One database, or a server as a whole.
    One(Attention),
    /// Databases of one server: the first of them, and how many there are with it.
    Many(Attention, u64),
}

/// Brings together what is the same, at the place of the first.
pub fn group(attention: Vec<Attention>, servers: &[ServerLine]) -> Vec<Entry> {
    let same =
        |a: &Attention, b: &Attention| is_plain(a) && is_plain(b) && a.server == b.server && kind(a.protection) == kind(b.protection);
    let sizes: Vec<_> = attention.iter().map(|one| attention.iter().filter(|other| same(one, other)).count()).collect();
    let mut entries: Vec<Entry> = vec![];
    for (one, size) in attention.iter().zip(sizes) {
        let told = entries.iter().any(|entry| matches!(entry, Entry::Many(first, _) if same(first, one)));
        if size < MANY {
            entries.push(Entry::One(one.clone()));
        } else if !told {
            // The list may be cut off; the server's tally is not.
            let tally = servers.iter().find(|server| server.id == one.server).map_or(0, |server| counted(server.tally, one.protection));
            let alone = attention.iter().filter(|other| other.server == one.server && !other.database.is_empty());
            let alone = alone.filter(|other| !is_plain(other) && kind(other.protection) == kind(one.protection)).count();
            entries.push(Entry::Many(one.clone(), tally.saturating_sub(alone as u64).max(size as u64)));
        }
    }
    entries
}

/// Whether nothing but its state is to be told of it.
fn is_plain(attention: &Attention) -> bool {
    attention.error.is_none() && !attention.database.is_empty()
}

fn kind(protection: Protection) -> std::mem::Discriminant<Protection> {
    std::mem::discriminant(&protection)
}

fn counted(tally: Tally, protection: Protection) -> u64 {
    match protection {
        Protection::Protected => tally.protected,
        Protection::Overdue { .. } => tally.overdue,
        Protection::Never => tally.never,
        Protection::Uncovered => tally.uncovered,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{Code, Dbms, Error, ServerId};

    fn attention(server: ServerId, database: &str, protection: Protection, failed: bool) -> Attention {
        let error = failed.then(|| Error::new(Code::Privilege, "Refused.", "Grant it.").told().clone());
        let (server_name, database) = ("shop".into(), database.into());
        Attention { server, server_name, database, protection, last_good: None, promise: None, error, run: None, task: None }
    }

    #[test]
    fn many_of_the_same_are_one_line_and_errors_stay_alone() {
        let id: ServerId = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        let server = ServerLine {
            id,
            name: "shop".into(),
            dbms: Dbms::Postgresql,
            address: "db:5432".into(),
            tally: Tally { never: 90, uncovered: 2, ..Tally::default() },
            size_bytes: 0,
            seen: None,
            tasks: vec![],
            last_round: None,
        };
        let mut all = vec![attention(id, "billing", Protection::Never, true)];
        all.extend(["a", "b", "c", "d", "e"].map(|name| attention(id, name, Protection::Never, false)));
        all.extend(["x", "y"].map(|name| attention(id, name, Protection::Uncovered, false)));
        let told: Vec<_> = group(all, &[server])
            .iter()
            .map(|entry| match entry {
                Entry::One(one) => one.database.clone(),
                Entry::Many(first, number) => format!("{} and others: {number}", first.database),
            })
            .collect();
        assert_eq!(told, ["billing", "a and others: 89", "x", "y"]);
    }
}
