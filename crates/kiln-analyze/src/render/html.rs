//! An analysis as one HTML file that needs nothing else: no network, no fonts, no libraries.
//!
//! The page is in English and in Chinese; a button changes over, and the browser's language decides at
//! first. Everything that comes from the image is data beside the script and becomes text, never markup, and a
//! content security policy lets the page load nothing.

use serde_json::json;

use super::text::{self, TextOptions};
use crate::analysis::Analysis;
use crate::cause::{Cause, Language};
use crate::treemap::Treemap;

const STYLE: &str = include_str!("report.css");
const SCRIPT: &str = include_str!("report.js");

/// The page.
#[must_use]
pub fn render(analysis: &Analysis, treemap: &Treemap) -> String {
    let causes = Cause::ALL.map(|cause| {
        let texts = [Language::English, Language::Chinese]
            .map(|language| json!([cause.title(language), cause.fix(language)]));
        (cause.key(), json!({"en": texts[0], "zh": texts[1]}))
    });
    let causes: serde_json::Map<String, serde_json::Value> = causes
        .into_iter()
        .map(|(key, texts)| (key.to_owned(), texts))
        .collect();
    let chinese_fixes = analysis.findings.iter().map(|finding| {
        finding
            .cause
            .fix_for(finding.step.as_deref(), Language::Chinese)
    });
    let chinese_fixes: Vec<String> = chinese_fixes.collect();
    let data = json!({
        "analysis": analysis, "treemap": treemap, "causes": causes, "fixesZh": chinese_fixes,
    });
    let title = escape(&format!("{} — kiln analyze", analysis.name));
    let plain = escape(&text::render(analysis, TextOptions::default()));
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <noscript><pre>{plain}</pre></noscript>\n<main id=\"page\"></main>\n\
         <script type=\"application/json\" id=\"data\">{}</script>\n<script>\n{SCRIPT}</script>\n\
         </body>\n</html>\n",
        in_script(&data.to_string()),
    )
}

/// JSON that cannot end the script element it stands in (HTML standard, section 4.12.1.3).
fn in_script(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_cannot_end_a_script() {
        let json = super::in_script("{\"a\":\"</script><script>\"}");
        assert!(!json.contains('<'));
        let back: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(back["a"], "</script><script>");
    }
}
