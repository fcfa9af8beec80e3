//! What a restore made beside rows, compared with what the archive says of the origin.

use super::{
    database::StagingDatabase,
    notes::Notes,
    plan::{self, Choice},
    properties,
};
use crate::postgres::{
    archive::{DatabaseProperties, Extension, Extra, Sequence},
    properties::of_database,
    sql::{Class, canonical},
    wire::quote_literal,
};
use domain::{Comparison, Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// Compares recorded definitions with those that pg_dump reads from the new database, statement by statement: nothing may lack,
/// nothing may be too many. Where things lie (tablespaces, access methods) is a setting before the statement and no part of it.
pub(super) fn definitions(recorded: [&[u8]; 2], made: &[u8], choice: Choice) -> Result<Comparison> {
    let mut open = Statements::default();
    open.take(&plan::before_rows(recorded[0], choice)?, 1);
    open.take(&plan::after_rows(recorded[1], choice)?, 1);
    let count = open.0.values().map(|(count, _)| usize::try_from(*count).unwrap_or(0)).sum();
    open.take(&plan::after_rows(made, choice)?, -1);
    Ok(Comparison::new("definitions", count, open.different()))
}

/// How often each statement is still missing, with its title.
#[derive(Default)]
struct Statements(BTreeMap<Vec<u8>, (i64, String)>);

impl Statements {
    fn take(&mut self, plan: &plan::Plan<'_>, times: i64) {
        for item in plan.items().filter(|item| item.class != Class::Setting) {
            let statement = self.0.entry(canonical(item.statement.text)).or_insert_with(|| (0, item.statement.title()));
            statement.0 += times;
        }
    }

    /// A definition that changed is among both.
    fn different(&self) -> Vec<String> {
        let lacking = self.0.values().filter(|(count, _)| *count > 0).map(|(_, title)| format!("It lacks: {title}."));
        let surplus = self.0.values().filter(|(count, _)| *count < 0).map(|(_, title)| format!("It has, and the backup has not: {title}."));
        lacking.chain(surplus).collect()
    }
}

/// Compares where sequences stand.
pub(super) fn sequences(recorded: &[Sequence], made: &[Sequence]) -> Comparison {
    let position = |sequence: &Sequence| {
        let called = if sequence.is_called { "handed out" } else { "not handed out yet" };
        format!("{}, {called}", sequence.last_value)
    };
    let made: BTreeMap<_, _> = made.iter().map(|sequence| (&sequence.name, sequence)).collect();
    let different = recorded.iter().filter_map(|then| match made.get(&then.name) {
        None => Some(format!("The sequence {} is missing.", then.name)),
        Some(now) if *now != then => {
            Some(format!("The sequence {} stands at {}, instead of {}.", then.name, position(now), position(then)))
        }
        Some(_) => None,
    });
    Comparison::new("sequences", recorded.len(), different.collect())
}

/// Compares which materialized views hold rows.
pub(super) fn materialized_views(recorded: &Extra, made: &Extra) -> Comparison {
    let then: BTreeSet<_> = recorded.materialized_views.iter().collect();
    let now: BTreeSet<_> = made.materialized_views.iter().collect();
    let empty = then.difference(&now).map(|view| format!("The materialized view {view} is not filled."));
    let filled = now.difference(&then).map(|view| format!("The materialized view {view} is filled, and was not."));
    let compared = Comparison::new("materialized views", then.len(), empty.chain(filled).collect());
    if then.is_empty() {
        return compared;
    }
    compared.without(
        "Their rows: a backup does not hold them, the restore computes them anew from the tables, and the origin's were as old as its last refresh.",
    )
}

/// What was not compared of materialized views where one table alone was restored.
pub(super) fn no_materialized_views() -> Comparison {
    Comparison::new("materialized views", 0, vec![]).without("They are empty, because only one table was restored.")
}

/// Gives the database its properties under its staging name, looks at them, and undoes them.
pub(super) fn database(database: &mut StagingDatabase, recorded: &DatabaseProperties, no_owner: bool) -> Result<Comparison> {
    let name = database.name().to_owned();
    let session = database.keeper();
    let statements = properties::statements(session, &name, recorded, no_owner)?;
    let literal = quote_literal(&name);
    session.execute("BEGIN")?;
    let mut look = || -> Result<_> {
        statements.iter().try_for_each(|sql| session.execute(sql))?;
        let made = of_database(session, &literal)?.ok_or_else(|| Error::internal("The staging database vanished."))?;
        let sql = format!("SELECT unnest(acldefault('d', datdba))::text FROM pg_database WHERE datname = {literal}");
        let defaults: Vec<_> = session.query(&sql)?.iter().map(|row| row.text(0).map(str::to_owned)).collect::<Result<_>>()?;
        Ok((made, defaults))
    };
    let looked = look();
    session.execute("ROLLBACK")?;
    let (made, defaults) = looked?;
    let pairs = pairs(recorded, &made, &defaults, no_owner);
    let different = pairs.iter().filter(|(_, then, now)| then != now);
    let different = different.map(|(what, then, now)| format!("The database's {what} is {now:?}, instead of {then:?}."));
    Ok(Comparison::new("properties of the database", pairs.len(), different.collect()))
}

/// Each property with its recorded and its new value.
fn pairs(
    then: &DatabaseProperties,
    now: &DatabaseProperties,
    default_acl: &[String],
    no_owner: bool,
) -> Vec<(&'static str, String, String)> {
    let mut pairs = vec![];
    let mut pair = |what, of: &dyn Fn(&DatabaseProperties) -> String| pairs.push((what, of(then), of(now)));
    pair("encoding", &|it| it.encoding.clone());
    pair("LC_COLLATE", &|it| it.collate.clone());
    pair("LC_CTYPE", &|it| it.ctype.clone());
    pair("locale provider", &|it| if it.provider.is_empty() { "libc".into() } else { it.provider.clone() });
    // A newer server writes the name of a locale in its own way.
    if then.server_version / 10_000 == now.server_version / 10_000 {
        pair("locale", &|it| it.locale.clone().unwrap_or_default());
        pair("ICU rules", &|it| it.icu_rules.clone().unwrap_or_default());
    }
    pair("connection limit", &|it| it.connection_limit.to_string());
    pair("being a template", &|it| it.is_template.to_string());
    pair("comment", &|it| it.comment.clone().unwrap_or_default());
    pair("settings", &|it| sorted(it.settings.clone()));
    if !no_owner {
        pair("owner", &|it| it.owner.clone());
        pair("privileges", &|it| sorted(it.acl.as_deref().unwrap_or(default_acl).iter().map(|item| without_grantor(item)).collect()));
        pair("settings for roles", &|it| {
            sorted(it.role_settings.iter().map(|role| format!("{}: {}", role.role, sorted(role.settings.clone()))).collect())
        });
    }
    pairs
}

/// `role=privileges` of `role=privileges/grantor`: who granted is lost where it was not the owner.
fn without_grantor(item: &str) -> String {
    item.rsplit_once('/').map_or(item, |(granted, _)| granted).to_owned()
}

fn sorted(mut items: Vec<String>) -> String {
    items.sort_unstable();
    items.join("; ")
}

/// Tells of extensions that are here in another version: that is a matter of the server's packages.
pub(super) fn note_extensions(recorded: &[Extension], made: &[Extension], notes: &Notes) {
    for now in made {
        if let Some(then) = recorded.iter().find(|then| then.name == now.name && then.version != now.version) {
            notes.add(format!("The extension {} is of version {}; the origin had {}.", now.name, now.version, then.version));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_compared_whatever_their_order_and_casts() {
        let recorded: [&[u8]; 2] = [
            b"SET a = 1; CREATE TABLE t (a int CHECK ((a)::text = 'x'::text)); ALTER TABLE t OWNER TO o; CREATE TABLE u ()",
            b"CREATE INDEX i ON t (a); ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u",
        ];
        let same =
            b"CREATE TABLE u (); CREATE TABLE t (a int CHECK (a = 'x')); ALTER TABLE t OWNER TO o; SET b = 2; CREATE INDEX i ON t (a);
            ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u";
        let compared = definitions(recorded, same, Choice::default()).unwrap();
        assert!(compared.is_equal() && compared.count == 5, "{compared:?}");

        let less = b"CREATE TABLE u (); CREATE TABLE t (a int CHECK (a = 'y')); ALTER TABLE t OWNER TO o; CREATE INDEX i ON t (a); CREATE INDEX i ON t (a)";
        let different = definitions(recorded, less, Choice::default()).unwrap().different;
        assert_eq!(different.len(), 4, "{different:?}");
        assert!(different[0].starts_with("It lacks: ") && different[3].starts_with("It has, and the backup has not: "), "{different:?}");
        let choice = Choice { no_owner: true, no_foreign_keys: true };
        let plain = b"CREATE TABLE u (); CREATE TABLE t (a int CHECK (a = 'x')); ALTER TABLE t OWNER TO me; CREATE INDEX i ON t (a)";
        assert!(definitions(recorded, plain, choice).unwrap().is_equal());
    }

    #[test]
    fn sequences_that_stand_elsewhere_are_named() {
        let sequence = |name: &str, last_value, is_called| Sequence { name: name.into(), last_value, is_called };
        let recorded = [sequence("a", 1, true), sequence("b", 1, true), sequence("c", 1, true), sequence("d", 1, true)];
        let made = [sequence("a", 1, true), sequence("b", 2, true), sequence("c", 1, false)];
        assert_eq!(
            sequences(&recorded, &made).different,
            [
                "The sequence b stands at 2, handed out, instead of 1, handed out.",
                "The sequence c stands at 1, not handed out yet, instead of 1, handed out.",
                "The sequence d is missing."
            ]
        );
    }

    #[test]
    fn properties_are_compared_each() {
        let then = DatabaseProperties { owner: "o".into(), settings: vec!["a=1".into(), "b=2".into()], ..DatabaseProperties::default() };
        let mut now = DatabaseProperties { settings: vec!["b=2".into(), "a=1".into()], acl: Some(vec!["o=CTc/o".into()]), ..then.clone() };
        let different = |now: &DatabaseProperties, no_owner| {
            let pairs = pairs(&then, now, &["o=CTc/other".to_owned()], no_owner);
            pairs.into_iter().filter(|(_, then, now)| then != now).map(|(what, ..)| what).collect::<Vec<_>>()
        };
        assert_eq!(different(&now, false), [""; 0]);
        now.acl = Some(vec![]);
        now.owner = "me".into();
        now.comment = Some("new".into());
        assert_eq!(different(&now, false), ["comment", "owner", "privileges"]);
        assert_eq!(different(&now, true), ["comment"]);
    }
}
