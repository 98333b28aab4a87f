//! An analysis for a terminal.

use super::{Bytes, Columns, files, line, percent};
use crate::analysis::{Amount, Analysis, Example, Finding};
use crate::cause::Language;

/// How the text is cut.
#[derive(Clone, Copy, Debug)]
pub struct TextOptions {
    /// How many findings are shown; the rest is counted.
    pub findings: usize,
    /// How many characters of a step are shown.
    pub step: usize,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self {
            findings: 10,
            step: 72,
        }
    }
}

/// The whole report.
#[must_use]
pub fn render(analysis: &Analysis, options: TextOptions) -> String {
    let mut out = summary(analysis).join("\n");
    out.push('\n');
    if !analysis.causes.is_empty() {
        out.push_str("\nWHAT COULD BE SAVED\n");
        out.push_str(&by_cause(analysis).text());
        out.push_str("\nWHERE\n");
        for finding in analysis.findings.iter().take(options.findings) {
            out.push_str(&describe(finding, analysis, options));
        }
        let more = analysis.findings.len().saturating_sub(options.findings);
        if more > 0 {
            out.push_str(&format!("  … and {more} more; --all shows them\n"));
        }
    }
    out.push_str("\nLAYERS\n");
    out.push_str(&layers(analysis, options.step).text());
    out
}

/// The first lines.
pub(super) fn summary(analysis: &Analysis) -> Vec<String> {
    let whole = analysis.stored.bytes;
    let amount = |amount: Amount| {
        format!(
            "{} ({}), about {} compressed, {}",
            Bytes(amount.bytes),
            percent(amount.bytes, whole),
            Bytes(amount.compressed),
            files(amount.files),
        )
    };
    let mut lines = vec![
        format!(
            "{}  {}  {}",
            analysis.name,
            analysis.platform,
            analysis.digest.short()
        ),
        format!(
            "size        {} in {}, {}; {} compressed",
            Bytes(whole),
            files(analysis.stored.files),
            super::layers(analysis.layers.len()),
            Bytes(analysis.compressed),
        ),
        format!("efficiency  {:.1} %", analysis.efficiency * 100.0),
        format!(
            "waste       {}: stored, but seen by no container",
            amount(analysis.waste)
        ),
        format!(
            "optional    {}: seen, but perhaps not needed",
            amount(analysis.optional)
        ),
    ];
    if let (Some(base), Some(parts)) = (&analysis.base, &analysis.parts) {
        let part = |part: &crate::analysis::Part| {
            format!(
                "{} ({} compressed), of which it wastes {}",
                Bytes(part.stored.bytes),
                Bytes(part.compressed),
                Bytes(part.waste.bytes)
            )
        };
        lines.push(format!(
            "base        {}: {}, {}",
            base.name,
            super::layers(base.layers),
            part(&parts.base)
        ));
        lines.push(format!("own         {}", part(&parts.own)));
    }
    lines
}

/// The sums.
pub(super) fn by_cause(analysis: &Analysis) -> Columns {
    let mut columns = Columns::new(&["CAUSE", ">BYTES", ">PART", ">COMPRESSED", ">FILES", "KIND"]);
    for total in &analysis.causes {
        columns.row(vec![
            total.cause.title(Language::English).to_owned(),
            Bytes(total.amount.bytes).to_string(),
            percent(total.amount.bytes, analysis.stored.bytes),
            Bytes(total.amount.compressed).to_string(),
            super::thousands(total.amount.files),
            if total.waste { "waste" } else { "optional" }.to_owned(),
        ]);
    }
    columns
}

fn describe(finding: &Finding, analysis: &Analysis, options: TextOptions) -> String {
    let step = |number: usize| {
        let step = analysis.layers[number].step.as_deref();
        line(step.unwrap_or("(no history)"), options.step)
    };
    let mut out = format!(
        "  {}  {}, {}\n    in layer {}: {}\n",
        Bytes(finding.amount.bytes),
        finding.cause.title(Language::English),
        files(finding.amount.files),
        finding.layer,
        step(finding.layer),
    );
    if finding.by != finding.layer {
        out.push_str(&format!(
            "    by layer {}: {}\n",
            finding.by,
            step(finding.by)
        ));
    }
    for example in finding.examples.iter().take(3) {
        out.push_str(&format!("      {}\n", example_line(example)));
    }
    out.push_str(&format!("    fix: {}\n", finding.fix));
    out
}

pub(super) fn example_line(example: &Example) -> String {
    let path = line(&example.path, 120);
    match &example.same_as {
        None => format!("/{path}  {}", Bytes(example.bytes)),
        Some(other) => format!(
            "/{path}  {}, as /{}",
            Bytes(example.bytes),
            line(other, 120)
        ),
    }
}

/// All layers. `step` characters of each step are shown.
pub(super) fn layers(analysis: &Analysis, step: usize) -> Columns {
    let mut columns = Columns::new(&[
        "LAYER",
        ">BYTES",
        ">COMPRESSED",
        ">FILES",
        ">HIDDEN",
        ">WASTES",
        "STEP",
    ]);
    for layer in &analysis.layers {
        let mark = if layer.from_base { " base" } else { "" };
        columns.row(vec![
            format!("{}{mark}", layer.number),
            Bytes(layer.stored.bytes).to_string(),
            Bytes(layer.compressed).to_string(),
            super::thousands(layer.stored.files),
            Bytes(layer.hidden.bytes).to_string(),
            Bytes(layer.wastes.bytes).to_string(),
            line(layer.step.as_deref().unwrap_or("(no history)"), step),
        ]);
    }
    columns
}
