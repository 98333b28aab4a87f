//! The little XML that a store answers with: the text of elements, by their names.
//!
//! The answers that are read here are lists of flat records without attributes that matter, comments
//! or CDATA. What is not understood is missing, and a missing value is an error of whoever asked.
//!
//! Source: Amazon S3 API Reference, the responses of `ListObjectsV2`, `ListMultipartUploads`,
//! `CreateMultipartUpload`, `CompleteMultipartUpload` and "Error Responses".

/// The content of each element `name`, in order.
pub(super) fn elements<'a>(xml: &'a str, name: &str) -> Vec<&'a str> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    let mut found = vec![];
    let mut rest = xml;
    while let Some((_, after)) = rest.split_once(&open) {
        rest = after;
        // Not the beginning of a longer name.
        if !after.starts_with(['>', ' ', '/', '\n', '\r', '\t']) {
            continue;
        }
        let Some((tag, content)) = after.split_once('>') else {
            break;
        };
        if tag.ends_with('/') {
            found.push("");
            rest = content;
            continue;
        }
        let Some((content, after)) = content.split_once(&close) else {
            break;
        };
        found.push(content);
        rest = after;
    }
    found
}

/// The text of the first element `name`.
pub(super) fn text(xml: &str, name: &str) -> Option<String> {
    elements(xml, name).first().map(|content| decode(content))
}

/// A text in an element.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

fn decode(content: &str) -> String {
    let mut decoded = String::with_capacity(content.len());
    let mut rest = content;
    while let Some((before, after)) = rest.split_once('&') {
        decoded.push_str(before);
        let Some((name, after)) = after.split_once(';') else {
            decoded.push('&');
            rest = after;
            continue;
        };
        match name {
            "amp" => decoded.push('&'),
            "lt" => decoded.push('<'),
            "gt" => decoded.push('>'),
            "quot" => decoded.push('"'),
            "apos" => decoded.push('\''),
            other => match character(other) {
                Some(character) => decoded.push(character),
                None => decoded.push_str(&format!("&{other};")),
            },
        }
        rest = after;
    }
    decoded.push_str(rest);
    decoded
}

/// `#34` or `#x22`.
fn character(name: &str) -> Option<char> {
    let number = name.strip_prefix('#')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => number.parse(),
    };
    char::from_u32(code.ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_found_by_their_names() {
        let xml = "<?xml version=\"1.0\"?>\n<R xmlns=\"http://x/\"><KeyCount>2</KeyCount>\
                   <Contents><Key>a&amp;b</Key><Size>1</Size></Contents>\
                   <Contents ><Key>&#x3c;&#34;&lt;</Key></Contents><Prefix/></R>";
        let records = elements(xml, "Contents");
        assert_eq!(records.len(), 2);
        assert_eq!(text(records[0], "Key").as_deref(), Some("a&b"));
        assert_eq!(text(records[0], "Size").as_deref(), Some("1"));
        assert_eq!(text(records[1], "Key").as_deref(), Some("<\"<"));
        assert_eq!(text(records[1], "Size"), None);
        assert_eq!(text(xml, "Prefix").as_deref(), Some(""));
        assert_eq!(text(xml, "KeyCount").as_deref(), Some("2"));
    }

    #[test]
    fn what_is_broken_is_missing() {
        for xml in [
            "",
            "<Key",
            "<Key>a",
            "<Key>a</Keys>",
            "<Keys>a</Keys>",
            "</Key>",
        ] {
            assert_eq!(text(xml, "Key"), None, "{xml}");
        }
        assert_eq!(
            decode("a & b &unknown; &#xffffffff; &"),
            "a & b &unknown; &#xffffffff; &"
        );
        assert_eq!(decode(&escape("<a b=\"&\">")), "<a b=\"&\">");
    }
}
