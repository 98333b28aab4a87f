//! What must hold for any input at all.

use kiln_dockerfile::expand::{NoVariables, expand, expand_heredoc, expand_words};
use kiln_dockerfile::ignore::IgnoreFile;
use kiln_dockerfile::logical;
use kiln_dockerfile::{PlanOptions, SourceFile, parse, plan};
use proptest::prelude::*;

/// Lines that are nearly right, which get further into the parser than noise does.
fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("FROM"),
        Just("RUN"),
        Just("COPY"),
        Just("ADD"),
        Just("ENV"),
        Just("ARG"),
        Just("ONBUILD"),
        Just("HEALTHCHECK"),
        Just("CMD"),
        Just("EXPOSE"),
        Just("--from=0"),
        Just("--mount=type=cache,target=/a"),
        Just("<<EOF"),
        Just("<<-'X'"),
        Just("EOF"),
        Just("X"),
        Just("\\\n"),
        Just("\n"),
        Just("# check=skip=all\n"),
        Just("[\"a\"]"),
        Just("a=b"),
        Just("$x"),
        Just("${x:-$y}"),
        Just("${x//a/b}"),
        Just("\"q"),
        Just("'"),
        Just("AS"),
        Just("scratch"),
        Just("80/tcp"),
        Just("/a"),
        Just("."),
        Just("ä"),
        Just("\t"),
        Just("="),
    ];
    proptest::collection::vec(word, 0..8).prop_map(|words| words.join(" "))
}

/// Runs everything that takes a file, as far as it goes.
fn all_of_it(text: &[u8]) -> Result<(), TestCaseError> {
    let source = SourceFile::new("Dockerfile", text.to_vec());
    let parsed = parse(&source);
    let _ = plan(&parsed.file, &PlanOptions::default());
    for line in logical::lines(&source, parsed.file.escape()) {
        prop_assert!(line.span.end <= text.len());
        let whole = line.line.place(0..line.line.text.len());
        prop_assert!(whole.start <= whole.end && whole.end <= text.len());
    }
    for diagnostic in &parsed.diagnostics {
        prop_assert!(diagnostic.span.start <= diagnostic.span.end);
        prop_assert!(diagnostic.span.end <= text.len(), "{:?}", diagnostic);
        let rendered = diagnostic.render(&source);
        prop_assert!(rendered.starts_with("Dockerfile:"), "{}", rendered);
        let control = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        prop_assert!(!rendered.contains(control), "{:?}", rendered);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        all_of_it(&bytes)?;
    }

    #[test]
    fn any_lines_are_taken(lines in proptest::collection::vec(line(), 0..12)) {
        all_of_it(format!("FROM x\n{}", lines.join("\n")).as_bytes())?;
    }

    #[test]
    // Blanks behind `<<` do not split, so that `<< EOF` stays one word.
    fn plain_text_expands_to_itself(text in "[^$'\"\\\\`<]*") {
        let expanded = expand(&text, '\\', &NoVariables).unwrap();
        prop_assert_eq!(&expanded.value, &text);
        prop_assert_eq!(expand_heredoc(&text, &NoVariables).unwrap().value, text.clone());
        let words: Vec<&str> = text.split_whitespace().collect();
        prop_assert_eq!(expand_words(&text, '\\', &NoVariables).unwrap(), words);
    }

    #[test]
    fn any_word_is_taken(text in any::<String>()) {
        let _ = expand(&text, '\\', &NoVariables);
        let _ = expand_words(&format!("${{x:-{text}}}"), '`', &NoVariables);
        let _ = expand(&format!("${{x//{text}/{text}}}"), '\\', &NoVariables);
    }

    #[test]
    fn quoting_protects_any_text(text in "[^']*") {
        let quoted = format!("'{text}'");
        prop_assert_eq!(expand(&quoted, '\\', &NoVariables).unwrap().value, text);
    }

    #[test]
    fn any_ignore_file_is_taken(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        path in "[a-z*/]{0,20}",
    ) {
        if let Ok(file) = IgnoreFile::parse(&bytes) {
            file.is_ignored(&path, false);
            file.may_contain_included(&path);
        }
    }
}
