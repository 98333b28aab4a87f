//! Who owns a package's files, and under which licence, as its `copyright` file says.
//!
//! Source: "Machine-readable debian/copyright file", version 1.0. Many packages have free text instead;
//! those say nothing here.

use super::stanza::{Stanza, StanzaError, Stanzas};

/// A machine-readable copyright file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Copyright {
    /// What the package is called upstream.
    pub upstream_name: Option<String>,
    /// Where it comes from.
    pub upstream_source: Option<String>,
    /// Its files by groups.
    pub files: Vec<CopyrightFiles>,
}

/// A group of files under one licence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopyrightFiles {
    /// Patterns of paths in the source package.
    pub patterns: Vec<String>,
    /// The licence's short name or an expression of several, in Debian's own words (`GPL-2+`).
    pub license: String,
}

impl Copyright {
    /// The licences, each once, in the order of their files.
    #[must_use]
    pub fn licenses(&self) -> Vec<&str> {
        let mut licenses: Vec<&str> = vec![];
        for files in &self.files {
            if !licenses.contains(&files.license.as_str()) {
                licenses.push(&files.license);
            }
        }
        licenses
    }
}

/// Whether a file claims to be machine-readable.
#[must_use]
pub fn is_machine_readable(text: &[u8]) -> bool {
    let begin = &text[..text.len().min(400)];
    let begin = String::from_utf8_lossy(begin).to_ascii_lowercase();
    let mut lines = begin.lines();
    lines.any(|line| line.starts_with("format:") && line.contains("copyright-format"))
}

/// Reads a copyright file; nothing for one in free text.
///
/// # Errors
/// When a file that claims to be machine-readable is not.
pub fn parse_copyright(text: &[u8]) -> Result<Option<Copyright>, StanzaError> {
    if !is_machine_readable(text) {
        return Ok(None);
    }
    let mut stanzas = Stanzas::new(text);
    let header = stanzas.next().transpose()?.unwrap_or_default();
    let owned = |field| header.get(field).map(str::to_owned);
    let mut copyright = Copyright {
        upstream_name: owned("Upstream-Name"),
        upstream_source: owned("Source"),
        files: vec![],
    };
    for stanza in stanzas {
        copyright.files.extend(files(&stanza?));
    }
    Ok(Some(copyright))
}

fn files(stanza: &Stanza) -> Option<CopyrightFiles> {
    let patterns = stanza.get("Files")?;
    let license = stanza.get("License")?.lines().next()?.trim();
    Some(CopyrightFiles {
        patterns: patterns.split_whitespace().map(str::to_owned).collect(),
        license: license.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_listed() {
        let text = b"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
            Upstream-Name: hello\n\nFiles: *\nCopyright: me\nLicense: GPL-3+\n\n\
            Files: doc/*\n lib/*\nCopyright: you\nLicense: MIT\n text of it\n\n\
            Files: x\nCopyright: me\nLicense: GPL-3+\n\nLicense: GPL-3+\n long text\n";
        let copyright = parse_copyright(text).unwrap().unwrap();
        assert_eq!(copyright.upstream_name.as_deref(), Some("hello"));
        assert_eq!(copyright.licenses(), ["GPL-3+", "MIT"]);
        assert_eq!(copyright.files[1].patterns, ["doc/*", "lib/*"]);
    }

    #[test]
    fn free_text_says_nothing() {
        assert_eq!(parse_copyright(b"This is free software.\n").unwrap(), None);
        assert_eq!(parse_copyright(b"").unwrap(), None);
        let broken = b"Format: copyright-format/1.0\n\nFiles\n";
        assert!(parse_copyright(broken).is_err());
    }
}
