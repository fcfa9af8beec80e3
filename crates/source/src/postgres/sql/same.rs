//! When two statements define the same.

use super::lexer::{Kind, Lexer, Token};

/// What is equal for two statements that define the same.
///
/// A server that reads a definition which it has written writes it anew with other casts and parentheses:
/// `(x)::text = ANY ((ARRAY['a'::character varying])::text[])` becomes `(x)::text = ANY (ARRAY[('a'::character varying)::text])`.
/// So these are left out, and so are blanks and comments. Everything else counts, strings and bodies of functions to the last byte.
#[must_use]
pub fn canonical(statement: &[u8]) -> Vec<u8> {
    let tokens = tokens(statement);
    let mut out = Vec::with_capacity(statement.len());
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let text = &statement[token.start..token.end];
        if is_cast(&tokens[at..], statement) {
            at += 2;
            at += type_length(&tokens[at..], statement);
            continue;
        }
        if !matches!(text, b"(" | b")") {
            out.extend_from_slice(text);
            // No statement holds one.
            out.push(0);
        }
        at += 1;
    }
    out
}

fn tokens(statement: &[u8]) -> Vec<Token> {
    let mut lexer = Lexer::new(statement);
    // The statement was split from a text that has been read to its end.
    std::iter::from_fn(|| lexer.next_token().ok().flatten()).collect()
}

fn is_cast(tokens: &[Token], sql: &[u8]) -> bool {
    matches!(tokens, [a, b, ..] if a.end == b.start && &sql[a.start..b.end] == b"::")
}

/// Number of tokens of the type that begins here, in the words of the server's `format_type`.
fn type_length(tokens: &[Token], sql: &[u8]) -> usize {
    let text = |at: usize| tokens.get(at).map_or(&b""[..], |token| &sql[token.start..token.end]);
    let is_name = |at: usize| tokens.get(at).is_some_and(|token| matches!(token.kind, Kind::Word | Kind::Quoted));
    let mut at = usize::from(is_name(0));
    while text(at) == b"." && is_name(at + 1) {
        at += 2;
    }
    let more: &[&[u8]] = match text(0) {
        b"character" | b"bit" => &[b"varying"],
        b"double" => &[b"precision"],
        b"interval" => &[b"year", b"month", b"day", b"hour", b"minute", b"second", b"to"],
        _ => &[],
    };
    while more.contains(&text(at)) {
        at += 1;
    }
    at += modifier_length(text, at);
    if matches!(text(0), b"time" | b"timestamp") && matches!(text(at), b"with" | b"without") && text(at + 1) == b"time" {
        at += 3;
    }
    while text(at) == b"[" && text(at + 1) == b"]" {
        at += 2;
    }
    at
}

/// Number of tokens of `(10)` or `(10,2)`, if that is what begins here.
fn modifier_length<'a>(text: impl Fn(usize) -> &'a [u8], at: usize) -> usize {
    if text(at) != b"(" {
        return 0;
    }
    let is_inside =
        |token: &[u8]| !token.is_empty() && token.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b',' | b'-'));
    let inside = (at + 1..).take_while(|&at| is_inside(text(at))).count();
    if inside > 0 && text(at + 1 + inside) == b")" { inside + 2 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        canonical(a.as_bytes()) == canonical(b.as_bytes())
    }

    #[test]
    fn what_a_server_writes_anew_is_the_same() {
        for (a, b) in [
            (
                "CHECK (((x)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
                "CHECK (((x)::text = ANY (ARRAY[('a'::character varying)::text, ('b'::character varying)::text])))",
            ),
            ("SELECT ((a AND b) AND c) FROM t", "SELECT (a AND b AND c)\n  FROM t -- why"),
            ("SELECT a::numeric(10,2)[], b", "SELECT a, b"),
            ("SELECT a::timestamp(3) without time zone, b", "SELECT a, b"),
            ("SELECT a::interval day to second(3), b::\"char\", c::s.\"T y\"", "SELECT a, b, c"),
            ("SELECT a::double precision + 1", "SELECT (a + 1)"),
            ("SELECT a::geometry(Point,4326) FROM t", "SELECT a FROM t"),
        ] {
            assert!(same(a, b), "{a} | {b}");
        }
    }

    #[test]
    fn what_means_something_else_differs() {
        for (a, b) in [
            ("CREATE TABLE t (a character varying(10))", "CREATE TABLE t (a character varying(11))"),
            ("SELECT 'a'", "SELECT 'b'"),
            ("SELECT $$ (a)::text $$", "SELECT $$ a $$"),
            ("SELECT a::text", "SELECT b::text"),
            ("SELECT 1 + 1", "SELECT 11"),
            ("SELECT a[1:2]", "SELECT a[12]"),
            ("CREATE TABLE a (b int)", "CREATE TABLE a (\"b\" int)"),
            ("SELECT a::text FROM t", "SELECT a FROM u"),
        ] {
            assert!(!same(a, b), "{a} | {b}");
        }
    }
}
