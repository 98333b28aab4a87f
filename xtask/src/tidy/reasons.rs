//! Every third-party crate in the workspace's manifest has its reason in the line above it.

use super::tree::{Finding, Tree};

const RULE: &str = "dependency-reason";
const MANIFEST: &str = "Cargo.toml";

/// Looks at `[workspace.dependencies]` of the root manifest.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let Some(text) = tree.text(MANIFEST) else {
        return vec![Finding::new(
            RULE,
            MANIFEST,
            0,
            "the root manifest is missing",
        )];
    };
    let mut findings = Vec::new();
    let mut inside = false;
    let mut reason_above = false;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.starts_with('[') {
            inside = line == "[workspace.dependencies]";
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            let ours = name == "kiln" || name.starts_with("kiln-");
            if !ours && !reason_above {
                let message = format!("`{name}`: say in a comment above why it was let in");
                findings.push(Finding::new(RULE, MANIFEST, index + 1, message));
            }
        }
        reason_above = line
            .strip_prefix('#')
            .is_some_and(|reason| !reason.trim().is_empty());
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_without_a_reason_is_found() {
        let text = "[workspace.dependencies]\nkiln-oci = { path = \"x\" }\n# why a\na = \"1\"\n\
                    b = \"1\"\n\n#\nc = \"1\"\n[profile.dev]\nd = 1\n";
        let lines: Vec<_> = check(&Tree::of(&[("Cargo.toml", text)]))
            .into_iter()
            .map(|f| f.line)
            .collect();
        assert_eq!(lines, [5, 8]);
        assert_eq!(check(&Tree::of(&[])).len(), 1);
    }
}
