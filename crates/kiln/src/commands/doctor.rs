//! `kiln doctor`: what this machine offers, what that means for kiln, and how to get more.
//!
//! Each check is a function that looks at one thing and gives a verdict. What can be tried is tried.

mod host;
mod sandbox;
mod storage;

use std::process::ExitCode;

use serde::Serialize;

use super::Context;
use crate::ui::{self, report::Report};

/// Check what this machine offers, and say how to get more
#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// How good a thing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Grade {
    /// As it should be.
    Good,
    /// kiln works, with less.
    Limited,
    /// Something that kiln is for does not work.
    Bad,
    /// Neither good nor bad.
    Note,
}

/// The verdict on one thing.
#[derive(Debug, Serialize)]
struct Verdict {
    /// The thing.
    check: &'static str,
    /// How good it is.
    grade: Grade,
    /// What was found.
    found: String,
    /// What it means here.
    means: String,
    /// How to get better.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Verdict {
    fn new(
        check: &'static str,
        grade: Grade,
        found: impl Into<String>,
        means: impl Into<String>,
    ) -> Self {
        Self {
            check,
            grade,
            found: found.into(),
            means: means.into(),
            advice: None,
        }
    }

    fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// Makes all checks. The exit code is 1 if something that kiln is for does not work.
pub(crate) fn doctor(context: &Context, args: &DoctorArgs) -> Result<ExitCode, Report> {
    let home = &context.environment.home;
    let mut verdicts = vec![host::kernel()];
    verdicts.extend(sandbox::verdicts());
    verdicts.push(host::cgroups());
    verdicts.push(host::emulators());
    verdicts.push(host::watches());
    verdicts.push(storage::file_system(home));
    verdicts.push(storage::room(home));
    verdicts.extend(storage::docker());
    let text = if args.json {
        format!("{}\n", serde_json::to_string_pretty(&verdicts)?)
    } else {
        verdicts.iter().map(render).collect()
    };
    ui::print(&text)?;
    let bad = verdicts.iter().any(|verdict| verdict.grade == Grade::Bad);
    Ok(if bad {
        ExitCode::from(1)
    } else {
        ExitCode::SUCCESS
    })
}

fn render(verdict: &Verdict) -> String {
    let mark = match verdict.grade {
        Grade::Good => "ok  ",
        Grade::Limited => "less",
        Grade::Bad => "BAD ",
        Grade::Note => "note",
    };
    let mut text = format!(
        "{mark}  {}: {}\n      {}\n",
        verdict.check, verdict.found, verdict.means
    );
    if let Some(advice) = &verdict.advice {
        text.push_str(&format!("      better: {advice}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_what_it_means_and_what_to_do() {
        let verdict = Verdict::new(
            "disk",
            Grade::Limited,
            "1 GB free",
            "large images do not fit",
        )
        .advice("run `kiln prune`");
        assert_eq!(
            render(&verdict),
            "less  disk: 1 GB free\n      large images do not fit\n      better: run `kiln prune`\n"
        );
    }
}
