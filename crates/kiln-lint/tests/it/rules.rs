//! Every rule against its own examples, and its page against the file in the documentation.

use crate::linted;
use kiln_lint::{Facts, Options, Rule, Severity, pages, rules};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn found(rule: &Rule, text: &str) -> BTreeSet<&'static str> {
    let mut options = Options::default();
    options
        .add_hadolint(rule.example_config)
        .expect("the example's configuration");
    let facts = (rule.example_facts)();
    linted(text, &facts, &options)
        .iter()
        .map(|finding| finding.rule.code)
        .collect()
}

#[test]
fn examples_show_what_the_rule_is_about() {
    for rule in rules() {
        assert!(
            found(rule, rule.bad).contains(rule.code),
            "{}: the bad example is not found",
            rule.code
        );
        assert!(
            !found(rule, rule.good).contains(rule.code),
            "{}: the good example is found",
            rule.code
        );
    }
}

#[test]
fn rules_have_one_code_each_and_all_their_texts() {
    let codes: Vec<&str> = rules().map(|rule| rule.code).collect();
    let names: BTreeSet<&str> = rules().map(|rule| rule.name).collect();
    assert_eq!(codes.iter().collect::<BTreeSet<_>>().len(), codes.len());
    assert_eq!(names.len(), codes.len(), "names are unique too");
    for rule in rules() {
        assert!(
            !rule.summary.is_empty() && !rule.summary.ends_with('.'),
            "{}",
            rule.code
        );
        assert!(rule.why.ends_with('.'), "{}", rule.code);
        for other in rule.same {
            assert!(codes.contains(other), "{} names {other}", rule.code);
        }
    }
    let count = |prefix: &str| codes.iter().filter(|code| code.starts_with(prefix)).count();
    assert_eq!(count("DL"), 72, "hadolint's 71, and parse errors");
}

#[test]
fn rules_that_are_off_need_a_severity() {
    let options = Options::default();
    for rule in rules().filter(|rule| rule.severity == Severity::Ignore) {
        let findings = linted(rule.bad, &Facts::default(), &options);
        assert!(
            findings.iter().all(|finding| finding.rule != rule),
            "{}",
            rule.code
        );
    }
}

fn documentation() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("because crates lie two folders deep");
    root.join("docs/reference/lint")
}

#[test]
fn pages_are_those_of_the_source() {
    let folder = documentation();
    let mut expected: BTreeSet<String> = BTreeSet::from(["README.md".to_string()]);
    let same = |name: &str, text: &str| {
        let written = std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        assert_eq!(written, text, "{name} is old: run `cargo xtask lint-docs`");
    };
    same("README.md", &pages::index());
    for rule in rules() {
        let name = format!("{}.md", rule.code);
        same(&name, &pages::page(rule));
        expected.insert(name);
    }
    let entries = std::fs::read_dir(&folder).expect("the folder of pages");
    for entry in entries {
        let name = entry
            .expect("an entry")
            .file_name()
            .to_string_lossy()
            .into_owned();
        assert!(expected.contains(&name), "{name} belongs to no rule");
    }
}
