//! The two READMEs say the same: the same headings by level, the same code blocks to the letter.
//!
//! Prose cannot be compared across languages; the skeleton and the commands can, and they are what
//! drifts first.

use super::tree::{Finding, Tree};

const RULE: &str = "readme-pair";
const PAIR: [&str; 2] = ["README.md", "README.zh-CN.md"];

/// The comparable parts of a Markdown file, each with its line.
#[derive(Default)]
struct Skeleton {
    headings: Vec<(usize, usize)>,
    blocks: Vec<(usize, String)>,
}

/// Compares the READMEs, if there is at least one.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let [english, chinese] = PAIR.map(|path| tree.text(path).map(skeleton));
    match (english, chinese) {
        (None, None) => Vec::new(),
        (Some(_), None) => vec![Finding::new(RULE, PAIR[1], 0, "missing beside README.md")],
        (None, Some(_)) => vec![Finding::new(
            RULE,
            PAIR[0],
            0,
            "missing beside README.zh-CN.md",
        )],
        (Some(english), Some(chinese)) => compare(&english, &chinese),
    }
}

fn compare(english: &Skeleton, chinese: &Skeleton) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut report =
        |line, message: String| findings.push(Finding::new(RULE, PAIR[1], line, message));
    let (ours, theirs) = (&english.headings, &chinese.headings);
    let differs = ours
        .iter()
        .zip(theirs)
        .position(|(one, other)| one.1 != other.1);
    let shorter = (ours.len() != theirs.len()).then_some(ours.len().min(theirs.len()));
    if let Some(index) = differs.or(shorter) {
        let at = theirs.get(index).map_or(0, |heading| heading.0);
        report(
            at,
            format!(
                "heading {} differs from README.md in level or presence",
                index + 1
            ),
        );
    }
    for (index, (line, block)) in english.blocks.iter().enumerate() {
        match chinese.blocks.get(index) {
            Some((_, other)) if other == block => {}
            Some((at, _)) => {
                report(
                    *at,
                    format!("code block differs from that of README.md, line {line}"),
                );
            }
            None => report(
                0,
                format!("the code block of README.md, line {line}, is missing"),
            ),
        }
    }
    if let Some((at, _)) = chinese.blocks.get(english.blocks.len()) {
        report(*at, "this code block is not in README.md".to_owned());
    }
    findings
}

/// Headings are `#` lines outside fences; a fence is three or more backticks (CommonMark 4.5).
fn skeleton(text: &str) -> Skeleton {
    let mut found = Skeleton::default();
    let mut open: Option<(usize, String)> = None;
    for (index, line) in text.lines().enumerate() {
        let fence = line.trim_start().starts_with("```");
        match &mut open {
            Some(_) if fence => found.blocks.extend(open.take()),
            Some((_, block)) => {
                block.push('\n');
                block.push_str(line);
            }
            None if fence => open = Some((index + 1, line.trim().to_owned())),
            None => {
                let level = line.bytes().take_while(|byte| *byte == b'#').count();
                if level > 0 && line[level..].starts_with(' ') {
                    found.headings.push((index + 1, level));
                }
            }
        }
    }
    found.blocks.extend(open);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(english: &str, chinese: &str) -> Vec<(usize, String)> {
        let tree = Tree::of(&[(PAIR[0], english), (PAIR[1], chinese)]);
        check(&tree)
            .into_iter()
            .map(|finding| (finding.line, finding.message))
            .collect()
    }

    #[test]
    fn a_translation_passes() {
        let english = "# kiln\nHello\n## Build\n```sh\n# not a heading\nkiln build .\n```\n";
        let chinese = "# kiln\n你好\n## 构建\n```sh\n# not a heading\nkiln build .\n```\n";
        assert_eq!(found(english, chinese), []);
        assert!(check(&Tree::of(&[])).is_empty());
    }

    #[test]
    fn a_missing_readme_is_found() {
        assert_eq!(check(&Tree::of(&[(PAIR[0], "# a")])).len(), 1);
        assert_eq!(check(&Tree::of(&[(PAIR[1], "# a")])).len(), 1);
    }

    #[test]
    fn drift_is_found() {
        assert_eq!(found("# a\n## b\n", "# a\n### b\n")[0].0, 2);
        assert_eq!(found("# a\n## b\n", "# a\n").len(), 1);
        assert_eq!(found("```\nx\n```\n", "\n```\ny\n```\n")[0].0, 2);
        assert!(found("```\nx\n```\n", "")[0].1.contains("missing"));
        assert!(found("", "```\nx\n```\n")[0].1.contains("not in README.md"));
    }
}
