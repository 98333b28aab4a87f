//! Checkstyle's XML.

use super::{Linted, xml};
use crate::rule::Severity;

pub(super) fn checkstyle(files: &[Linted]) -> String {
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<checkstyle version=\"4.3\">\n");
    for file in files {
        out.push_str(&format!("  <file name=\"{}\">\n", xml(&file.source.name)));
        for finding in &file.findings {
            let at = file.source.position(finding.span.start);
            // Checkstyle knows error, warning, info and ignore.
            let severity = match finding.severity {
                Severity::Style => Severity::Info,
                other => other,
            };
            out.push_str(&format!(
                "    <error line=\"{}\" column=\"{}\" severity=\"{severity}\" message=\"{}\" source=\"{}\"/>\n",
                at.line,
                at.column,
                xml(&finding.message),
                finding.rule.code,
            ));
        }
        out.push_str("  </file>\n");
    }
    out.push_str("</checkstyle>\n");
    out
}
