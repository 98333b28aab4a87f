//! What counts: the configuration file that is found, then the variables that hadolint reads, then the
//! command line.

use std::path::{Path, PathBuf};

use kiln_lint::rule::Family;
use kiln_lint::{FailOn, Options, Severity};

use super::{LintArgs, find};
use crate::environment::Environment;
use crate::ui::report::Report;

/// The files that are looked for in a directory; the first that is there counts.
const NAMES: [&str; 3] = ["kiln-lint.toml", ".hadolint.yaml", ".hadolint.yml"];

/// Everything together.
pub(super) fn options(environment: &Environment, args: &LintArgs) -> Result<Options, Report> {
    let mut options = Options::default();
    let path = match &args.config {
        Some(path) => Some(environment.absolute(path)),
        None => search(&environment.directory),
    };
    if let Some(path) = path {
        read(&mut options, &path)?;
    }
    from_environment(&mut options, environment)?;
    from_arguments(&mut options, args)?;
    Ok(options)
}

/// Looks in a directory and those above, as far as the repository goes.
fn search(directory: &Path) -> Option<PathBuf> {
    for folder in directory.ancestors() {
        let found = NAMES
            .iter()
            .map(|name| folder.join(name))
            .find(|path| path.is_file());
        if found.is_some() || folder.join(".git").exists() {
            return found;
        }
    }
    None
}

fn read(options: &mut Options, path: &Path) -> Result<(), Report> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Report::new(format!("cannot read `{}`: {error}", path.display())))?;
    let own = path.extension().is_some_and(|end| end == "toml");
    let result = if own {
        options.add_toml(&text)
    } else {
        options.add_hadolint(&text)
    };
    result.map_err(|error| {
        let mut message = format!("{}: {error}", path.display());
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            message.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        Report::usage(message)
    })
}

fn from_environment(options: &mut Options, environment: &Environment) -> Result<(), Report> {
    let list = |name: &str| -> Vec<String> {
        let text = environment.variable(name).unwrap_or_default();
        let words = text
            .split(',')
            .map(str::trim)
            .filter(|word| !word.is_empty());
        words.map(str::to_owned).collect()
    };
    let switch = |name: &str| {
        let text = environment
            .variable(name)
            .unwrap_or_default()
            .to_ascii_lowercase();
        matches!(text.as_str(), "1" | "y" | "on" | "true" | "yes")
    };
    options.ignored.extend(list("HADOLINT_IGNORE"));
    options
        .trusted_registries
        .extend(list("HADOLINT_TRUSTED_REGISTRIES"));
    for label in list("HADOLINT_REQUIRE_LABELS") {
        require(options, &label)?;
    }
    let severities = [
        ("HADOLINT_OVERRIDE_ERROR", Severity::Error),
        ("HADOLINT_OVERRIDE_WARNING", Severity::Warning),
        ("HADOLINT_OVERRIDE_INFO", Severity::Info),
        ("HADOLINT_OVERRIDE_STYLE", Severity::Style),
    ];
    for (name, severity) in severities {
        options
            .severities
            .extend(list(name).into_iter().map(|code| (code, severity)));
    }
    options.strict_labels |= switch("HADOLINT_STRICT_LABELS");
    options.disable_ignore_pragma |= switch("HADOLINT_DISABLE_IGNORE_PRAGMA");
    if let Some(text) = environment.variable("HADOLINT_FAILURE_THRESHOLD") {
        let threshold = text
            .parse()
            .map_err(|error| Report::usage(format!("HADOLINT_FAILURE_THRESHOLD: {error}")))?;
        options.fail_on = Some(threshold);
    }
    if switch("HADOLINT_NOFAIL") {
        options.fail_on = Some(FailOn::Never);
    }
    if let Some(format) = environment.variable("HADOLINT_FORMAT") {
        options.format = Some(format);
    }
    Ok(())
}

fn from_arguments(options: &mut Options, args: &LintArgs) -> Result<(), Report> {
    for code in &args.ignore {
        options.ignored.insert(find(code)?.code.to_owned());
    }
    for pair in &args.severity {
        let (code, severity) = pair
            .split_once('=')
            .ok_or_else(|| Report::usage(format!("--severity {pair}: write CODE=SEVERITY")))?;
        let severity = severity
            .parse()
            .map_err(|error| Report::usage(format!("--severity {pair}: {error}")))?;
        options
            .severities
            .insert(find(code)?.code.to_owned(), severity);
    }
    if !args.only.is_empty() {
        only(options, &args.only)?;
    }
    options
        .trusted_registries
        .extend(args.trusted_registry.iter().cloned());
    for label in &args.require_label {
        require(options, label)?;
    }
    options.strict_labels |= args.strict_labels;
    options.disable_ignore_pragma |= args.disable_ignore_pragma;
    Ok(())
}

/// Leaves out every rule that is not named. One that is named by its code runs, even if it is off by default.
fn only(options: &mut Options, wanted: &[String]) -> Result<(), Report> {
    let mut families = Vec::new();
    let mut codes = Vec::new();
    for name in wanted {
        match name.parse::<Family>() {
            Ok(family) => families.push(family),
            Err(_) => codes.push(find(name)?),
        }
    }
    options.families = Family::ALL.into_iter().collect();
    for rule in kiln_lint::rules() {
        let named = codes.contains(&rule);
        if !named && !families.contains(&rule.family()) {
            options.ignored.insert(rule.code.to_owned());
        } else if named && rule.severity == Severity::Ignore {
            options
                .severities
                .entry(rule.code.to_owned())
                .or_insert(Severity::Warning);
        }
    }
    Ok(())
}

/// `label:type`.
fn require(options: &mut Options, text: &str) -> Result<(), Report> {
    let wrong = || {
        Report::usage(format!("{text:?}: write LABEL:TYPE"))
            .hint("types are text, rfc3339, semver, hash, spdx, url and email")
    };
    let (label, kind) = text.rsplit_once(':').ok_or_else(wrong)?;
    let kind = kiln_lint::LabelType::from_name(kind).ok_or_else(wrong)?;
    options.label_schema.insert(label.to_owned(), kind);
    Ok(())
}
