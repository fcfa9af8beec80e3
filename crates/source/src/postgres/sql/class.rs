//! What a statement of pg_dump does, as far as its place in a restore depends on it.

use super::lexer::{Kind, Lexer, Token};

/// The kinds of statement that a restore treats differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A setting of the session: `SET`, `SELECT pg_catalog.set_config(…)`.
    Setting,
    /// `CREATE INDEX`.
    Index,
    /// A primary key, unique or exclusion constraint: it builds an index.
    Key,
    /// A foreign key.
    ForeignKey,
    /// `ALTER INDEX … ATTACH PARTITION`.
    AttachIndex,
    /// A trigger, or its state.
    Trigger,
    /// `ALTER TABLE … ENABLE` or `FORCE ROW LEVEL SECURITY`.
    RowSecurity,
    /// Anything about an event trigger.
    EventTrigger,
    /// Anything about a subscription.
    Subscription,
    /// `… OWNER TO …`.
    Ownership,
    /// `GRANT`, `REVOKE`, `ALTER DEFAULT PRIVILEGES`.
    Privileges,
    /// `COMMENT ON …`, except on event triggers and subscriptions.
    Comment,
    /// `REFRESH MATERIALIZED VIEW`.
    Refresh,
    /// Makes something that later statements can build on: a table, view, function, type …
    Definition,
    /// Any other: it changes something that exists.
    Other,
}

/// The class of one statement.
#[must_use]
pub fn classify(statement: &[u8]) -> Class {
    let mut words = Words::new(statement);
    let class = match words.next_word().as_str() {
        // Around privileges that somebody else than the owner granted.
        "SET" | "RESET" if words.take("SESSION") => Class::Privileges,
        "SET" => Class::Setting,
        "SELECT" if words.name().ends_with(".set_config") => Class::Setting,
        "GRANT" | "REVOKE" => Class::Privileges,
        "COMMENT" => match words.after("ON").next_word().as_str() {
            "EVENT" => Class::EventTrigger,
            "SUBSCRIPTION" => Class::Subscription,
            _ => Class::Comment,
        },
        "REFRESH" => Class::Refresh,
        "CREATE" => create(&mut words),
        "ALTER" => alter(&mut words),
        _ => Class::Other,
    };
    if class == Class::Other && ends_with_owner(statement) { Class::Ownership } else { class }
}

fn create(words: &mut Words<'_>) -> Class {
    let mut word = words.next_word();
    while matches!(word.as_str(), "OR" | "REPLACE" | "UNIQUE" | "CONSTRAINT") {
        word = words.next_word();
    }
    match word.as_str() {
        "INDEX" => Class::Index,
        "TRIGGER" => Class::Trigger,
        "EVENT" => Class::EventTrigger,
        "SUBSCRIPTION" => Class::Subscription,
        "RULE" | "POLICY" | "STATISTICS" | "PUBLICATION" => Class::Other,
        _ => Class::Definition,
    }
}

fn alter(words: &mut Words<'_>) -> Class {
    match words.next_word().as_str() {
        "DEFAULT" => Class::Privileges,
        "EVENT" => Class::EventTrigger,
        "SUBSCRIPTION" => Class::Subscription,
        "INDEX" => {
            words.name();
            if words.next_word() == "ATTACH" { Class::AttachIndex } else { Class::Other }
        }
        "TABLE" | "FOREIGN" => {
            words.after("TABLE").after("ONLY").name();
            table_action(words)
        }
        _ => Class::Other,
    }
}

fn table_action(words: &mut Words<'_>) -> Class {
    match words.next_word().as_str() {
        "ADD" if words.take("CONSTRAINT") => {
            words.name();
            match words.next_word().as_str() {
                "PRIMARY" | "UNIQUE" | "EXCLUDE" => Class::Key,
                "FOREIGN" => Class::ForeignKey,
                _ => Class::Other,
            }
        }
        "ENABLE" | "DISABLE" => match words.after("ALWAYS").after("REPLICA").next_word().as_str() {
            "TRIGGER" => Class::Trigger,
            "ROW" => Class::RowSecurity,
            _ => Class::Other,
        },
        "FORCE" => Class::RowSecurity,
        _ => Class::Other,
    }
}

/// Whether the last words are `OWNER TO` and a role.
fn ends_with_owner(statement: &[u8]) -> bool {
    let mut words = Words::new(statement);
    let mut last = [String::new(), String::new(), String::new()];
    while let Some(token) = words.peeked.take() {
        last.rotate_left(1);
        last[2] = words.upper(token);
        words.advance();
    }
    last[0] == "OWNER" && last[1] == "TO"
}

/// The name of the setting, in upper case, if the statement is a `SET`.
#[must_use]
pub fn setting(statement: &[u8]) -> Option<String> {
    let mut words = Words::new(statement);
    words.take("SET").then(|| words.next_word())
}

/// What `SET standard_conforming_strings` says, if the statement is one.
pub(super) fn standard_strings(statement: &[u8]) -> Option<bool> {
    let mut words = Words::new(statement);
    let is_setting = words.take("SET") && words.take("STANDARD_CONFORMING_STRINGS");
    is_setting.then(|| words.after("=").next_word() != "OFF")
}

/// Table and name of the constraint that `ALTER TABLE … ADD CONSTRAINT` adds, as written.
#[must_use]
pub fn added_constraint(statement: &[u8]) -> Option<(String, String)> {
    let mut words = Words::new(statement);
    let table = (words.take("ALTER") && words.take("TABLE")).then(|| words.after("ONLY").name())?;
    (words.take("ADD") && words.take("CONSTRAINT")).then(|| (table, words.name()))
}

/// Whether the statement makes a primary key.
#[must_use]
pub fn is_primary_key(statement: &[u8]) -> bool {
    let mut words = Words::new(statement);
    if !(words.take("ALTER") && words.take("TABLE")) {
        return false;
    }
    words.after("ONLY").name();
    let adds = words.take("ADD") && words.take("CONSTRAINT");
    words.name();
    adds && words.take("PRIMARY")
}

/// Table and name of the constraint that `COMMENT ON CONSTRAINT … ON …` speaks of, as written.
#[must_use]
pub fn commented_constraint(statement: &[u8]) -> Option<(String, String)> {
    let mut words = Words::new(statement);
    let name = (words.take("COMMENT") && words.take("ON") && words.take("CONSTRAINT")).then(|| words.name())?;
    words.take("ON").then(|| (words.name(), name))
}

/// Roles that the statement is about to speak of without being about ownership or privileges: those of a policy and of
/// a user mapping. `PUBLIC` and the like are no names.
#[must_use]
pub fn named_roles(statement: &[u8]) -> Vec<String> {
    let mut words = Words::new(statement);
    let mut roles = vec![];
    if words.take("CREATE") && words.take("POLICY") {
        words.name();
        words.after("ON").name();
        for clause in ["AS", "FOR"] {
            if words.take(clause) {
                words.next_word();
            }
        }
        while words.take(if roles.is_empty() { "TO" } else { "," }) {
            roles.push(words.name());
        }
    } else if words.take("USER") && words.take("MAPPING") && words.take("FOR") {
        roles.push(words.name());
    }
    roles
        .retain(|role| !matches!(role.to_ascii_uppercase().as_str(), "PUBLIC" | "CURRENT_USER" | "CURRENT_ROLE" | "SESSION_USER" | "USER"));
    let unquoted = |role: String| role.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).map(|name| name.replace("\"\"", "\""));
    roles.into_iter().map(|role| unquoted(role.clone()).unwrap_or(role)).collect()
}

/// Whether the text is the name of a table and nothing else: `schema.table`, quoted where needed.
#[must_use]
pub fn is_table_name(text: &str) -> bool {
    let mut words = Words::new(text.as_bytes());
    let starts_plain = words.peeked.is_some_and(|token| token.start == 0 && matches!(token.kind, Kind::Word | Kind::Quoted));
    starts_plain && words.name() == text && text.len() > 2 && text.contains('.') && words.peeked.is_none()
}

/// Reads a statement word by word. Keywords of the grammar are told from names by their place, because names
/// such as `add` or `only` need no quotes everywhere.
struct Words<'a> {
    sql: &'a [u8],
    lexer: Lexer<'a>,
    peeked: Option<Token>,
}

impl<'a> Words<'a> {
    fn new(sql: &'a [u8]) -> Self {
        let mut words = Self { sql, lexer: Lexer::new(sql), peeked: None };
        words.advance();
        words
    }

    fn advance(&mut self) {
        // The statement was split from a text that has been read to its end.
        self.peeked = self.lexer.next_token().ok().flatten();
    }

    /// A word or symbol in upper case; empty for quoted names and strings, which are never keywords.
    fn upper(&self, token: Token) -> String {
        match token.kind {
            Kind::Word | Kind::Symbol => String::from_utf8_lossy(&self.sql[token.start..token.end]).to_ascii_uppercase(),
            Kind::Quoted | Kind::Text => String::new(),
        }
    }

    /// The next word, empty at the end.
    fn next_word(&mut self) -> String {
        let word = self.peeked.map(|token| self.upper(token)).unwrap_or_default();
        self.advance();
        word
    }

    /// Whether the next word is `word`, which is passed over then.
    fn take(&mut self, word: &str) -> bool {
        let is = self.peeked.is_some_and(|token| self.upper(token) == word);
        if is {
            self.advance();
        }
        is
    }

    /// Passes over `word` if it is next.
    fn after(&mut self, word: &str) -> &mut Self {
        self.take(word);
        self
    }

    /// Passes over a name with its qualification and returns it as written.
    fn name(&mut self) -> String {
        let start = self.peeked.map_or(self.sql.len(), |token| token.start);
        let mut end = start;
        while let Some(part) = self.peeked.filter(|token| matches!(token.kind, Kind::Word | Kind::Quoted)) {
            end = part.end;
            self.advance();
            if !self.take(".") {
                break;
            }
        }
        String::from_utf8_lossy(&self.sql[start..end]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_have_their_class() {
        for (sql, class) in [
            ("SET default_tablespace = ''", Class::Setting),
            ("SELECT pg_catalog.set_config('search_path', '', false)", Class::Setting),
            ("SELECT pg_catalog.setval('s', 1)", Class::Other),
            ("CREATE UNIQUE INDEX i ON public.t USING btree (a)", Class::Index),
            ("CREATE INDEX i ON ONLY public.t USING btree (a)", Class::Index),
            ("ALTER TABLE ONLY public.t\n    ADD CONSTRAINT k PRIMARY KEY (a)", Class::Key),
            ("ALTER TABLE ONLY public.add ADD CONSTRAINT \"foreign\" UNIQUE (a)", Class::Key),
            ("ALTER TABLE ONLY public.\"x\"\"y\" ADD CONSTRAINT k EXCLUDE USING gist (a WITH &&)", Class::Key),
            ("ALTER TABLE public.t ADD CONSTRAINT k CHECK ((a > 1)) NOT VALID", Class::Other),
            ("ALTER TABLE ONLY public.t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES public.u(owner) DEFERRABLE", Class::ForeignKey),
            ("ALTER INDEX public.p ATTACH PARTITION public.c", Class::AttachIndex),
            ("ALTER TABLE ONLY public.p ATTACH PARTITION public.c DEFAULT", Class::Other),
            ("ALTER INDEX public.i ALTER COLUMN 1 SET STATISTICS 500", Class::Other),
            ("CREATE CONSTRAINT TRIGGER t AFTER INSERT ON public.t", Class::Trigger),
            ("ALTER TABLE public.t ENABLE ALWAYS TRIGGER x", Class::Trigger),
            ("ALTER TABLE public.t ENABLE ROW LEVEL SECURITY", Class::RowSecurity),
            ("ALTER TABLE ONLY public.t FORCE ROW LEVEL SECURITY", Class::RowSecurity),
            ("CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION public.f()", Class::EventTrigger),
            ("ALTER EVENT TRIGGER e OWNER TO x", Class::EventTrigger),
            ("COMMENT ON EVENT TRIGGER e IS 'x'", Class::EventTrigger),
            ("COMMENT ON TABLE public.t IS 'OWNER TO x'", Class::Comment),
            ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)", Class::Subscription),
            ("ALTER TABLE public.t OWNER TO \"we;ird\"", Class::Ownership),
            ("ALTER FUNCTION public.f(integer) OWNER TO owner", Class::Ownership),
            ("ALTER OPERATOR public.<-> (integer, integer) OWNER TO x", Class::Ownership),
            ("ALTER TYPE x ADD VALUE 'OWNER TO x'", Class::Other),
            ("GRANT SELECT ON TABLE t TO x", Class::Privileges),
            ("ALTER DEFAULT PRIVILEGES FOR ROLE x GRANT SELECT ON TABLES TO y", Class::Privileges),
            ("REFRESH MATERIALIZED VIEW m", Class::Refresh),
            ("CREATE OR REPLACE VIEW v AS SELECT 1", Class::Definition),
            ("CREATE RULE r AS ON INSERT TO t DO NOTHING", Class::Other),
            ("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; END", Class::Definition),
            ("SET SESSION AUTHORIZATION x", Class::Privileges),
            ("RESET SESSION AUTHORIZATION", Class::Privileges),
            ("", Class::Other),
        ] {
            assert_eq!(classify(sql.as_bytes()), class, "{sql}");
        }
    }

    #[test]
    fn primary_keys_are_told_from_other_keys() {
        assert!(is_primary_key(b"ALTER TABLE ONLY public.\"a b\"\n    ADD CONSTRAINT \"UNIQUE\" PRIMARY KEY (x)"));
        for other in ["ALTER TABLE ONLY a ADD CONSTRAINT \"PRIMARY\" UNIQUE (x)", "CREATE UNIQUE INDEX a ON b USING btree (c)", ""] {
            assert!(!is_primary_key(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn constraints_are_recognised_by_table_and_name() {
        let added = added_constraint(b"ALTER TABLE ONLY public.\"a b\"\n    ADD CONSTRAINT \"f;k\" FOREIGN KEY (x) REFERENCES y(z)");
        let commented = commented_constraint(b"COMMENT ON CONSTRAINT \"f;k\" ON public.\"a b\" IS 'x'");
        assert_eq!(added, Some(("public.\"a b\"".to_owned(), "\"f;k\"".to_owned())));
        assert_eq!(added, commented);
        assert_eq!(commented_constraint(b"COMMENT ON TABLE x IS 'y'"), None);
        assert_eq!(added_constraint(b"ALTER TABLE x ADD y int"), None);
    }

    #[test]
    fn roles_of_policies_and_mappings_are_found() {
        for (sql, roles) in [
            (
                "CREATE POLICY \"p TO x\" ON a.\"TO\" AS RESTRICTIVE FOR UPDATE TO bob, \"o \"\"x\" USING (a) WITH CHECK (b)",
                vec!["bob", "o \"x"],
            ),
            ("CREATE POLICY p ON t FOR SELECT TO PUBLIC USING (true)", vec![]),
            ("CREATE POLICY p ON t USING ((SELECT 1 AS to))", vec![]),
            ("CREATE USER MAPPING FOR bob SERVER s OPTIONS (user 'x')", vec!["bob"]),
            ("CREATE TABLE t (a int)", vec![]),
        ] {
            assert_eq!(named_roles(sql.as_bytes()), roles, "{sql}");
        }
    }

    #[test]
    fn only_names_are_names() {
        for name in ["public.t", "\"My Schema\".\"sel\"\"ect\"", "\"a.b\".t_1", "é.ü"] {
            assert!(is_table_name(name), "{name}");
        }
        for text in
            ["", "t", ".", "a.", "public.t (a) FROM PROGRAM 'x'", "a.b; c", "a.b -- c", " a.b", "'a'.b", "(a.b)", "a.b.'c'", "\"a.b"]
        {
            assert!(!is_table_name(text), "{text}");
        }
    }
}
