//! The directives in the comments at the very top: `syntax`, `escape` and `check`.

use crate::diagnostic::Diagnostic;
use crate::span::{SourceFile, Span};
use crate::suggest;
use crate::syntax::{Directives, Word};

const NAMES: [&str; 3] = ["syntax", "escape", "check"];

/// Reads the directives. They end at the first line that is none.
pub(super) fn read(source: &SourceFile, diagnostics: &mut Vec<Diagnostic>) -> Directives {
    let mut directives = Directives::default();
    for line in 1..=source.line_count() {
        let Some((key, value)) = directive(source, line, "#") else {
            break;
        };
        let name = key.text.to_ascii_lowercase();
        let slot = match name.as_str() {
            "syntax" => &mut directives.syntax,
            "escape" => &mut directives.escape,
            "check" => &mut directives.check,
            _ => {
                near_miss(&key, diagnostics);
                break;
            }
        };
        if slot.is_some() {
            let message = format!("only one {name} parser directive can be used");
            diagnostics.push(Diagnostic::error(key.span.to(value.span), message));
            continue;
        }
        if name == "escape" && !matches!(value.text.as_str(), "\\" | "`") {
            let message = format!("invalid escape token {:?}", value.text);
            diagnostics.push(Diagnostic::error(value.span, message).with_help("use \\ or `"));
        }
        *slot = Some(value);
    }
    if directives.syntax.is_none() {
        directives.syntax = other_syntax(source);
    }
    directives
}

/// A comment like `# synatx=…` is legal, but hardly meant.
fn near_miss(key: &Word, diagnostics: &mut Vec<Diagnostic>) {
    if let Some(name) = suggest::nearest(&key.text.to_ascii_lowercase(), NAMES) {
        let message = format!(
            "unknown parser directive {}; it is read as a comment",
            key.text
        );
        let warning = Diagnostic {
            code: None,
            ..Diagnostic::warning("", key.span, message)
        };
        diagnostics.push(warning.with_suggestion(Some(name)));
    }
}

/// `prefix key = value` on a line.
fn directive(source: &SourceFile, line: usize, prefix: &str) -> Option<(Word, Word)> {
    let span = source.line_span(line);
    let text = std::str::from_utf8(&source.text()[span.start..span.end]).ok()?;
    let text = if line == 1 {
        text.trim_start_matches('\u{feff}')
    } else {
        text
    };
    let base = span.end - text.len();
    let body = text.trim_start().strip_prefix(prefix)?;
    let (key, value) = body.split_once('=')?;
    let word = |part: &str| {
        let trimmed = part.trim();
        let start = base + (trimmed.as_ptr() as usize - text.as_ptr() as usize);
        Word::new(trimmed, Span::new(start, start + trimmed.len()))
    };
    let (key, value) = (word(key), word(value));
    let named = key.text.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (named && !value.text.is_empty()).then_some((key, value))
}

/// The other places where `syntax` may stand: after a `#!` line, as `// syntax=` and in JSON.
fn other_syntax(source: &SourceFile) -> Option<Word> {
    let first = if source.text().starts_with(b"#!") {
        2
    } else {
        1
    };
    for prefix in ["#", "//"] {
        if prefix == "#" && first == 1 {
            continue;
        }
        if let Some((key, value)) = directive(source, first, prefix)
            && key.text.eq_ignore_ascii_case("syntax")
        {
            return Some(value);
        }
    }
    json_syntax(source)
}

/// `{"syntax": "…"}` as the whole file.
fn json_syntax(source: &SourceFile) -> Option<Word> {
    let text = source.text();
    if text.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return None;
    }
    let value: serde_json::Value = serde_json::from_slice(text).ok()?;
    Some(Word::new(
        value.get("syntax")?.as_str()?,
        source.line_span(1),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> (Directives, Vec<String>) {
        let mut diagnostics = Vec::new();
        let directives = read(&SourceFile::new("D", text), &mut diagnostics);
        (
            directives,
            diagnostics
                .into_iter()
                .map(|diagnostic| diagnostic.message)
                .collect(),
        )
    }

    #[test]
    fn directives_stop_at_the_first_other_line() {
        let text =
            "\u{feff}# SYNTAX = docker/dockerfile:1\r\n#escape=`\n# check = skip=all\nFROM a\n";
        let (directives, problems) = read_text(text);
        assert_eq!(directives.syntax.unwrap().text, "docker/dockerfile:1");
        assert_eq!(directives.escape.unwrap().text, "`");
        assert_eq!(directives.check.unwrap().text, "skip=all");
        assert_eq!(problems, Vec::<String>::new());
        for text in [
            "# note\n# escape=`\n",
            "\n# escape=`\n",
            "# foo=bar\n# escape=`\n",
        ] {
            assert_eq!(read_text(text).0, Directives::default(), "{text:?}");
        }
    }

    #[test]
    fn bad_directives_are_reported() {
        for (text, expected) in [
            (
                "# escape=`\n# escape=\\\n",
                "only one escape parser directive can be used",
            ),
            ("# escape=x\n", "invalid escape token \"x\""),
            (
                "# sintax=x\n",
                "unknown parser directive sintax; it is read as a comment",
            ),
        ] {
            assert_eq!(read_text(text).1, [expected], "{text:?}");
        }
    }

    #[test]
    fn syntax_may_stand_in_other_forms() {
        for text in [
            "#!/usr/bin/env build\n# syntax=s\nFROM a",
            "// syntax=s\nFROM a",
            "#!/bin/x\n//syntax=s\n",
            "{\"syntax\": \"s\"}",
        ] {
            assert_eq!(
                read_text(text).0.syntax.map(|word| word.text),
                Some("s".into()),
                "{text:?}"
            );
        }
    }
}
