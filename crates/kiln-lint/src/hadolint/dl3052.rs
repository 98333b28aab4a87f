//! DL3052: A label of type url must be an address.

use super::labels;
use crate::finding::Report;
use crate::options::LabelType;
use crate::rule::{Rule, Severity};
use crate::subject::Subject;

/// See the module.
pub(super) static RULE: Rule = Rule {
    code: "DL3052",
    name: "label-url",
    severity: Severity::Warning,
    summary: "A label of type url must be an address",
    why: "The configuration asks for an address here, and whoever follows it gets nowhere.",
    bad: "FROM debian:12\nLABEL source=example\n",
    good: "FROM debian:12\nLABEL source=https://example.com/\n",
    example_config: "label-schema:\n  source: url\n",
    check,
    ..Rule::BLANK
};

fn check(subject: &Subject<'_>, report: &mut Report) {
    labels::must_fit(subject, report, LabelType::Url, "is no address", is_uri);
}

/// A scheme and a colon, and no character that RFC 3986 leaves out.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else {
        return false;
    };
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let allowed =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(letter)
        && rest.bytes().all(allowed)
}
