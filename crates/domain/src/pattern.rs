//! Patterns that choose databases by name.

/// A name with `*` (any run of characters) and `?` (any one character); everything else stands for itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<char>);

impl Pattern {
    /// A pattern from its text. Every text is a pattern.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(text.chars().collect())
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
                Some('*') => {
                    retry = Some((p, n));
                    p += 1;
                }
                Some(c) if *c == '?' || *c == name[n] => (p, n) = (p + 1, n + 1),
                _ => match retry {
                    Some((star, taken)) => {
                        retry = Some((star, taken + 1));
                        (p, n) = (star + 1, taken + 1);
                    }
                    None => return false,
                },
            }
        }
        self.0[p..].iter().all(|c| *c == '*')
    }
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
        ] {
            assert_eq!(Pattern::new(pattern).matches(name), fits, "{pattern} on {name}");
        }
    }
}
