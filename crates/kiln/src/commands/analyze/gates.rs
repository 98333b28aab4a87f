//! The rules that an image is held against.

use std::io::ErrorKind;

use kiln_analyze::Analysis;
use kiln_analyze::dive::DiveNumbers;
use kiln_analyze::dive::gate::{DiveRules, Verdict};
use kiln_analyze::gate::{Outcome, Rule};

use super::AnalyzeArgs;
use crate::commands::Context;
use crate::ui::{report::Report, size::Size};

/// What was asked for.
pub(super) struct Rules {
    own: Vec<Rule>,
    pub(super) dive: Option<DiveRules>,
}

/// How the image did.
pub(super) struct Gates {
    pub(super) rules: Vec<Outcome>,
    pub(super) dive: Vec<Verdict>,
}

/// Reads the rules, before anything else is done: a mistake in them is to be known at once.
pub(super) fn read(context: &Context, args: &AnalyzeArgs) -> Result<Rules, Report> {
    let dive = match &args.dive_ci {
        None => None,
        Some(file) => {
            let path = context.environment.absolute(file);
            let is_default = file.as_os_str() == ".dive-ci";
            match std::fs::read_to_string(&path) {
                Ok(text) => Some(
                    text.parse()
                        .map_err(|error| Report::usage(format!("{}: {error}", path.display())))?,
                ),
                // As dive does: without a file its defaults hold.
                Err(error) if is_default && error.kind() == ErrorKind::NotFound => {
                    Some(DiveRules::default())
                }
                Err(error) => {
                    let message = format!("cannot read `{}`: {error}", path.display());
                    return Err(Report::new(message));
                }
            }
        }
    };
    Ok(Rules {
        own: args.fail_on.clone(),
        dive,
    })
}

impl Rules {
    pub(super) fn evaluate(&self, analysis: &Analysis, numbers: Option<&DiveNumbers>) -> Gates {
        let dive = self.dive.as_ref().zip(numbers);
        Gates {
            rules: self
                .own
                .iter()
                .map(|rule| rule.evaluate(analysis))
                .collect(),
            dive: dive
                .map(|(rules, numbers)| rules.evaluate(numbers))
                .unwrap_or_default(),
        }
    }
}

impl Gates {
    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.dive.is_empty()
    }

    pub(super) fn passed(&self) -> bool {
        self.rules.iter().all(|rule| rule.passed)
            && self
                .dive
                .iter()
                .all(|verdict| verdict.passed != Some(false))
    }

    /// A line for each rule.
    pub(super) fn lines(&self) -> Vec<String> {
        let word = |passed| if passed { "PASS" } else { "FAIL" };
        let own = self.rules.iter().map(|rule| {
            let (bytes, percent) = (Size(rule.bytes), rule.ratio * 100.0);
            format!(
                "{}  {}: {bytes}, {percent:.1} %",
                word(rule.passed),
                rule.rule
            )
        });
        let dive = self.dive.iter().map(|verdict| {
            let word = verdict.passed.map_or("SKIP", word);
            format!("{word}  {}: {}", verdict.rule, verdict.text)
        });
        own.chain(dive).collect()
    }
}
