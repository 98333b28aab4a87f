//! Agreement with hadolint: what it says of our own cases was recorded from the program itself
//! (`cargo xtask lint-agreement` does it anew), and is what kiln must say too.
//!
//! hadolint names one ShellCheck finding for each instruction, the last one; kiln names all. So each of
//! hadolint's must be among kiln's, and what kiln says beside it is not counted. Codes that kiln does not
//! have are not counted either, but listed in [`NOT_HERE`]. Every other difference is in `known.txt`, with
//! the reason.

use crate::linted;
use kiln_dockerfile::SourceFile;
use kiln_lint::{Facts, LabelType, Options, Severity, find_rule};
use std::collections::{BTreeMap, BTreeSet};

const RECORDED: &str = include_str!("../agreement/hadolint.txt");
const KNOWN: &str = include_str!("../agreement/known.txt");

/// ShellCheck's codes in the record that kiln has no rule for.
const NOT_HERE: [&str; 21] = [
    "SC1070", "SC1071", "SC1075", "SC1089", "SC1109", "SC1131", "SC2019", "SC2043", "SC2050",
    "SC2060", "SC2077", "SC2078", "SC2117", "SC2210", "SC2239", "SC2254", "SC2263", "SC2027",
    "SC2048", "SC2053", "SC2115",
];

/// A case of the record: its text, how hadolint was started, and what it said as `line:code`.
struct Case {
    text: String,
    options: Options,
    expected: BTreeSet<String>,
}

fn cases() -> Vec<Case> {
    RECORDED.split("\n---\n").map(case).collect()
}

fn case(block: &str) -> Case {
    let (input, expected) = block.trim_end().rsplit_once("\n=>").expect("a result");
    let mut options = Options::default();
    let mut lines = input.lines().peekable();
    while let Some(arguments) = lines.next_if(|line| line.starts_with('@')) {
        let words: Vec<&str> = arguments[1..].split(' ').collect();
        set(&mut options, &words);
    }
    let mut text = lines.collect::<Vec<_>>().join("\n");
    text.push('\n');
    Case {
        text,
        options,
        expected: expected.split_whitespace().map(str::to_string).collect(),
    }
}

fn set(options: &mut Options, words: &[&str]) {
    match words {
        [] => {}
        ["--trusted-registry", name, rest @ ..] => {
            options.trusted_registries.push(name.to_string());
            set(options, rest);
        }
        ["--require-label", pair, rest @ ..] => {
            let (label, kind) = pair.split_once(':').expect("label and type");
            options.label_schema.insert(
                label.to_string(),
                LabelType::from_name(kind).expect("a type"),
            );
            set(options, rest);
        }
        ["--strict-labels", rest @ ..] => {
            options.strict_labels = true;
            set(options, rest);
        }
        ["--disable-ignore-pragma", rest @ ..] => {
            options.disable_ignore_pragma = true;
            set(options, rest);
        }
        ["--warning", code, rest @ ..] | ["--error", code, rest @ ..] => {
            options
                .severities
                .insert(code.to_string(), Severity::Warning);
            set(options, rest);
        }
        other => panic!("unknown arguments {other:?}"),
    }
}

fn said(case: &Case) -> BTreeSet<String> {
    let source = SourceFile::new("Dockerfile", case.text.as_str());
    linted(&case.text, &Facts::default(), &case.options)
        .iter()
        .filter(|finding| {
            finding.rule.code.starts_with("DL") || finding.rule.code.starts_with("SC")
        })
        .map(|finding| {
            format!(
                "{}:{}",
                source.position(finding.instruction.start).line,
                finding.rule.code
            )
        })
        .collect()
}

/// What hadolint says and kiln does not (`-`), and the other way round (`+`).
fn differences(case: &Case) -> BTreeSet<String> {
    let ours = said(case);
    let shell = |entry: &&String| entry.contains(":SC");
    let mut differences = BTreeSet::new();
    for entry in &case.expected {
        let code = entry.split_once(':').map_or("", |(_, code)| code);
        if !ours.contains(entry) && !NOT_HERE.contains(&code) {
            differences.insert(format!("-{entry}"));
        }
    }
    for entry in ours.iter().filter(|entry| !shell(entry)) {
        if !case.expected.contains(entry) {
            differences.insert(format!("+{entry}"));
        }
    }
    // A shell finding where hadolint has none at all on the instruction.
    for entry in ours.iter().filter(shell) {
        let line = entry.split_once(':').map_or("", |(line, _)| line);
        let any = case
            .expected
            .iter()
            .any(|other| other.starts_with(&format!("{line}:SC")));
        if !any {
            differences.insert(format!("+{entry}"));
        }
    }
    differences
}

/// The differences that are meant: by the case's text, each with its reason.
fn known() -> BTreeMap<String, BTreeSet<String>> {
    let mut known = BTreeMap::new();
    for block in KNOWN
        .split("\n---\n")
        .filter(|block| !block.trim().is_empty())
    {
        let (input, rest) = block.trim_end().rsplit_once("\n=>").expect("differences");
        let (list, reason) = rest.split_once(" because ").expect("a reason");
        assert!(reason.len() > 10, "{input}: a reason");
        let input: Vec<&str> = input
            .lines()
            .filter(|line| !line.starts_with("##"))
            .collect();
        known.insert(
            input.join("\n"),
            list.split_whitespace().map(str::to_string).collect(),
        );
    }
    known
}

#[test]
fn kiln_says_what_hadolint_says() {
    let mut known = known();
    let mut wrong = Vec::new();
    let (mut total, mut agreed) = (0, 0);
    for block in RECORDED.split("\n---\n") {
        let input = block
            .trim_end()
            .rsplit_once("\n=>")
            .expect("a result")
            .0
            .to_string();
        let case = case(block);
        let differences = differences(&case);
        total += 1;
        agreed += usize::from(differences.is_empty());
        let meant = known.remove(&input).unwrap_or_default();
        if differences != meant {
            let list: Vec<&str> = differences.iter().map(String::as_str).collect();
            wrong.push(format!("{input}\n=> {}", list.join(" ")));
        }
    }
    assert!(
        wrong.is_empty(),
        "{agreed} of {total} agree; {} differ and should not:\n{}",
        wrong.len(),
        wrong.join("\n---\n")
    );
    assert!(
        known.is_empty(),
        "these differ no more: {:#?}",
        known.keys()
    );
    assert!(agreed * 100 >= total * 85, "{agreed} of {total}");
}

#[test]
fn codes_of_the_record_are_known_or_listed() {
    for case in cases() {
        for entry in &case.expected {
            let code = entry.split_once(':').map_or("", |(_, code)| code);
            assert!(
                find_rule(code).is_some() || NOT_HERE.contains(&code),
                "{code}"
            );
        }
    }
}
