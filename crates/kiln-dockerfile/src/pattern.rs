//! The small wildcard patterns of `${name#pattern}`, `${name%pattern}` and `${name/pattern/text}`.
//!
//! Only `*` (any run of characters) and `?` (any one) are special, and neither crosses a line break;
//! `\*`, `\?` and `\\` stand for themselves, and so do `\}` and `\/`, which the surrounding syntax
//! needs. There are no brackets.

/// Why a pattern could not be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    /// A backslash before a character that needs none.
    #[error("invalid escape '\\{0}'")]
    Escape(String),
    /// Pattern and value together would take too long.
    #[error("the pattern is too costly for a value of this size")]
    TooCostly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    One,
    Any,
}

/// How much of the value a match takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    Shortest,
    Longest,
}

/// A parsed pattern.
#[derive(Clone, Debug)]
pub(crate) struct Pattern(Vec<Token>);

/// Steps that one operation may take: enough for kilobytes, an end for hostile input.
const BUDGET: usize = 50_000_000;

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Pattern, PatternError> {
        let mut tokens = Vec::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            let token = match character {
                '*' => Token::Any,
                '?' => Token::One,
                '\\' => match characters.next() {
                    Some(escaped @ ('*' | '?' | '\\' | '}' | '/')) => Token::Literal(escaped),
                    other => {
                        return Err(PatternError::Escape(
                            other.map(String::from).unwrap_or_default(),
                        ));
                    }
                },
                other => Token::Literal(other),
            };
            if token != Token::Any || tokens.last() != Some(&Token::Any) {
                tokens.push(token);
            }
        }
        Ok(Pattern(tokens))
    }

    /// The value without the prefix that matches.
    pub(crate) fn strip_prefix(&self, value: &str, reach: Reach) -> Result<String, PatternError> {
        let characters: Vec<char> = value.chars().collect();
        let end = self
            .find_end(&characters, reach, &mut BUDGET.clone())?
            .unwrap_or(0);
        Ok(characters[end..].iter().collect())
    }

    /// The value without the suffix that matches.
    pub(crate) fn strip_suffix(&self, value: &str, reach: Reach) -> Result<String, PatternError> {
        let backwards: Vec<char> = value.chars().rev().collect();
        let reversed = Pattern(self.0.iter().rev().copied().collect());
        let end = reversed
            .find_end(&backwards, reach, &mut BUDGET.clone())?
            .unwrap_or(0);
        Ok(backwards[end..].iter().rev().collect())
    }

    /// The value with the first match, or every one, replaced. A match is the leftmost, then longest.
    pub(crate) fn replace(
        &self,
        value: &str,
        with: &str,
        all: bool,
    ) -> Result<String, PatternError> {
        let characters: Vec<char> = value.chars().collect();
        let mut budget = BUDGET;
        let mut out = String::new();
        let mut at = 0;
        let mut after_match = false;
        while at <= characters.len() {
            let found = self.find_end(&characters[at..], Reach::Longest, &mut budget)?;
            match found {
                // An empty match right behind another one does not count.
                Some(length) if length > 0 || !after_match => {
                    out.push_str(with);
                    if !all {
                        out.extend(&characters[at + length..]);
                        return Ok(out);
                    }
                    at += length;
                    after_match = length > 0;
                    if length > 0 {
                        continue;
                    }
                }
                _ => after_match = false,
            }
            out.extend(characters.get(at));
            at += 1;
        }
        Ok(out)
    }

    /// Where a match that starts at the first character ends. All possible ends are followed at once,
    /// so the time is the product of the two lengths at worst.
    fn find_end(
        &self,
        value: &[char],
        reach: Reach,
        budget: &mut usize,
    ) -> Result<Option<usize>, PatternError> {
        let mut ends = vec![0];
        for token in &self.0 {
            let mut next: Vec<usize> = Vec::new();
            for &end in &ends {
                match token {
                    Token::Literal(literal) if value.get(end) == Some(literal) => {
                        next.push(end + 1);
                    }
                    Token::One if value.get(end).is_some_and(|found| *found != '\n') => {
                        next.push(end + 1);
                    }
                    // An end that an earlier one's run already covers stops at the same line break.
                    Token::Any if next.last().is_none_or(|last| *last < end) => {
                        let run = value[end..]
                            .iter()
                            .take_while(|found| **found != '\n')
                            .count();
                        next.extend(end..=end + run);
                    }
                    _ => {}
                }
                *budget = budget.checked_sub(1).ok_or(PatternError::TooCostly)?;
            }
            *budget = budget
                .checked_sub(next.len())
                .ok_or(PatternError::TooCostly)?;
            ends = next;
            if ends.is_empty() {
                return Ok(None);
            }
        }
        Ok(match reach {
            Reach::Shortest => ends.first().copied(),
            Reach::Longest => ends.last().copied(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_suffixes_short_and_long() {
        for (pattern, value, prefix, long_prefix, suffix, long_suffix) in [
            ("*/", "a/b/c", "b/c", "c", "a/b/c", "a/b/c"),
            ("/*", "a/b/c", "a/b/c", "a/b/c", "a/b", "a"),
            ("?", "xyz", "yz", "yz", "xy", "xy"),
            ("*", "xyz", "xyz", "", "xyz", ""),
            ("", "xyz", "xyz", "xyz", "xyz", "xyz"),
            ("\\*", "*a*", "a*", "a*", "*a", "*a"),
            ("a.c", "abc", "abc", "abc", "abc", "abc"),
            ("*", "a\nb", "a\nb", "\nb", "a\nb", "a\n"),
            ("a*b*", "aXbYbZ", "YbZ", "", "", ""),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            let results = (
                parsed.strip_prefix(value, Reach::Shortest).unwrap(),
                parsed.strip_prefix(value, Reach::Longest).unwrap(),
                parsed.strip_suffix(value, Reach::Shortest).unwrap(),
                parsed.strip_suffix(value, Reach::Longest).unwrap(),
            );
            let expected = (
                prefix.into(),
                long_prefix.into(),
                suffix.into(),
                long_suffix.into(),
            );
            assert_eq!(results, expected, "{pattern} on {value:?}");
        }
    }

    #[test]
    fn replaces_one_or_all() {
        for (pattern, value, with, one, all) in [
            ("o", "foo boo", "0", "f0o boo", "f00 b00"),
            ("b*", "abcb", "-", "a-", "a-"),
            ("x", "abc", "-", "abc", "abc"),
            ("*", "abc", "-", "-", "-"),
            ("", "ab", "-", "-ab", "-a-b-"),
            ("\\/", "a/b/c", "_", "a_b/c", "a_b_c"),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            assert_eq!(
                parsed.replace(value, with, false).unwrap(),
                one,
                "{pattern} {value}"
            );
            assert_eq!(
                parsed.replace(value, with, true).unwrap(),
                all,
                "{pattern} {value}"
            );
        }
    }

    #[test]
    fn bad_escapes_and_hostile_sizes_are_errors() {
        assert!(matches!(Pattern::parse("\\d"), Err(PatternError::Escape(text)) if text == "d"));
        let pattern = Pattern::parse(&"*a".repeat(20_000)).unwrap();
        let value = "a".repeat(100_000);
        assert_eq!(
            pattern.strip_prefix(&value, Reach::Longest),
            Err(PatternError::TooCostly)
        );
    }
}
