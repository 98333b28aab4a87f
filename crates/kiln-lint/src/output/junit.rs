//! JUnit's XML: a suite for each file, a failed case for each finding.

use super::{Linted, xml};

pub(super) fn junit(files: &[Linted]) -> String {
    let total: usize = files.iter().map(|file| file.findings.len()).sum();
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"kiln lint\" tests=\"{total}\" failures=\"{total}\">\n"
    );
    for file in files {
        let (name, count) = (xml(&file.source.name), file.findings.len());
        out.push_str(&format!(
            "  <testsuite name=\"{name}\" tests=\"{count}\" failures=\"{count}\">\n"
        ));
        for finding in &file.findings {
            let at = file.source.position(finding.span.start);
            out.push_str(&format!(
                "    <testcase classname=\"{name}\" name=\"{} line {} column {}\">\n      <failure type=\"{}\" message=\"{}\"/>\n    </testcase>\n",
                finding.rule.code,
                at.line,
                at.column,
                finding.severity,
                xml(&finding.message),
            ));
        }
        out.push_str("  </testsuite>\n");
    }
    out.push_str("</testsuites>\n");
    out
}
