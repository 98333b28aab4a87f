//! DL3053: A label of type rfc3339 must be a time.

use super::labels;
use crate::finding::Report;
use crate::options::LabelType;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3053",
    name: "label-time",
    severity: Severity::Warning,
    summary: "A label of type rfc3339 must be a time",
    why: "The configuration asks for a time that programs can read.",
    bad: "FROM debian:12\nLABEL created=yesterday\n",
    good: "FROM debian:12\nLABEL created=2026-11-24T14:38:00Z\n",
    example_config: "label-schema:\n  created: rfc3339\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    labels::must_fit(
        subject,
        report,
        LabelType::Rfc3339,
        "is no time of RFC 3339",
        is_time,
    );
}

/// `2026-11-24T14:38:00[.5](Z|+01:00)`, RFC 3339 section 5.6.
fn is_time(text: &str) -> bool {
    let number = |range: std::ops::Range<usize>, least: u32, most: u32| {
        let digits = text
            .get(range)
            .filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
        digits
            .and_then(|part| part.parse::<u32>().ok())
            .is_some_and(|n| (least..=most).contains(&n))
    };
    let sign =
        |at: usize, signs: &str| text.get(at..=at).is_some_and(|found| signs.contains(found));
    let shape = sign(4, "-") && sign(7, "-") && sign(10, "Tt") && sign(13, ":") && sign(16, ":");
    let numbers = number(0..4, 0, 9999)
        && number(5..7, 1, 12)
        && number(8..10, 1, 31)
        && number(11..13, 0, 23)
        && number(14..16, 0, 59)
        && number(17..19, 0, 60);
    let Some(mut rest) = text.get(19..).filter(|_| shape && numbers) else {
        return false;
    };
    if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|letter: char| letter.is_ascii_digit());
        if rest.len() == fraction.len() {
            return false;
        }
    }
    let offset = |rest: &str| {
        let two = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        rest.strip_prefix(['+', '-'])
            .and_then(|rest| rest.split_once(':'))
            .is_some_and(|(hours, minutes)| two(hours) && two(minutes))
    };
    matches!(rest, "Z" | "z") || offset(rest)
}
