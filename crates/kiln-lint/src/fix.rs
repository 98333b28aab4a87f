//! Applying fixes, until nothing is left to fix.
//!
//! Edits of one pass never overlap; what was left out because of that comes in the next one. A pass after
//! which the parser finds more to complain of than before is thrown away, so that a fix can never break a
//! file that was whole.

use crate::engine::lint;
use crate::facts::Facts;
use crate::finding::{Edit, Finding};
use crate::options::Options;
use kiln_dockerfile::{SourceFile, parse};

/// More passes than any file needs; a rule whose fix calls for itself must not hang.
const PASSES: usize = 20;

/// A file after its fixes.
#[derive(Clone, Debug)]
pub struct Fixed {
    /// The text.
    pub text: Vec<u8>,
    /// What was done: code and description, in order.
    pub applied: Vec<(&'static str, String)>,
}

/// Fixes a file. With `all`, fixes that change the image are applied too.
pub fn fix(source: &SourceFile, facts: &Facts, options: &Options, all: bool) -> Fixed {
    let mut fixed = Fixed {
        text: source.text().to_vec(),
        applied: Vec::new(),
    };
    for _ in 0..PASSES {
        let now = SourceFile::new(source.name.clone(), fixed.text.clone());
        let parsed = parse(&now);
        let findings = lint(&now, &parsed, facts, options);
        let chosen = choose(&findings, all);
        if chosen.is_empty() {
            break;
        }
        let edits: Vec<&Edit> = chosen
            .iter()
            .flat_map(|(_, edits)| edits.iter().copied())
            .collect();
        let text = apply(&fixed.text, &edits);
        let next = parse(&SourceFile::new(source.name.clone(), text.clone()));
        if next.diagnostics.len() > parsed.diagnostics.len() || text == fixed.text {
            break;
        }
        fixed.text = text;
        for (finding, _) in chosen {
            let description = finding.fix.as_ref().map(|fix| fix.description.clone());
            fixed
                .applied
                .push((finding.rule.code, description.unwrap_or_default()));
        }
    }
    fixed
}

/// The findings whose edits touch none of an earlier one's.
fn choose(findings: &[Finding], all: bool) -> Vec<(&Finding, Vec<&Edit>)> {
    let mut taken: Vec<(usize, usize)> = Vec::new();
    let mut chosen = Vec::new();
    for finding in findings {
        let Some(fix) = finding.fix.as_ref().filter(|fix| fix.safe || all) else {
            continue;
        };
        // Two insertions at one place touch each other too: their order would be an accident.
        let free = |edit: &Edit| {
            taken
                .iter()
                .all(|(start, end)| edit.end < *start || *end < edit.start)
        };
        if fix.edits.iter().all(free) && !fix.edits.is_empty() {
            taken.extend(fix.edits.iter().map(|edit| (edit.start, edit.end)));
            chosen.push((finding, fix.edits.iter().collect()));
        }
    }
    chosen
}

/// The text with edits applied, which do not overlap. What lies outside of the text is left out.
pub fn apply(text: &[u8], edits: &[&Edit]) -> Vec<u8> {
    let mut edits: Vec<&&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| (edit.start, edit.end));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for edit in edits {
        if edit.start < at || edit.end < edit.start || edit.end > text.len() {
            continue;
        }
        out.extend_from_slice(&text[at..edit.start]);
        out.extend_from_slice(edit.text.as_bytes());
        at = edit.end;
    }
    out.extend_from_slice(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(text: &str) -> String {
        let source = SourceFile::new("Dockerfile", text);
        let fixed = fix(&source, &Facts::default(), &Options::default(), false);
        String::from_utf8(fixed.text).unwrap()
    }

    #[test]
    fn fixes_keep_comments_and_layout() {
        let text = "# syntax=docker/dockerfile:1\nFROM debian:12 AS  x\n\n# why\nRUN apt-get update && \\\n    # the tool\n    apt-get install  curl=1 \\\n      wget=2\n";
        let expected = "# syntax=docker/dockerfile:1\nFROM debian:12 AS  x\n\n# why\nRUN apt-get update && \\\n    # the tool\n    apt-get install -y  curl=1 \\\n      wget=2 && rm -rf /var/lib/apt/lists/*\n";
        assert_eq!(fixed(text), expected);
        assert_eq!(fixed(expected), expected);
    }

    #[test]
    fn what_cannot_be_placed_is_left() {
        for text in [
            "FROM debian:12\nRUN [\"apt-get\", \"install\", \"curl\"]\n",
            "FROM debian:12\nRUN apt-get update || true\n",
            "FROM debian:12\nRUN apt-get update # and no more\n",
        ] {
            assert_eq!(fixed(text), text);
        }
    }

    #[test]
    fn edits_outside_or_overlapping_are_left_out() {
        let edits = [
            Edit {
                start: 1,
                end: 3,
                text: "X".into(),
            },
            Edit {
                start: 2,
                end: 4,
                text: "Y".into(),
            },
            Edit {
                start: 9,
                end: 10,
                text: "Z".into(),
            },
        ];
        let all: Vec<&Edit> = edits.iter().collect();
        assert_eq!(apply(b"abcde", &all), b"aXde");
    }
}
