//! What findings look like, for people and for programs.

use crate::linted;
use kiln_dockerfile::SourceFile;
use kiln_lint::output::{Format, Linted, render};
use kiln_lint::{Facts, Options};
use serde_json::Value;

const TEXT: &str =
    "FROM debian:12\nRUN apt-get update && \\\n    apt-get install \"<a&b>\"\nMAINTAINER x\n";

fn rendered(text: &str, format: Format) -> String {
    let file = Linted {
        source: SourceFile::new("a/Dockerfile", text),
        findings: linted(text, &Facts::default(), &Options::default()),
    };
    render(&[file], format)
}

#[test]
fn people_see_the_line_the_reason_and_the_way_out() {
    let out = rendered(
        "FROM debian:12\nRUN apt-get install --no-install-recommends a=1\n",
        Format::Tty,
    );
    let expected = "a/Dockerfile:2:5: warning[DL3014]: apt-get install waits for an answer\n\
                    2 | RUN apt-get install --no-install-recommends a=1\n  \
                    |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n  \
                    = help: add -y\n  \
                    = why: apt-get asks before it installs, and nobody is there to answer.\n  \
                    = fix: --fix would add -y\n  \
                    = see: docs/reference/lint/DL3014.md\n";
    assert!(out.contains(expected), "{out}");
}

#[test]
fn people_are_told_once_what_two_rules_say() {
    let out = rendered(TEXT, Format::Tty);
    assert!(out.contains("[MaintainerDeprecated, DL4000]"), "{out}");
    assert_eq!(out.matches("DL4000]").count(), 1, "{out}");
}

#[test]
fn json_is_hadolints_with_places_and_fixes() {
    let value: Value = serde_json::from_str(&rendered(TEXT, Format::Json)).unwrap();
    let all = value.as_array().unwrap();
    let one = all.iter().find(|one| one["code"] == "DL3014").unwrap();
    assert_eq!((&one["line"], &one["column"]), (&2.into(), &1.into()));
    assert_eq!(one["start"]["line"], 3);
    assert_eq!(one["file"], "a/Dockerfile");
    assert_eq!(one["level"], "warning");
    let edit = &one["fix"]["edits"][0];
    let at = usize::try_from(edit["start"].as_u64().unwrap()).unwrap();
    assert_eq!(&TEXT[at - 7..at], "install");
    assert_eq!(edit["text"], " -y");
}

#[test]
fn programs_get_what_they_can_read() {
    let sarif: Value = serde_json::from_str(&rendered(TEXT, Format::Sarif)).unwrap();
    let run = &sarif["runs"][0];
    assert_eq!(sarif["version"], "2.1.0");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        assert!(rules.iter().any(|rule| rule["id"] == result["ruleId"]));
        assert!(
            result["locations"][0]["physicalLocation"]["region"]["startLine"].as_u64() >= Some(1)
        );
    }
    let gitlab: Value = serde_json::from_str(&rendered(TEXT, Format::Gitlab)).unwrap();
    let prints: std::collections::BTreeSet<&str> = gitlab
        .as_array()
        .unwrap()
        .iter()
        .map(|issue| issue["fingerprint"].as_str().unwrap())
        .collect();
    assert_eq!(prints.len(), gitlab.as_array().unwrap().len());
    for format in [Format::Junit, Format::Checkstyle] {
        let xml = rendered(TEXT, format);
        assert!(xml.starts_with("<?xml"), "{xml}");
        assert!(xml.contains("&lt;a&amp;b&gt;"), "{xml}");
        assert!(!xml.contains("<a&"), "{xml}");
    }
}

#[test]
fn nothing_found_is_still_a_document() {
    for (format, expected) in [
        (Format::Json, "[]\n"),
        (Format::Gitlab, "[]\n"),
        (Format::Tty, ""),
    ] {
        assert_eq!(rendered("FROM scratch\n", format), expected);
    }
}
