//! What must hold for any file: nothing panics, places are places, and neither the formatter nor the fixer
//! changes what would be built.

use kiln_dockerfile::{PlanOptions, SourceFile, parse, plan};
use kiln_lint::output::{Format, Linted, render};
use kiln_lint::{Facts, Options, fix, format, lint, meaning};
use proptest::prelude::*;

fn line() -> impl Strategy<Value = String> {
    let words = [
        "FROM debian",
        "from",
        "FROM x AS y",
        "RUN",
        "run",
        "COPY",
        "ADD",
        "ENV",
        "ARG",
        "LABEL",
        "ONBUILD",
        "HEALTHCHECK",
        "CMD",
        "EXPOSE",
        "USER",
        "WORKDIR",
        "SHELL",
        "--from=0",
        "--mount=type=cache,target=/a",
        "<<EOF",
        "<<-'X'",
        "EOF",
        "X",
        "\\\n",
        "\n",
        "# check=skip=all\n",
        "# hadolint ignore=DL3008\n",
        "# note\n",
        "[\"a\",\"b\"]",
        "a=b",
        "$x",
        "${x:-$y}",
        "\"q",
        "'",
        "AS",
        "as",
        "scratch",
        "80/tcp",
        "/a",
        ".",
        "ä",
        "\t",
        "  ",
        "=",
        "apt-get install",
        "apk add",
        "pip install",
        "yum install",
        "&&",
        "|",
        ";",
        "$(",
        ")",
        "`",
        "“",
        "—",
        "wget",
        "cd",
        "sudo",
        "curl",
        "useradd -u 1234567",
    ];
    let word = proptest::sample::select(words.to_vec());
    proptest::collection::vec(word, 0..9).prop_map(|words| words.join(" "))
}

/// Lints, fixes, formats and prints.
fn all_of_it(text: &[u8]) -> Result<(), TestCaseError> {
    let (facts, options) = (Facts::default(), Options::default());
    let source = SourceFile::new("Dockerfile", text.to_vec());
    let findings = lint(&source, &parse(&source), &facts, &options);
    for finding in &findings {
        prop_assert!(
            finding.span.start <= finding.span.end && finding.span.end <= text.len(),
            "{:?}",
            finding
        );
        for edit in finding.fix.iter().flat_map(|fix| &fix.edits) {
            prop_assert!(
                edit.start <= edit.end && edit.end <= text.len(),
                "{:?}",
                finding
            );
        }
    }
    let file = [Linted {
        source: source.clone(),
        findings,
    }];
    for format in [
        Format::Tty,
        Format::Json,
        Format::Sarif,
        Format::Junit,
        Format::Gitlab,
        Format::Checkstyle,
    ] {
        let out = render(&file, format);
        // JSON may hold characters that a terminal would obey; what reads it decides what it shows.
        let shown = matches!(format, Format::Tty | Format::Junit | Format::Checkstyle);
        prop_assert!(
            !shown || !out.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t'))
        );
    }
    let once = fix(&source, &facts, &options, true);
    let again = fix(
        &SourceFile::new("Dockerfile", once.text.clone()),
        &facts,
        &options,
        true,
    );
    prop_assert_eq!(
        String::from_utf8_lossy(&again.text),
        String::from_utf8_lossy(&once.text)
    );
    same_shape(text, &once.text)?;

    let formatted = format(&source);
    let twice = format(&SourceFile::new("Dockerfile", formatted.clone()));
    prop_assert_eq!(
        String::from_utf8_lossy(&twice),
        String::from_utf8_lossy(&formatted)
    );
    let after = parse(&SourceFile::new("Dockerfile", formatted));
    prop_assert_eq!(meaning(&after.file), meaning(&parse(&source).file));
    Ok(())
}

/// A fix may change what a RUN does, and MAINTAINER into a label, but no stage, base or dependency.
fn same_shape(before: &[u8], after: &[u8]) -> Result<(), TestCaseError> {
    let shape = |text: &[u8]| {
        let parsed = parse(&SourceFile::new("Dockerfile", text.to_vec()));
        if parsed.has_errors() {
            return None;
        }
        let plan = plan(&parsed.file, &PlanOptions::default()).ok()?;
        Some(
            plan.stages
                .iter()
                .map(|stage| {
                    (
                        stage.index,
                        stage.base.clone(),
                        stage.deps.clone(),
                        stage.steps.len(),
                    )
                })
                .collect::<Vec<_>>(),
        )
    };
    if let Some(shape_before) = shape(before) {
        prop_assert_eq!(Some(shape_before), shape(after));
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        all_of_it(&bytes)?;
    }

    #[test]
    fn any_lines_are_taken(lines in proptest::collection::vec(line(), 0..10)) {
        all_of_it(format!("FROM x\n{}", lines.join("\n")).as_bytes())?;
        all_of_it(lines.join("\n").as_bytes())?;
    }
}

#[test]
fn a_layout_is_made_and_kept() {
    let text = "\n\n# syntax=x\nfrom a as b  \n  run   echo  'a  b' \\ \n      && c\n#note\ncopy   a  \\\n b   /c/\n\n\n\ncmd [\"a\",\"b\"]\nfrom b\nRUN <<EOF\n  a  \nEOF\nlabel a=1 \\\n# c\n  b=2";
    let expected = "# syntax=x\nFROM a AS b\nRUN echo  'a  b' \\\n      && c\n#note\nCOPY a  \\\n    b   /c/\n\nCMD [\"a\", \"b\"]\n\nFROM b\nRUN <<EOF\n  a  \nEOF\nLABEL a=1 \\\n    # c\n    b=2\n";
    let out = format(&SourceFile::new("Dockerfile", text));
    // The syntax directive was a mere comment below blank lines; lifting it would make it one.
    let out = String::from_utf8(out).unwrap();
    assert_eq!(out, text, "a directive must not come to life");
    let text = text.trim_start();
    let out = String::from_utf8(format(&SourceFile::new("Dockerfile", text))).unwrap();
    assert_eq!(out, expected);
}
