//! Just enough of Rust's lexical structure for the checks: code without its comments and strings,
//! and the lines that belong to items under a `#[cfg(…)]`.
//!
//! A real parser would pull in `syn`; the checks only ask "does this word occur in code here", so
//! a scanner of a page is enough (The Rust Reference, chapters "Comments" and "Tokens").

/// The text with every comment and every string or character literal replaced by blanks.
///
/// Line breaks stay where they were, so line numbers carry over. Each blanked character becomes
/// one space.
pub(crate) fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = skipped_until(&chars, at);
        if end > at {
            out.extend(
                chars[at..end]
                    .iter()
                    .map(|c| if *c == '\n' { '\n' } else { ' ' }),
            );
            at = end;
        } else {
            // Take a whole word at once, so that the `r` of `for"…"` is not taken for a raw string.
            let word_end = word_end(&chars, at).max(at + 1);
            out.extend(&chars[at..word_end]);
            at = word_end;
        }
    }
    out
}

/// The end of the comment or literal that begins at `at`, or `at` when none does.
fn skipped_until(chars: &[char], at: usize) -> usize {
    let next = |n: usize| chars.get(at + n).copied();
    match (chars[at], next(1)) {
        ('/', Some('/')) => chars[at..]
            .iter()
            .position(|c| *c == '\n')
            .map_or(chars.len(), |length| at + length),
        ('/', Some('*')) => block_comment_end(chars, at),
        ('"', _) => string_end(chars, at),
        ('b' | 'c', Some('"')) => string_end(chars, at + 1),
        ('r', Some('"' | '#')) => raw_string_end(chars, at, at + 1),
        ('b' | 'c', Some('r')) => raw_string_end(chars, at, at + 2),
        ('b', Some('\'')) => char_end(chars, at + 1).unwrap_or(at),
        ('\'', _) => char_end(chars, at).unwrap_or(at),
        _ => at,
    }
}

/// Block comments nest.
fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => {
                depth += 1;
                at += 2;
            }
            ('*', Some('/')) => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    at
}

/// The end of a string whose opening quote is at `quote`.
fn string_end(chars: &[char], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a raw string whose hashes begin at `hashes`; `start` when it is none (`r#loop`).
fn raw_string_end(chars: &[char], start: usize, hashes: usize) -> usize {
    let mut quote = hashes;
    while chars.get(quote) == Some(&'#') {
        quote += 1;
    }
    if chars.get(quote) != Some(&'"') {
        return start;
    }
    let count = quote - hashes;
    let mut at = quote + 1;
    while at < chars.len() {
        let closing = chars[at] == '"'
            && chars.len() > at + count
            && chars[at + 1..=at + count].iter().all(|c| *c == '#');
        if closing {
            return at + count + 1;
        }
        at += 1;
    }
    chars.len()
}

/// The end of a character literal whose opening quote is at `quote`; `None` for a lifetime.
fn char_end(chars: &[char], quote: usize) -> Option<usize> {
    if chars.get(quote + 1) == Some(&'\\') {
        let rest = chars.get(quote + 3..)?;
        return rest
            .iter()
            .position(|c| *c == '\'')
            .map(|length| quote + 3 + length + 1);
    }
    (chars.get(quote + 2) == Some(&'\'')).then_some(quote + 3)
}

/// The end of the identifier that begins at `at`, or `at` when none does.
fn word_end(chars: &[char], at: usize) -> usize {
    let is_word = |c: &char| c.is_alphanumeric() || *c == '_';
    chars[at..]
        .iter()
        .position(|c| !is_word(c))
        .map_or(chars.len(), |length| at + length)
}

/// For each line of `code`, whether it lies in an item whose `#[cfg(…)]` attribute satisfies
/// `wanted` (which sees the attribute's inside, such as `cfg(test)`).
///
/// `code` is the result of [`code_only`]. An item ends at its closing brace or at its semicolon.
/// An inner attribute (`#![cfg(…)]`) covers the whole file.
pub(crate) fn lines_under_cfg(code: &str, wanted: impl Fn(&str) -> bool) -> Vec<bool> {
    let mut covered = vec![false; code.lines().count()];
    let mut from = 0;
    while let Some(found) = code[from..].find("#") {
        let start = from + found;
        let rest = &code[start..];
        from = start + 1;
        let inner = rest.starts_with("#![cfg");
        if !inner && !rest.starts_with("#[cfg") {
            continue;
        }
        let Some(end) = closing(rest, '[', ']') else {
            break;
        };
        let attribute = rest[..end].trim_matches(['#', '!', '[', ']']);
        if !wanted(attribute) {
            continue;
        }
        if inner {
            covered.fill(true);
            break;
        }
        let item_end = start + end + item_length(&rest[end..]);
        let first = code[..start].matches('\n').count();
        let last = code[..item_end].matches('\n').count();
        for line in covered.iter_mut().take(last + 1).skip(first) {
            *line = true;
        }
    }
    covered
}

/// The length of the text up to and with the bracket that closes its first `open`.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth = depth.checked_sub(1)?;
            if depth == 0 {
                return Some(at + c.len_utf8());
            }
        }
    }
    None
}

/// The length of the item at the beginning of `text`, further attributes included.
fn item_length(text: &str) -> usize {
    let mut depth = 0_i32;
    for (at, c) in text.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => depth -= 1,
            ';' if depth == 0 => return at + 1,
            '{' if depth == 0 => {
                return closing(&text[at..], '{', '}').map_or(text.len(), |length| at + length);
            }
            _ => {}
        }
    }
    text.len()
}

/// The first byte offset at which `word` occurs in `line` with no letter, digit or `_` on either side.
pub(crate) fn find_word(line: &str, word: &str) -> Option<usize> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).map(|(at, _)| at).find(|at| {
        let before = line[..*at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let starts_word = word.starts_with(is_word);
        let ends_word = word.ends_with(is_word);
        let runs_on =
            starts_word && before.is_some_and(is_word) || ends_word && after.is_some_and(is_word);
        !runs_on
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_go_and_lines_stay() {
        let text = "let a = \"x // \\\" y\"; // z\nlet b = r#\"q\"w\"#; /* c /* d */ e */ f";
        let code = code_only(text);
        assert_eq!(code.lines().count(), 2);
        for gone in ["x", "y", "z", "q", "w", "d", "e */"] {
            assert!(!code.contains(gone), "{gone:?} in {code:?}");
        }
        assert!(code.contains("let a =") && code.contains("let b =") && code.ends_with('f'));
    }

    #[test]
    fn lifetimes_are_not_characters() {
        let code = code_only("fn f<'a>(c: &'a str) { if c == '\"' || d == '\\'' { g('x') } }");
        assert!(code.contains("<'a>(c: &'a str)"), "{code}");
        assert!(!code.contains('"') && !code.contains('x'), "{code}");
    }

    #[test]
    fn a_keyword_before_a_string_is_no_raw_prefix() {
        assert!(code_only("for\"a\" r#type = br\"no\" ;").starts_with("for    r#type ="));
    }

    #[test]
    fn unfinished_literals_reach_the_end() {
        assert_eq!(code_only("a \"b").trim(), "a");
        assert_eq!(code_only("a /* b").trim(), "a");
        assert_eq!(code_only("a r#\"b").trim(), "a");
    }

    #[test]
    fn items_under_a_cfg_are_known() {
        let code = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod t {\n fn b() {}\n}\nfn c() {}\n";
        let lines = lines_under_cfg(code, |attribute| attribute == "cfg(test)");
        assert_eq!(lines, [false, true, true, true, true, true, false]);
        let one = lines_under_cfg("#[cfg(unix)]\nuse a::b;\nuse c;\n", |a| a.contains("unix"));
        assert_eq!(one, [true, true, false]);
        assert!(
            lines_under_cfg("#![cfg(unix)]\nx\n", |a| a.contains("unix"))
                .iter()
                .all(|l| *l)
        );
    }

    #[test]
    fn words_have_borders() {
        assert_eq!(find_word("deny(unsafe_code)", "unsafe"), None);
        assert_eq!(find_word("x unsafe {", "unsafe"), Some(2));
        assert_eq!(find_word("a.unwrap()", ".unwrap()"), Some(1));
        assert_eq!(find_word("eprintln!()", "println!"), None);
    }
}
