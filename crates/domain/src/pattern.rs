//! Patterns that choose databases by name.

/// A name with `*` (any run of characters) and `?` (any one character); everything else stands for itself, and so do these
/// two and `\` where a `\` stands before them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Piece>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// Any characters, or none.
    Run,
    /// Any one.
    One,
    /// This one.
    This(char),
}

impl Pattern {
    /// A pattern from its text. Every text is a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut pieces = vec![];
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            pieces.push(match letter {
                '*' => Piece::Run,
                '?' => Piece::One,
                '\\' => Piece::This(letters.next_if(|next| is_special(*next)).unwrap_or('\\')),
                letter => Piece::This(letter),
            });
        }
        Self(pieces)
    }

    /// The text of the pattern that fits this name alone.
    #[must_use]
    pub fn escape(name: &str) -> String {
        name.chars().flat_map(|letter| is_special(letter).then_some('\\').into_iter().chain([letter])).collect()
    }

    /// The one name that fits, if there is no other.
    #[must_use]
    pub fn literal(&self) -> Option<String> {
        let letter = |piece: &Piece| if let Piece::This(letter) = piece { Some(*letter) } else { None };
        self.0.iter().map(letter).collect()
    }

    /// Whether the whole of `name` fits.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let name: Vec<char> = name.chars().collect();
        let (mut p, mut n) = (0, 0);
        // Where to go on after a mismatch: the last `*`, taking one character more.
        let mut retry: Option<(usize, usize)> = None;
        while n < name.len() {
            match self.0.get(p) {
                Some(Piece::Run) => {
                    retry = Some((p, n));
                    p += 1;
                }
                Some(piece) if matches!(piece, Piece::One) || *piece == Piece::This(name[n]) => (p, n) = (p + 1, n + 1),
                _ => match retry {
                    Some((star, taken)) => {
                        retry = Some((star, taken + 1));
                        (p, n) = (star + 1, taken + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[p..].iter().all(|piece| *piece == Piece::Run)
    }
}

fn is_special(letter: char) -> bool {
    matches!(letter, '*' | '?' | '\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, name, fits) in [
            ("template*", "template1", true),
            ("template*", "my_template", false),
            ("tenant_?", "tenant_a", true),
            ("tenant_?", "tenant_ab", false),
            ("*_old*", "shop_old_2", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("", "", true),
            ("", "x", false),
            ("*", "", true),
            ("é*", "éa", true),
            ("[a]", "a", false),
            (r"\*", "*", true),
            (r"\*", "a", false),
            (r"\?*", "?x", true),
            (r"a\b", r"a\b", true),
            (r"a\\b", r"a\b", true),
            (r"a\", r"a\", true),
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), fits, "{pattern} on {name}");
        }
    }

    #[test]
    fn a_pattern_that_fits_one_name_alone_is_that_name() {
        assert_eq!(Pattern::new(r"tmp_\*").literal().as_deref(), Some("tmp_*"));
        assert_eq!(Pattern::new("tmp_*").literal(), None);
        assert_eq!(Pattern::new(&Pattern::escape(r"\*?x")).literal().as_deref(), Some(r"\*?x"));
    }
}
