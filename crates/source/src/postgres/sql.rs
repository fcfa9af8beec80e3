//! SQL text as pg_dump writes it, taken apart into statements.
//!
//! A restore sends recorded definitions over the protocol, one statement at a time. So nothing crafted reaches
//! a tool that obeys backslash lines, each error belongs to one object, and indexes can be built in parallel.

mod class;
mod lexer;
mod same;

use crate::value::damaged;
use domain::Result;
use lexer::{Kind, Lexer};

pub use same::canonical;

pub use class::{Class, added_constraint, classify, commented_constraint, is_primary_key, is_table_name, named_roles, setting};

/// One statement, without its semicolon and without the comments around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement<'a> {
    /// The text, in the encoding that the SQL says.
    pub text: &'a [u8],
    /// Where it begins in the whole, in bytes.
    pub offset: usize,
}

impl Statement<'_> {
    /// The beginning in one line, for sentences and logs: enough to recognise the object.
    ///
    /// Strings can be secrets (the password of a user mapping, the connection of a subscription): `'…'` stands for each.
    #[must_use]
    pub fn title(&self) -> String {
        const CHARS: usize = 90;
        let (mut lexer, mut title, mut end) = (Lexer::new(self.text), String::new(), 0);
        while let Ok(Some(token)) = lexer.next_token() {
            let text = &self.text[token.start..token.end];
            if token.start > end {
                title.push(' ');
            }
            match token.kind {
                Kind::Text => title.push_str("'…'"),
                _ => title.push_str(&String::from_utf8_lossy(text).replace(char::is_control, " ")),
            }
            end = token.end;
            // Where a string with a backslash ends depends on a setting that is not known here.
            if title.chars().count() > CHARS || (token.kind == Kind::Text && text.starts_with(b"'") && text.contains(&b'\\')) {
                break;
            }
        }
        match title.char_indices().nth(CHARS) {
            Some((at, _)) => format!("{}…", &title[..at]),
            None if end < self.text.len() => format!("{title} …"),
            None => title,
        }
    }
}

/// Splits SQL into its statements.
///
/// Knows what psql knows: strings of every kind, quoted identifiers, dollar quotes, nested comments,
/// parentheses (a rule's actions are separated by semicolons inside them) and the bodies of SQL functions
/// between `BEGIN ATOMIC` and `END` (PostgreSQL 14). Follows `SET standard_conforming_strings`.
///
/// # Errors
/// [`domain::Code::Damaged`] for what is not SQL alone: a backslash command, rows after `COPY … FROM STDIN`, a NUL
/// byte, and for text that ends inside a quote, a comment or a parenthesis.
pub fn split(sql: &[u8]) -> Result<Vec<Statement<'_>>> {
    if memchr::memchr(0, sql).is_some() {
        return Err(damaged("The definitions in the archive hold a NUL byte."));
    }
    let mut lexer = Lexer::new(sql);
    let mut statements = vec![];
    let mut begun: Option<Begun> = None;
    while let Some(token) = lexer.next_token()? {
        let text = &sql[token.start..token.end];
        if token.kind == Kind::Symbol && text == b";" && begun.as_ref().is_none_or(Begun::is_complete) {
            if let Some(statement) = begun.take() {
                let statement = Statement { text: &sql[statement.start..statement.end], offset: statement.start };
                lexer.standard_strings = class::standard_strings(statement.text).unwrap_or(lexer.standard_strings);
                statements.push(statement);
            }
            continue;
        }
        begun.get_or_insert_with(|| Begun::new(token.start)).take(token.kind, text, token.end)?;
    }
    match begun {
        Some(last) if !last.is_complete() => Err(damaged("The definitions in the archive end inside a statement.")),
        Some(last) => {
            statements.push(Statement { text: &sql[last.start..last.end], offset: last.start });
            Ok(statements)
        }
        None => Ok(statements),
    }
}

/// A statement whose end is not reached yet.
struct Begun {
    start: usize,
    end: usize,
    tokens: usize,
    parentheses: u32,
    /// `BEGIN ATOMIC` and `CASE` that await their `END`.
    blocks: u32,
    /// Whether the first words are those of `CREATE [OR REPLACE] FUNCTION` or `PROCEDURE`: only there is a block.
    routine: bool,
    after_begin: bool,
}

impl Begun {
    fn new(start: usize) -> Self {
        Self { start, end: start, tokens: 0, parentheses: 0, blocks: 0, routine: false, after_begin: false }
    }

    fn is_complete(&self) -> bool {
        self.parentheses == 0 && self.blocks == 0
    }

    fn take(&mut self, kind: Kind, text: &[u8], end: usize) -> Result<()> {
        let is = |word: &str| kind == Kind::Word && text.eq_ignore_ascii_case(word.as_bytes());
        match self.tokens {
            0 if is("COPY") => return Err(damaged("The definitions in the archive hold rows, which belong elsewhere.")),
            0 => self.routine = is("CREATE"),
            // One of OR, REPLACE, FUNCTION, PROCEDURE each time until the last two.
            1..=3 if self.routine && !(is("OR") || is("REPLACE")) => {
                self.routine = is("FUNCTION") || is("PROCEDURE");
                self.tokens = 3;
            }
            _ => {}
        }
        match (kind, text) {
            (Kind::Symbol, b"(") => self.parentheses += 1,
            (Kind::Symbol, b")") => {
                self.parentheses = self
                    .parentheses
                    .checked_sub(1)
                    .ok_or_else(|| damaged("The definitions in the archive close a parenthesis too many."))?;
            }
            (Kind::Word, _) if self.routine && self.parentheses == 0 => {
                if (self.after_begin && is("ATOMIC")) || (self.blocks > 0 && is("CASE")) {
                    self.blocks += 1;
                } else if is("END") {
                    self.blocks = self.blocks.saturating_sub(1);
                }
            }
            _ => {}
        }
        self.after_begin = is("BEGIN");
        self.tokens += 1;
        self.end = end;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::Code;
    use proptest::prelude::*;

    fn texts(sql: &str) -> Vec<String> {
        split(sql.as_bytes()).unwrap().iter().map(|statement| String::from_utf8(statement.text.to_vec()).unwrap()).collect()
    }

    #[test]
    fn semicolons_that_end_nothing_are_kept() {
        for sql in [
            "SELECT ';', 'it''s;', \"a;\"\"b;\"",
            r"SELECT E'\';', e'\\', 'a\'",
            "SELECT E'a' -- why;\n ';\\';'",
            "SELECT E'a' /*\n*/ '\\', ';'",
            "SELECT E'a'\r';\\';'",
            "SELECT U&'\\0441;', U&\"d\\0061;\", B'1;', N';'",
            "SELECT $$;'$$, $a$;$$;$A$;$a$, $_é1$;$_é1$",
            "SELECT a$b$c, d$; SELECT $1",
            "SELECT 1 /* ; /* ' */ ; */ + 2",
            "SELECT 1 -- ;'\n+ 2",
            "CREATE RULE r AS ON INSERT TO t DO (DELETE FROM a; DELETE FROM b; )",
            "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT CASE WHEN a THEN (CASE b WHEN 1 THEN 2 END) ELSE 3 END; END",
            "create or replace procedure p() begin atomic end",
            "CREATE FUNCTION f(\"end\" int, begin int) RETURNS int LANGUAGE sql RETURN 1",
        ] {
            let expected: Vec<_> = match sql.split_once("; SELECT $1") {
                Some((first, _)) => vec![first.to_owned(), "SELECT $1".to_owned()],
                None => vec![sql.to_owned()],
            };
            assert_eq!(texts(sql), expected);
            assert_eq!(texts(&format!("--;\n /* ; */; {sql} ; -- end;\n;")), expected);
        }
    }

    #[test]
    fn words_of_blocks_elsewhere_are_names() {
        assert_eq!(texts("ALTER TABLE begin ADD atomic int; COMMENT ON FUNCTION begin() IS 'x'; SELECT CASE WHEN 1 THEN 2 END;").len(), 3);
        assert_eq!(texts("CREATE TABLE function (begin int, atomic int); SELECT begin atomic; SELECT 1").len(), 3);
        assert_eq!(texts("CREATE OR REPLACE VIEW v AS SELECT 1; SELECT 2").len(), 2);
        assert_eq!(texts("CREATE FUNCTION f() RETURNS begin LANGUAGE sql AS $$x$$; SELECT 2").len(), 2);
    }

    #[test]
    fn backslashes_in_strings_follow_the_setting() {
        let sql = r"SET standard_conforming_strings = off; SELECT 'a\'; b'; SET standard_conforming_strings = on; SELECT 'a\'; SELECT 2";
        assert_eq!(texts(sql).len(), 5);
    }

    #[test]
    fn what_is_not_sql_alone_is_refused() {
        for sql in [
            "SELECT 1; \\! touch /tmp/x",
            "\\restrict abc\nSELECT 1",
            "COPY t FROM STDIN; 1\n\\.\n",
            "copy t to '/etc/passwd'",
            "SELECT 'a",
            "SELECT \"a",
            "SELECT $a$ $b$",
            "SELECT E'a\\'",
            "/* /* */",
            "SELECT (1;",
            "SELECT 1)",
            "CREATE FUNCTION f() BEGIN ATOMIC SELECT 1;",
            "SELECT '\0'",
        ] {
            assert_eq!(split(sql.as_bytes()).unwrap_err().code(), Code::Damaged, "{sql}");
        }
    }

    #[test]
    fn offsets_and_titles_lead_to_the_statement() {
        let sql = "-- Name: t\nCREATE TABLE\n  t (a\u{7} int);\nSELECT 1";
        let statements = split(sql.as_bytes()).unwrap();
        assert_eq!(statements[1].offset, sql.find("SELECT").unwrap());
        assert_eq!(statements[0].title(), "CREATE TABLE t (a  int)");
        let long = "é".repeat(500);
        assert_eq!(Statement { text: long.as_bytes(), offset: 0 }.title().chars().count(), 91);
    }

    #[test]
    fn titles_hold_no_strings() {
        for (sql, title) in [
            ("CREATE SUBSCRIPTION s CONNECTION 'password=hunter2' PUBLICATION p", "CREATE SUBSCRIPTION s CONNECTION '…' PUBLICATION p"),
            ("SELECT 'it''s hunter2', E'\\'hunter2', 1", "SELECT '…', '…', 1"),
            ("SELECT $a$hunter2$a$, $$hunter2$$ -- hunter2\n+ U&'hunter2' 'hunter2'", "SELECT '…', '…' + U&'…' '…'"),
            ("SELECT 'a'\n 'hunter2', 'b\\'; hunter2', 1", "SELECT '…', '…' …"),
            ("SELECT 1, 'hunter2", "SELECT 1, …"),
        ] {
            let told = Statement { text: sql.as_bytes(), offset: 0 }.title();
            assert!(!told.contains("hunter2"), "{told}");
            assert_eq!(told, title);
        }
    }

    /// Pieces that a statement is made of, each complete in itself.
    fn piece() -> impl Strategy<Value = String> {
        let noise = "[a-z;'\"(){}$\\\\/*\n é-]{0,12}";
        prop_oneof![
            "[a-z_é][a-z0-9_$é]{0,5}",
            noise.prop_map(|text: String| format!("'{}'", text.replace('\'', "''"))),
            noise.prop_map(|text: String| format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))),
            noise.prop_map(|text: String| format!("\"{}\"", text.replace('"', "\"\""))),
            noise.prop_map(|text: String| format!("$q0${text}$q0$")),
            noise.prop_map(|text: String| format!("/*{}*/", text.replace(['*', '/'], ""))),
            // A string that follows would continue one that stood before.
            noise.prop_map(|text: String| format!("--{}\n1", text.replace('\n', ""))),
            Just("(a; b)".to_owned()),
            "[-+<>=~,.:]{1,2}".prop_filter("a comment", |text| text != "--"),
            "[0-9]{1,3}",
        ]
    }

    proptest! {
        #[test]
        fn statements_come_apart_where_they_were_joined(bodies in proptest::collection::vec(proptest::collection::vec(piece(), 0..6), 1..6)) {
            // `1` at both ends, so that no comment is at an edge and nothing begins with a command.
            let statements: Vec<_> = bodies.iter().map(|pieces| format!("1 {} 1", pieces.join(" "))).collect();
            prop_assert_eq!(texts(&statements.join(";")), statements.clone());
            prop_assert_eq!(texts(&statements.join("\n;\n--;'\n")), statements);
        }

        #[test]
        fn any_bytes_are_split_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..60), sql in "[a-zE;'\"()$\\\\/*\n -]{0,40}") {
            let _ = split(&bytes);
            if let Ok(statements) = split(sql.as_bytes()) {
                for statement in statements {
                    prop_assert_eq!(&sql.as_bytes()[statement.offset..][..statement.text.len()], statement.text);
                    let _ = classify(statement.text);
                }
            }
        }
    }
}
