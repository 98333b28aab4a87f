//! `kiln analyze`: where an image's bytes are, and which of them could be saved.

mod base;
mod gates;

use std::path::PathBuf;
use std::process::ExitCode;

use kiln_analyze::dive::{self, DiveNumbers};
use kiln_analyze::gate::Rule;
use kiln_analyze::render::text::TextOptions;
use kiln_analyze::render::{html, markdown, text};
use kiln_analyze::treemap::Treemap;
use kiln_analyze::waste::Layering;
use kiln_analyze::{Analysis, Subject, analysis};
use kiln_oci::Platform;
use serde_json::json;

use self::gates::Gates;
use super::Context;
use crate::registries::RegistryArgs;
use crate::transfer::look::{Places, deliver};
use crate::ui::{self, report::Report};

/// Show why an image is big, and what helps
///
/// IMAGE is a name or id of the store, an OCI layout or archive (a path, oci-layout://PATH[:TAG], docker-archive://FILE),
/// docker-daemon://NAME, or a name of a registry. Waste is what is stored and sent, but seen by no container; optional is what a
/// container sees and perhaps does not need. Ends with 1 if a rule is broken.
#[derive(Debug, clap::Args)]
pub(crate) struct AnalyzeArgs {
    /// The image, wherever it is
    image: String,
    /// Which of several platforms, for example linux/arm64
    #[arg(long)]
    platform: Option<Platform>,
    /// The image that this one is built on; found out if the image or the store tells
    #[arg(long, value_name = "IMAGE")]
    base: Option<String>,
    /// How to report
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,
    /// Write the report to a file
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Show everything that was found
    #[arg(long)]
    all: bool,
    /// A rule: KIND=RATIO,SIZE fails if both are exceeded, for example waste=5%,10MB. KIND is waste,
    /// own-waste, optional, size or a cause such as package-cache; may be repeated
    #[arg(long, value_name = "RULE")]
    fail_on: Vec<Rule>,
    /// Add the numbers that dive gives
    #[arg(long)]
    dive_compat: bool,
    /// Hold the image against a file of dive's rules [default file: .dive-ci]
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = ".dive-ci")]
    dive_ci: Option<PathBuf>,
    #[command(flatten)]
    registry: RegistryArgs,
}

/// Kinds of reports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For a terminal
    #[default]
    Text,
    /// For programs, schema 1
    Json,
    /// For a comment on a merge request
    Markdown,
    /// One page with a picture, in English and Chinese
    Html,
}

/// Reports, and says whether the image keeps the rules.
pub(crate) fn analyze(context: &Context, args: &AnalyzeArgs) -> Result<ExitCode, Report> {
    let rules = gates::read(context, args)?;
    let places = Places::open(context, &args.registry)?;
    let mut subject = places.subject(&args.image, args.platform.as_ref())?;
    subject.base = base::find(&places, &subject, args.base.as_deref())?;
    let layering = Layering::of(&subject.indexes())?;
    let analysis = analysis::of_layering(&subject, &layering);
    let wants_dive = args.dive_compat || rules.dive.is_some();
    let numbers = wants_dive.then(|| dive::numbers(&subject));
    let gates = rules.evaluate(&analysis, numbers.as_ref());
    let report = match args.format {
        Format::Text => as_text(&analysis, numbers.as_ref(), args.all),
        Format::Json => as_json(&analysis, numbers.as_ref(), &gates)?,
        Format::Markdown => as_markdown(&analysis, numbers.as_ref(), &gates),
        Format::Html => html::render(&analysis, &Treemap::of(&subject, &layering)),
    };
    deliver(&report, args.output.as_deref())?;
    // A report for programs has them, too; whoever reads the log of a pipeline sees them here.
    for line in gates.lines() {
        ui::note(&line);
    }
    Ok(ExitCode::from(u8::from(!gates.passed())))
}

fn as_text(analysis: &Analysis, numbers: Option<&DiveNumbers>, all: bool) -> String {
    let options = match all {
        true => TextOptions {
            findings: usize::MAX,
            step: 400,
        },
        false => TextOptions::default(),
    };
    let mut out = text::render(analysis, options);
    if let Some(numbers) = numbers {
        out.push_str(&format!("\nAS DIVE COUNTS\n{}\n", dive_line(numbers)));
    }
    out
}

fn dive_line(numbers: &DiveNumbers) -> String {
    format!(
        "efficiency {:.4}, wasted {} bytes, user-wasted {:.4}",
        numbers.efficiency, numbers.wasted_bytes, numbers.user_wasted_ratio
    )
}

fn as_markdown(analysis: &Analysis, numbers: Option<&DiveNumbers>, gates: &Gates) -> String {
    let mut out = markdown::render(analysis);
    if let Some(numbers) = numbers {
        out.push_str(&format!("\nAs dive counts: {}\n", dive_line(numbers)));
    }
    for line in gates.lines() {
        out.push_str(&format!("- {line}\n"));
    }
    out
}

fn as_json(
    analysis: &Analysis,
    numbers: Option<&DiveNumbers>,
    gates: &Gates,
) -> Result<String, Report> {
    let mut value = serde_json::to_value(analysis)?;
    if let Some(numbers) = numbers {
        value["dive"] = serde_json::to_value(numbers)?;
    }
    if !gates.is_empty() {
        value["gates"] =
            json!({"passed": gates.passed(), "rules": gates.rules, "dive": gates.dive});
    }
    Ok(format!("{value:#}\n"))
}

/// The analysis of a subject, for other commands.
pub(crate) fn of(subject: &Subject) -> Result<Analysis, Report> {
    Ok(analysis::analyze(subject)?)
}
