//! The Dockerfile language: whatever the bytes are, everything that takes a file takes them, places
//! stay inside of the text, and what is printed holds no control codes.

#![no_main]

use kiln_dockerfile::expand::{NoVariables, expand, expand_words};
use kiln_dockerfile::ignore::IgnoreFile;
use kiln_dockerfile::scope::BaseConfig;
use kiln_dockerfile::{Origin, PlanOptions, SourceFile, StageScope, parse, parse_trigger, plan};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    file(bytes);
    let text = String::from_utf8_lossy(bytes);
    words(&text);
    ignore(bytes, &text);
});

/// Parses, plans and evaluates a file.
fn file(bytes: &[u8]) {
    let source = SourceFile::new("Dockerfile", bytes);
    let parsed = parse(&source);
    for diagnostic in &parsed.diagnostics {
        assert!(diagnostic.span.start <= diagnostic.span.end);
        assert!(diagnostic.span.end <= bytes.len());
        let shown = diagnostic.render(&source);
        assert!(!shown.contains(|c: char| c.is_control() && c != '\n' && c != '\t'));
    }
    let Ok(plan) = plan(&parsed.file, &PlanOptions::default()) else { return };
    let mut ends: Vec<Option<StageScope>> = vec![None; parsed.file.stages.len()];
    for stage in &plan.stages {
        let mut scope = match stage.base {
            Origin::Stage(base) => {
                let parent = ends[base].as_ref().expect("a base is planned before what is built on it");
                StageScope::on_stage(stage.index, parent)
            }
            _ => StageScope::on_image(&plan, stage.index, &BaseConfig::default()),
        };
        for step in &stage.steps {
            if let Ok(evaluated) = scope.evaluate(&step.instruction) {
                let _ = evaluated.history();
            }
        }
        ends[stage.index] = Some(scope);
    }
}

/// Small languages inside of words.
fn words(text: &str) {
    let _ = expand(text, '\\', &NoVariables);
    let _ = expand_words(text, '`', &NoVariables);
    let _ = parse_trigger(text, kiln_dockerfile::Span::default());
    let _ = kiln_dockerfile::git::GitSource::parse_context(text);
    let _ = kiln_dockerfile::chmod::Mode::parse(text).map(|mode| mode.apply(0o644, true));
    let _ = kiln_dockerfile::duration::parse(text);
}

/// The first line as a path, the rest as an ignore file; a walker and a single question agree.
fn ignore(bytes: &[u8], text: &str) {
    let Ok(file) = IgnoreFile::parse(bytes) else { return };
    let path = text.lines().next().unwrap_or_default().trim_matches('/');
    if path.is_empty() || path == "." || path.contains("//") {
        return;
    }
    let mut ancestors = file.root();
    for (at, _) in path.match_indices('/') {
        ancestors = file.enter(&ancestors, &path[..at]);
    }
    assert_eq!(file.is_ignored(path, false), file.is_ignored_in(&ancestors, path));
}
