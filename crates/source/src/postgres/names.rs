//! How tables are named in an archive.

use super::wire::quote_ident;

/// Words that PostgreSQL does not take for a table's name without quotes, in any version up to 18. The list is part
/// of the archive's format: names must not depend on the version that reads.
const KEYWORDS: &str = include_str!("keywords.txt");

/// `schema.table`, each quoted where PostgreSQL needs it.
#[must_use]
pub fn label(schema: &str, table: &str) -> String {
    format!("{}.{}", part(schema), part(table))
}

fn part(name: &str) -> String {
    let plain = |at: usize, byte: u8| byte == b'_' || byte.is_ascii_lowercase() || (at > 0 && byte.is_ascii_digit());
    let simple = !name.is_empty() && name.bytes().enumerate().all(|(at, byte)| plain(at, byte));
    if simple && !KEYWORDS.lines().any(|word| word == name) { name.to_owned() } else { quote_ident(name) }
}

#[cfg(test)]
mod tests {
    use super::label;

    #[test]
    fn only_what_needs_quotes_has_them() {
        assert_eq!(label("public", "nokey_2"), "public.nokey_2");
        assert_eq!(label("My Schema", "sel\"ect"), "\"My Schema\".\"sel\"\"ect\"");
        assert_eq!(label("order", "system_user"), "\"order\".\"system_user\"");
        assert_eq!(label("a.b", "1"), "\"a.b\".\"1\"");
    }
}
