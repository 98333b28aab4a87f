//! The page of a rule, as it stands in `docs/reference/lint` and as `kiln lint --explain` prints it.

use crate::rule::{Family, Rule};

/// The page of a rule, in Markdown.
pub fn page(rule: &Rule) -> String {
    let origin = match rule.family() {
        Family::Docker => "a check of `docker build --check`",
        Family::Hadolint => "a rule of hadolint",
        Family::Shell => "a rule of shells, under ShellCheck's code",
        Family::Kiln => "a rule of kiln's own",
    };
    let mut out = format!(
        "# {}: {}\n\n{}.\n\n{} ({}). Severity: {}.\n\n## Why\n\n{}\n\n",
        rule.code,
        rule.name,
        rule.summary,
        capital(origin),
        rule.family().name(),
        rule.severity,
        rule.why,
    );
    if !rule.example_config.is_empty() {
        out.push_str(&format!(
            "With this `.hadolint.yaml`:\n\n```yaml\n{}```\n\n",
            rule.example_config
        ));
    }
    out.push_str(&format!(
        "## Found in\n\n```dockerfile\n{}```\n\n",
        rule.bad
    ));
    out.push_str(&format!(
        "## Put right\n\n```dockerfile\n{}```\n",
        rule.good
    ));
    if !rule.same.is_empty() {
        out.push_str(&format!("\nSays the same as: {}.\n", rule.same.join(", ")));
    }
    out.push_str(&format!(
        "\nNot here? Put `# kiln ignore={} the reason` above the instruction.\n",
        rule.code
    ));
    if rule.family() == Family::Docker {
        out = out
            .replace("`# kiln ignore=", "`# check=skip=")
            .replace(" the reason`", "`");
    }
    out
}

/// The list of all rules, in Markdown.
pub fn index() -> String {
    let mut out = String::from(
        "# The rules of `kiln lint`\n\nMade from the rules themselves by `cargo xtask lint-docs`.\n\n| rule | severity | what it wants |\n| --- | --- | --- |\n",
    );
    for rule in crate::rule::all() {
        let summary = rule.summary.replace('|', "\\|").replace('<', "&lt;");
        out.push_str(&format!(
            "| [{0}]({0}.md) | {1} | {2} |\n",
            rule.code, rule.severity, summary
        ));
    }
    out
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
