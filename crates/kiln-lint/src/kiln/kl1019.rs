//! KL1019: dashes and quotes must be those of the keyboard.

use crate::finding::Edit;
use crate::finding::Report;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;
use kiln_dockerfile::Span;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "KL1019",
    name: "typographic-characters",
    severity: Severity::Error,
    summary: "Dashes and quotes must be those of the keyboard",
    why: "Text that was copied from a web page often has long dashes and curved quotes. They look right, and mean nothing to the builder or the shell.",
    bad: "FROM debian:12 AS build\nFROM debian:12\nCOPY —from=build /app /app\nCMD [“app”]\n",
    good: "FROM debian:12 AS build\nFROM debian:12\nCOPY --from=build /app /app\nCMD [\"app\"]\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    for logical in subject.lines() {
        let line = &logical.line;
        let mut straight = false;
        let mut edits = Vec::new();
        let mut before = ' ';
        for (at, letter) in line.text.char_indices() {
            let after = line.text[at + letter.len_utf8()..].chars();
            let place = line.place(at..at + letter.len_utf8());
            match letter {
                '"' => straight = !straight,
                '\u{2013}' | '\u{2014}' if before.is_whitespace() && !straight => {
                    let length = after.take_while(char::is_ascii_alphanumeric).count();
                    if length > 0 {
                        edits.push(Edit::replace(place, if length > 1 { "--" } else { "-" }));
                    }
                }
                '\u{201c}' | '\u{201d}' if !straight => edits.push(Edit::replace(place, "\"")),
                '\u{2018}' | '\u{2019}'
                    if !straight && (before.is_whitespace() || "=[,".contains(before)) =>
                {
                    edits.push(Edit::replace(place, "'"));
                }
                _ => {}
            }
            before = letter;
        }
        // A curved quote that opens needs one that closes.
        let quotes = edits.iter().filter(|edit| edit.text == "\"").count();
        if quotes % 2 == 1 {
            edits.retain(|edit| edit.text != "\"");
        }
        let (Some(first), Some(last)) = (edits.first(), edits.last()) else {
            continue;
        };
        let span = Span::new(first.start, last.end);
        report
            .add(span, "typographic dashes or quotes")
            .fix("write those of the keyboard", edits);
    }
}
