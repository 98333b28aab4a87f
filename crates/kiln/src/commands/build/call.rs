//! `--call`: what a Dockerfile says about itself, instead of a build.
//!
//! The methods and their JSON are those of `docker build --call`. Source: BuildKit, `frontend/subrequests` (`lint`,
//! `outline`, `targets`), where places are `{"ranges": [{"start": {"line": N}, "end": {"line": N}}]}`, lines from 1.

use std::process::ExitCode;

use kiln_dockerfile::outline::{Asked, Outline, Target, outline, targets};
use kiln_dockerfile::platform::PlatformParts;
use kiln_dockerfile::{Diagnostic, Dockerfile, PlanOptions, SourceFile, Span};
use kiln_oci::Platform;
use serde_json::{Value, json};

use super::BuildArgs;
use super::inputs::Inputs;
use super::options::build_args;
use crate::commands::Context;
use crate::ui::table::Table;
use crate::ui::{self, report::Report};

/// What is asked instead of a build, and how it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    method: Method,
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Method {
    Check,
    Outline,
    Targets,
}

impl Call {
    /// `--check`, or `--call METHOD[,format=json]`; nothing for a build.
    pub(super) fn of(args: &BuildArgs) -> Result<Option<Self>, Report> {
        let Some(spec) = &args.call else {
            let (method, json) = (Method::Check, false);
            return Ok(args.check.then_some(Self { method, json }));
        };
        let mut fields = spec.split(',');
        let method = match fields.next().unwrap_or_default() {
            "build" => None,
            "check" | "lint" => Some(Method::Check),
            "outline" => Some(Method::Outline),
            "targets" => Some(Method::Targets),
            other => {
                return Err(Report::usage(format!(
                    "--call {other}: expected build, check, outline or targets"
                )));
            }
        };
        let mut json = false;
        for field in fields {
            match field.split_once('=') {
                Some(("format", "json")) => json = true,
                Some(("format", "text")) => json = false,
                _ => {
                    return Err(Report::usage(format!(
                        "--call {spec}: expected format=json or format=text, not `{field}`"
                    )));
                }
            }
        }
        Ok(method.map(|method| Self { method, json }))
    }

    /// Answers on standard output.
    pub(super) fn answer(
        self,
        context: &Context,
        args: &BuildArgs,
        inputs: &Inputs,
        dockerfile: &Dockerfile,
        warnings: Vec<Diagnostic>,
    ) -> Result<ExitCode, Report> {
        let source = &inputs.dockerfile;
        match self.method {
            Method::Check => {
                let findings = super::check::findings(inputs, dockerfile, warnings, args);
                if !self.json {
                    return super::check::show(source, &findings);
                }
                print(&lint_json(&findings, source))?;
                super::check::verdict(&findings)
            }
            Method::Outline => {
                let asked = outline(dockerfile, &plan_options(context, args, inputs)?);
                let outline = asked.map_err(|errors| {
                    errors
                        .iter()
                        .for_each(|error| ui::note(&error.render(source)));
                    Report::new("the Dockerfile has errors")
                })?;
                match self.json {
                    true => print(&outline_json(&outline, source))?,
                    false => ui::print(&outline_text(&outline))?,
                }
                Ok(ExitCode::SUCCESS)
            }
            Method::Targets => {
                let targets = targets(dockerfile);
                match self.json {
                    true => print(&targets_json(&targets, source))?,
                    false => ui::print(&targets_text(&targets))?,
                }
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

fn plan_options(
    context: &Context,
    args: &BuildArgs,
    inputs: &Inputs,
) -> Result<PlanOptions, Report> {
    let parts = |platform: &Platform| PlatformParts {
        os: platform.os.clone(),
        architecture: platform.architecture.clone(),
        variant: platform.variant.clone().unwrap_or_default(),
        os_version: platform.os_version.clone().unwrap_or_default(),
    };
    let platform = args.platform.first().map(|text| text.parse()).transpose()?;
    Ok(PlanOptions {
        build_args: build_args(&args.build_arg, &context.environment),
        target: args.target.clone(),
        build_platform: parts(&Platform::host()),
        target_platform: parts(&platform.unwrap_or_else(Platform::host)),
        named_contexts: inputs.named.keys().cloned().collect(),
        ..PlanOptions::default()
    })
}

fn print(value: &Value) -> Result<(), Report> {
    Ok(ui::print(&format!("{value:#}\n"))?)
}

fn place(span: Span, source: &SourceFile) -> Value {
    let line = |offset| json!({"line": source.position(offset).line});
    // The end is behind the last character.
    let last = span.end.saturating_sub(1).max(span.start);
    json!({"ranges": [{"start": line(span.start), "end": line(last)}]})
}

fn lint_json(findings: &[Diagnostic], source: &SourceFile) -> Value {
    let warnings: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let mut warning = json!({
                "ruleName": finding.code.unwrap_or_default(),
                "detail": finding.message,
                "location": place(finding.span, source),
            });
            let mut rules = kiln_lint::rules();
            if let Some(rule) = rules.find(|rule| Some(rule.code) == finding.code) {
                warning["description"] = json!(rule.summary);
            }
            if let Some(url) = &finding.docs {
                warning["url"] = json!(url);
            }
            warning
        })
        .collect();
    let file = json!({
        "filename": source.name,
        "data": base64(source.text()),
        "language": "Dockerfile",
    });
    json!({"warnings": warnings, "sources": [file]})
}

fn outline_json(outline: &Outline, source: &SourceFile) -> Value {
    let mut value = json!({"sources": [base64(source.text())]});
    if let Some(name) = &outline.name {
        value["name"] = json!(name);
    }
    if let Some(description) = &outline.description {
        value["description"] = json!(description);
    }
    let args: Vec<Value> = outline
        .args
        .iter()
        .map(|arg| {
            let mut entry = json!({"name": arg.name, "location": place(arg.span, source)});
            if let Some(description) = &arg.description {
                entry["description"] = json!(description);
            }
            if let Some(given) = arg.value.as_ref().filter(|value| !value.is_empty()) {
                entry["value"] = json!(given);
            }
            entry
        })
        .collect();
    let asked = |list: &[Asked], key: &str| -> Vec<Value> {
        list.iter()
            .map(|one| {
                let mut entry = json!({key: one.name, "location": place(one.span, source)});
                if one.required {
                    entry["required"] = json!(true);
                }
                entry
            })
            .collect()
    };
    let lists = [
        ("args", args),
        ("secrets", asked(&outline.secrets, "name")),
        ("ssh", asked(&outline.ssh, "name")),
        // So spelt in BuildKit.
        ("cache", asked(&outline.caches, "ID")),
    ];
    for (key, list) in lists {
        if !list.is_empty() {
            value[key] = json!(list);
        }
    }
    value
}

fn outline_text(outline: &Outline) -> String {
    let mut parts = vec![];
    if outline.name.is_some() || outline.description.is_some() {
        let name = outline.name.as_deref().unwrap_or("(default)");
        let mut head = format!("TARGET:      {name}\n");
        if let Some(description) = &outline.description {
            head.push_str(&format!("DESCRIPTION: {description}\n"));
        }
        parts.push(head);
    }
    if !outline.args.is_empty() {
        let mut table = Table::new(&["BUILD ARG", "VALUE", "DESCRIPTION"]);
        for arg in &outline.args {
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            table.row(vec![
                arg.name.clone(),
                text(&arg.value),
                text(&arg.description),
            ]);
        }
        parts.push(table.render());
    }
    for (title, list) in [("SECRET", &outline.secrets), ("SSH", &outline.ssh)] {
        if !list.is_empty() {
            let mut table = Table::new(&[title, "REQUIRED"]);
            for one in list {
                let required = if one.required { "true" } else { "" };
                table.row(vec![one.name.clone(), required.to_owned()]);
            }
            parts.push(table.render());
        }
    }
    if !outline.caches.is_empty() {
        let mut table = Table::new(&["CACHE ID"]);
        for one in &outline.caches {
            table.row(vec![one.name.clone()]);
        }
        parts.push(table.render());
    }
    parts.join("\n")
}

fn targets_json(targets: &[Target], source: &SourceFile) -> Value {
    let list: Vec<Value> = targets
        .iter()
        .map(|target| {
            let mut entry = json!({"base": target.base, "location": place(target.span, source)});
            for (key, value) in [
                ("name", &target.name),
                ("description", &target.description),
                ("platform", &target.platform),
            ] {
                if let Some(value) = value {
                    entry[key] = json!(value);
                }
            }
            if target.default {
                entry["default"] = json!(true);
            }
            entry
        })
        .collect();
    json!({"targets": list, "sources": [base64(source.text())]})
}

fn targets_text(targets: &[Target]) -> String {
    let mut table = Table::new(&["TARGET", "DESCRIPTION"]);
    for target in targets {
        let name = match (&target.name, target.default) {
            (Some(name), true) => format!("{name} (default)"),
            (Some(name), false) => name.clone(),
            (None, true) => "(default)".to_owned(),
            (None, false) => String::new(),
        };
        table.row(vec![name, target.description.clone().unwrap_or_default()]);
    }
    table.render()
}

/// Source: RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let bits = group
            .iter()
            .fold(0_usize, |bits, byte| bits << 8 | usize::from(*byte));
        let bits = bits << (8 * (3 - group.len()));
        for digit in 0..4 {
            match digit <= group.len() {
                true => text.push(char::from(DIGITS[bits >> (18 - 6 * digit) & 63])),
                false => text.push('='),
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_rfc() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
