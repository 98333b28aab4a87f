//! The checks of `docker build --check`: one file per rule, one list of them all.
//!
//! To add a rule, write a struct that implements [`Rule`] in a file of its own and put it into
//! [`RULES`]. A rule looks at a [`Subject`], in which every stage has been planned and walked once, and
//! reports what it finds; which reports count is decided here, after `# check=` directives.

mod options;
mod subject;

mod consistent_instruction_casing;
mod copy_ignored_file;
mod duplicate_stage_name;
mod expose_invalid_format;
mod expose_proto_casing;
mod from_as_casing;
mod from_platform_flag_const_disallowed;
mod invalid_base_image_platform;
mod invalid_default_arg_in_from;
mod invalid_definition_description;
mod json_args_recommended;
mod legacy_key_value_format;
mod maintainer_deprecated;
mod multiple_instructions_disallowed;
mod no_empty_continuation;
mod redundant_target_platform;
mod reserved_stage_name;
mod secrets_used_in_arg_or_env;
mod stage_name_casing;
mod undefined_arg_in_from;
mod undefined_var;
mod workdir_relative_path;

pub use options::{CheckOptions, CheckOptionsError, Selection};
pub use subject::{Subject, WalkedStage, WalkedStep};

use crate::diagnostic::{Diagnostic, Severity};
use crate::ignore::IgnoreFile;
use crate::plan::PlanOptions;
use crate::platform::PlatformParts;
use crate::scope::BaseConfig;
use crate::span::Span;
use crate::syntax::{Comment, Dockerfile};
use std::collections::BTreeMap;

/// All rules, in the order in which they are documented.
pub const RULES: [&dyn Rule; 22] = [
    &stage_name_casing::StageNameCasing,
    &from_as_casing::FromAsCasing,
    &no_empty_continuation::NoEmptyContinuation,
    &consistent_instruction_casing::ConsistentInstructionCasing,
    &duplicate_stage_name::DuplicateStageName,
    &reserved_stage_name::ReservedStageName,
    &json_args_recommended::JsonArgsRecommended,
    &maintainer_deprecated::MaintainerDeprecated,
    &undefined_arg_in_from::UndefinedArgInFrom,
    &workdir_relative_path::WorkdirRelativePath,
    &undefined_var::UndefinedVar,
    &multiple_instructions_disallowed::MultipleInstructionsDisallowed,
    &legacy_key_value_format::LegacyKeyValueFormat,
    &invalid_base_image_platform::InvalidBaseImagePlatform,
    &redundant_target_platform::RedundantTargetPlatform,
    &secrets_used_in_arg_or_env::SecretsUsedInArgOrEnv,
    &invalid_default_arg_in_from::InvalidDefaultArgInFrom,
    &from_platform_flag_const_disallowed::FromPlatformFlagConstDisallowed,
    &copy_ignored_file::CopyIgnoredFile,
    &expose_proto_casing::ExposeProtoCasing,
    &expose_invalid_format::ExposeInvalidFormat,
    &invalid_definition_description::InvalidDefinitionDescription,
];

/// A check.
pub trait Rule: Sync {
    /// Its name, which `skip=` uses: BuildKit's, in upper camel case.
    fn name(&self) -> &'static str;
    /// What it wants, as one sentence.
    fn description(&self) -> &'static str;
    /// Whether it runs only on request.
    fn experimental(&self) -> bool {
        false
    }
    /// Looks at a file.
    fn check(&self, subject: &Subject<'_>, report: &mut Report);
}

/// What a rule found.
pub struct Report {
    rule: &'static str,
    found: Vec<Diagnostic>,
}

impl Report {
    /// Reports a place. The message is one sentence without a full stop.
    pub fn add(&mut self, span: Span, message: impl Into<String>) {
        self.add_with_help(span, message, None);
    }

    /// Reports a place with a way out.
    pub fn add_with_help(&mut self, span: Span, message: impl Into<String>, help: Option<String>) {
        let mut found = Diagnostic::warning(self.rule, span, message);
        found.help = help;
        found.docs = Some(format!(
            "https://docs.docker.com/go/dockerfile/rule/{}/",
            kebab(self.rule)
        ));
        self.found.push(found);
    }
}

/// `StageNameCasing` as `stage-name-casing`, `JSONArgsRecommended` as `json-args-recommended`.
fn kebab(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    let mut out = String::new();
    for (at, letter) in letters.iter().enumerate() {
        let after_lower = at > 0 && letters[at - 1].is_ascii_lowercase();
        let before_lower = letters.get(at + 1).is_some_and(char::is_ascii_lowercase);
        if at > 0 && letter.is_ascii_uppercase() && (after_lower || before_lower) {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// What the checks may know beside the file; all of it may be missing.
#[derive(Clone, Debug, Default)]
pub struct CheckFacts {
    /// How the file would be built. The target does not count: all stages are checked.
    pub plan: PlanOptions,
    /// Options that replace the file's own `# check=` directive (`BUILDKIT_DOCKERFILE_CHECK`).
    pub options: Option<CheckOptions>,
    /// The context's ignore file, if the context is a local directory that has one.
    pub ignore: Option<IgnoreFile>,
    /// Base images and named contexts, by the name as it stands in `FROM` after expansion.
    pub images: BTreeMap<String, ImageFacts>,
}

/// What is known of a base image.
#[derive(Clone, Debug, Default)]
pub struct ImageFacts {
    /// Its config.
    pub config: BaseConfig,
    /// Its own platform.
    pub platform: Option<PlatformParts>,
}

/// Checks a file with all rules that its directives leave on. The result is in source order; with
/// `error=true` every finding is an error.
pub fn check(file: &Dockerfile, facts: &CheckFacts) -> Vec<Diagnostic> {
    let mut diagnostics = Vec::new();
    let global = match (&facts.options, &file.directives.check) {
        (Some(options), _) => options.clone(),
        (None, Some(word)) => CheckOptions::parse(&word.text).unwrap_or_else(|error| {
            diagnostics.push(Diagnostic::error(word.span, error.to_string()));
            CheckOptions::default()
        }),
        (None, None) => CheckOptions::default(),
    };
    let local = local_options(file, &mut diagnostics);
    let subject = Subject::new(file, facts);
    for rule in RULES {
        let mut report = Report {
            rule: rule.name(),
            found: Vec::new(),
        };
        rule.check(&subject, &mut report);
        for mut found in report.found {
            // In source order, so the last one that begins at or before the finding is the only candidate.
            let next = local.partition_point(|(span, _)| span.start <= found.span.start);
            let own = local[..next]
                .last()
                .filter(|(span, _)| holds(*span, found.span));
            let allowed = |options: &CheckOptions| options.allows(rule.name(), rule.experimental());
            let merged = own.map(|(_, own)| global.merged(own));
            let options = merged.as_ref().unwrap_or(&global);
            if allowed(options) {
                if options.error {
                    found.severity = Severity::Error;
                }
                diagnostics.push(found);
            }
        }
    }
    diagnostics.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.code));
    diagnostics
}

fn holds(outer: Span, inner: Span) -> bool {
    outer.start <= inner.start && inner.start < outer.end.max(outer.start + 1)
}

/// The options of single instructions: `# check=` comments directly above them.
fn local_options(
    file: &Dockerfile,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<(Span, CheckOptions)> {
    let stages = file.stages.iter().flat_map(|stage| {
        let own = std::iter::once((stage.span, &stage.comments));
        own.chain(
            stage
                .instructions
                .iter()
                .map(|step| (step.span, &step.comments)),
        )
    });
    let globals = file.global_args.iter().map(|arg| (arg.span, &arg.comments));
    let mut all = Vec::new();
    for (span, comments) in globals.chain(stages) {
        for comment in comments {
            // The file's own directive may stand directly above the first instruction.
            let directive = file.directives.check.as_ref();
            if directive.is_some_and(|word| holds(comment.span, word.span)) {
                continue;
            }
            match directive_of(comment).map(CheckOptions::parse) {
                Some(Ok(options)) => all.push((span, options)),
                Some(Err(error)) => {
                    diagnostics.push(Diagnostic::error(comment.span, error.to_string()));
                }
                None => {}
            }
        }
    }
    all
}

/// What follows `check=` in a comment.
fn directive_of(comment: &Comment) -> Option<&str> {
    let (key, value) = comment.text.split_once('=')?;
    key.trim()
        .eq_ignore_ascii_case("check")
        .then_some(value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_addresses() {
        for (name, expected) in [
            ("StageNameCasing", "stage-name-casing"),
            ("JSONArgsRecommended", "json-args-recommended"),
            ("SecretsUsedInArgOrEnv", "secrets-used-in-arg-or-env"),
        ] {
            assert_eq!(kebab(name), expected);
        }
    }

    #[test]
    fn rules_are_listed_once() {
        let mut names: Vec<_> = RULES.iter().map(|rule| rule.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), RULES.len());
        assert!(RULES.iter().all(|rule| !rule.description().ends_with('.')));
    }
}
