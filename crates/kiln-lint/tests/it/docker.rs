//! The checks: what each reports, where, and what it leaves alone.

use crate::parsed;
use kiln_dockerfile::ignore::IgnoreFile;
use kiln_dockerfile::platform::PlatformParts;
use kiln_dockerfile::scope::BaseConfig;
use kiln_dockerfile::{PlanOptions, Severity, SourceFile};
use kiln_lint::{CheckOptions, Facts, ImageFacts, check};

fn facts() -> Facts {
    Facts {
        plan: PlanOptions {
            build_platform: PlatformParts::linux("amd64", ""),
            target_platform: PlatformParts::linux("amd64", ""),
            ..PlanOptions::default()
        },
        ..Facts::default()
    }
}

/// Findings as `line rule`.
fn found_with(text: &str, facts: &Facts) -> Vec<String> {
    let source = SourceFile::new("Dockerfile", text);
    check(&source, &parsed(text).file, facts)
        .iter()
        .map(|finding| {
            let line = source.position(finding.span.start).line;
            format!("{line} {}", finding.code.unwrap_or(&finding.message))
        })
        .collect()
}

fn found(text: &str) -> Vec<String> {
    found_with(text, &facts())
}

#[test]
fn each_rule_reports_and_leaves_alone() {
    for (text, expected) in [
        ("FROM scratch AS Bad", vec!["1 StageNameCasing"]),
        ("FROM scratch AS good", vec![]),
        ("FROM scratch as a", vec!["1 FromAsCasing"]),
        ("from scratch AS a", vec!["1 FromAsCasing"]),
        ("from scratch as a", vec![]),
        (
            "FROM scratch\nRUN a \\\n\n  b",
            vec!["3 NoEmptyContinuation"],
        ),
        (
            "FROM scratch\nRUN a\nrun b",
            vec!["3 ConsistentInstructionCasing"],
        ),
        (
            "from scratch\nrun a\nRUN b",
            vec!["3 ConsistentInstructionCasing"],
        ),
        ("FROM scratch\nRun a", vec!["2 ConsistentInstructionCasing"]),
        (
            "FROM scratch AS a\nFROM scratch AS A",
            vec!["2 DuplicateStageName", "2 StageNameCasing"],
        ),
        ("FROM scratch AS scratch", vec!["1 ReservedStageName"]),
        ("FROM scratch AS context", vec!["1 ReservedStageName"]),
        ("FROM scratch\nCMD a", vec!["2 JSONArgsRecommended"]),
        ("FROM scratch\nENTRYPOINT a", vec!["2 JSONArgsRecommended"]),
        ("FROM scratch\nCMD [\"a\"]", vec![]),
        ("FROM scratch\nSHELL [\"a\"]\nCMD a", vec![]),
        ("FROM scratch AS a\nSHELL [\"a\"]\nFROM a\nCMD a", vec![]),
        ("FROM scratch\nMAINTAINER a", vec!["2 MaintainerDeprecated"]),
        ("FROM a:${x:-1}", vec!["1 UndefinedArgInFrom"]),
        ("ARG x\nFROM a:${x:-1}", vec![]),
        (
            "FROM --platform=$BUILDPLATFROM a",
            vec!["1 UndefinedArgInFrom"],
        ),
        (
            "FROM scratch\nWORKDIR a\nWORKDIR b",
            vec!["2 WorkdirRelativePath"],
        ),
        ("FROM scratch\nWORKDIR /a\nWORKDIR b", vec![]),
        ("FROM scratch AS a\nWORKDIR /a\nFROM a\nWORKDIR b", vec![]),
        ("FROM scratch\nCOPY $foo .", vec!["2 UndefinedVar"]),
        ("FROM scratch\nARG foo\nCOPY $foo .", vec![]),
        ("FROM scratch\nRUN $foo", vec![]),
        ("FROM unknown\nCOPY $foo .", vec![]),
        (
            "FROM unknown\nARG foo=1\nCOPY $fooo .",
            vec!["3 UndefinedVar"],
        ),
        ("FROM scratch\nENV PATH=$PATHH:/x", vec!["2 UndefinedVar"]),
        ("FROM scratch\nARG a=$TARGETARCH", vec!["2 UndefinedVar"]),
        ("FROM scratch\nARG TARGETARCH\nARG a=$TARGETARCH", vec![]),
        (
            "FROM scratch\nCMD [\"a\"]\nCMD [\"b\"]",
            vec!["2 MultipleInstructionsDisallowed"],
        ),
        (
            "FROM scratch\nHEALTHCHECK NONE\nHEALTHCHECK NONE\nHEALTHCHECK NONE",
            vec![
                "2 MultipleInstructionsDisallowed",
                "3 MultipleInstructionsDisallowed",
            ],
        ),
        (
            "FROM scratch AS a\nCMD [\"a\"]\nFROM a\nCMD [\"a\"]",
            vec![],
        ),
        ("FROM scratch\nENV a b", vec!["2 LegacyKeyValueFormat"]),
        ("FROM scratch\nLABEL a b", vec!["2 LegacyKeyValueFormat"]),
        (
            "FROM --platform=$TARGETPLATFORM a",
            vec!["1 RedundantTargetPlatform"],
        ),
        (
            "FROM --platform=${TARGETPLATFORM} a",
            vec!["1 RedundantTargetPlatform"],
        ),
        ("FROM --platform=$BUILDPLATFORM a", vec![]),
        ("FROM --platform=$TARGETPLATFORM/v2 a", vec![]),
        (
            "FROM scratch\nARG SECRET_PASSPHRASE",
            vec!["2 SecretsUsedInArgOrEnv"],
        ),
        (
            "FROM scratch\nENV password=1 x=2",
            vec!["2 SecretsUsedInArgOrEnv"],
        ),
        (
            "FROM scratch\nENV GIT_KEY= AUTH=1",
            vec!["2 SecretsUsedInArgOrEnv", "2 SecretsUsedInArgOrEnv"],
        ),
        (
            "FROM scratch\nENV PUBLIC_KEY=1 token_FILE=2 KEY_VERSION=3 monkey=4 TOKENS=5",
            vec![],
        ),
        ("ARG v\nFROM a:$v", vec!["1 InvalidDefaultArgInFrom"]),
        ("ARG v=1\nFROM a:$v", vec![]),
        (
            "ARG r=ghcr.io:443/A\nFROM $r/b",
            vec!["1 InvalidDefaultArgInFrom"],
        ),
        ("FROM ghcr.io:443/a_b/c-d:1.0@sha256:aa", vec![]),
        (
            "FROM --platform=linux/arm64 a",
            vec!["1 FromPlatformFlagConstDisallowed"],
        ),
        ("FROM --platform=linux/arm64 a AS build-arm64", vec![]),
        ("FROM --platform=linux/arm64 a AS linux-x", vec![]),
        ("FROM scratch\nEXPOSE 80/TCP", vec!["2 ExposeProtoCasing"]),
        (
            "FROM scratch\nEXPOSE 8080:80",
            vec!["2 ExposeInvalidFormat"],
        ),
        (
            "FROM scratch\nEXPOSE 127.0.0.1:8080:80/Udp",
            vec!["2 ExposeInvalidFormat", "2 ExposeProtoCasing"],
        ),
        ("FROM scratch\nEXPOSE 80/tcp 81", vec![]),
    ] {
        // The line of a finding in FROM behind a global ARG is one further down.
        let shift = text
            .lines()
            .take_while(|line| line.starts_with("ARG"))
            .count();
        let expected: Vec<String> = expected
            .iter()
            .map(|entry| match entry.split_once(' ') {
                Some(("1", rule)) => format!("{} {rule}", 1 + shift),
                _ => entry.to_string(),
            })
            .collect();
        // A build must be possible for the file to be checked as a whole: give $v a value.
        let mut facts = facts();
        facts.plan.build_args.insert("v".into(), "1".into());
        assert_eq!(found_with(text, &facts), expected, "{text}");
    }
}

#[test]
fn facts_about_images_count() {
    let mut facts = facts();
    let config = BaseConfig {
        env: vec![("foo".into(), "1".into())],
        ..BaseConfig::default()
    };
    let platform = Some(PlatformParts::linux("arm64", ""));
    facts.images.insert(
        "known".into(),
        ImageFacts {
            config,
            platform,
            digest: None,
        },
    );
    let text = "FROM known\nCOPY $foo $bar /x/\n";
    assert_eq!(
        found_with(text, &facts),
        ["1 InvalidBaseImagePlatform", "2 UndefinedVar"]
    );
    let text = "FROM --platform=linux/arm64 known AS arm64\nCOPY $foo /x/\n";
    assert_eq!(found_with(text, &facts), Vec::<String>::new());
}

#[test]
fn ignored_files() {
    for (ignore, line, expected) in [
        ("a", "COPY a /x", true),
        ("a", "ADD a /x", true),
        ("a", "COPY a/b /x", true),
        ("a", "COPY b /x", false),
        ("a", "COPY --from=other a /x", false),
        ("a", "ADD https://h/a /x", false),
        ("a\n!a/b", "COPY a /x", false),
        ("a\n!c", "COPY a /x", true),
        ("a\n!*/keep", "COPY a /x", false),
        ("*", "COPY . /x", true),
        ("**", "COPY . /x", true),
        ("a", "COPY . /x", false),
        ("*\n!a", "COPY . /x", false),
    ] {
        let ignore_file = IgnoreFile::parse(ignore.as_bytes()).unwrap();
        let facts = Facts {
            ignore: Some(ignore_file),
            ..facts()
        };
        let findings = found_with(
            &format!("FROM scratch AS other\nFROM scratch\n{line}\n"),
            &facts,
        );
        assert_eq!(
            findings == ["3 CopyIgnoredFile"],
            expected,
            "{ignore:?} {line}: {findings:?}"
        );
    }
}

#[test]
fn directives_choose() {
    let body = "FROM scratch as Base\ncopy a .\n";
    let all = [
        "FromAsCasing",
        "StageNameCasing",
        "ConsistentInstructionCasing",
    ];
    for (directive, expected) in [
        ("", vec![all[0], all[1], all[2]]),
        ("# check=skip=all\n", vec![]),
        ("# check=skip=FromAsCasing, stagenamecasing\n", vec![all[2]]),
        (
            "#check = skip=FromAsCasing;error=false\n",
            vec![all[1], all[2]],
        ),
        ("# check=skip=all\n# note\n", vec![]),
    ] {
        let text = format!("{directive}{body}");
        let names: Vec<_> = found(&text)
            .iter()
            .map(|entry| entry.split_once(' ').unwrap().1.to_string())
            .collect();
        assert_eq!(names, expected, "{directive}");
    }
    let text = format!("# check=error=true\n{body}");
    let source = SourceFile::new("Dockerfile", text.as_str());
    let findings = check(&source, &parsed(&text).file, &facts());
    assert!(
        findings
            .iter()
            .all(|finding| finding.severity == Severity::Error)
    );
    // An option given with the build replaces the file's own.
    let options = Some(CheckOptions::parse("skip=all").unwrap());
    assert_eq!(
        found_with(body, &Facts { options, ..facts() }),
        Vec::<String>::new()
    );
    let text = "# check=nope=1\nFROM scratch\n";
    assert_eq!(
        found(text),
        ["1 invalid check option \"nope\"; use skip=, error= or experimental="]
    );
}

#[test]
fn single_instructions_can_be_let_off() {
    let text = "FROM scratch\nENV a b\n# check=skip=LegacyKeyValueFormat\nENV c d\n\n# check=skip=all\n\nENV e f\n";
    assert_eq!(
        found(text),
        ["2 LegacyKeyValueFormat", "8 LegacyKeyValueFormat"]
    );
    let text = "# check=skip=StageNameCasing\nFROM scratch AS A\nFROM scratch as b\n";
    assert_eq!(found(text), ["3 FromAsCasing"]);
}

#[test]
fn descriptions_are_checked_on_request() {
    let body = "# foo what foo is\nARG foo=bar\n# base what base is\nFROM scratch AS base\n# wrong\nARG version=1\n#\nARG bit=1\n# other\n\nARG a=1\n# other\nARG a=1 b=2\n# any\nCOPY a b\n";
    assert_eq!(found(body), Vec::<String>::new());
    for experimental in ["InvalidDefinitionDescription", "all"] {
        let text = format!("# check=experimental={experimental}\n{body}");
        assert_eq!(
            found(&text),
            [
                "7 InvalidDefinitionDescription",
                "14 InvalidDefinitionDescription"
            ],
            "{experimental}"
        );
    }
}

#[test]
fn findings_say_what_to_do() {
    let text = "FROM scratch AS Bad\n";
    let source = SourceFile::new("Dockerfile", text);
    let finding = &check(&source, &parsed(text).file, &facts())[0];
    assert_eq!(
        finding.render(&source),
        "Dockerfile:1:17: warning[StageNameCasing]: stage name \"Bad\" should be lowercase\n\
         1 | FROM scratch AS Bad\n  |                 ^^^\n  = help: call it bad\n  \
         = see: https://docs.docker.com/go/dockerfile/rule/stage-name-casing/\n"
    );
}
