//! The mirror that this machine takes its own packages from.
//!
//! Source: `sources.list(5)`, both of its forms, and `os-release(5)`.

use std::path::Path;

/// The mirror of a machine that runs Debian; others have other packages.
pub(super) fn own_mirror() -> Option<String> {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !release.lines().any(|line| line == "ID=debian") {
        return None;
    }
    let directory = Path::new("/etc/apt/sources.list.d");
    let mut paths: Vec<_> = std::fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    paths.sort();
    paths.insert(0, "/etc/apt/sources.list".into());
    paths.iter().find_map(|path| {
        let text = std::fs::read_to_string(path).ok()?;
        match path
            .extension()
            .is_some_and(|extension| extension == "sources")
        {
            true => of_stanzas(&text),
            false => of_lines(&text),
        }
    })
}

/// Whether an address is that of a whole Debian: of security updates alone, nothing can be made.
fn fits(url: &str) -> bool {
    let is_web = url.starts_with("http://") || url.starts_with("https://");
    is_web && url.trim_end_matches('/').ends_with("/debian")
}

/// `deb [options] URL suite component…`
fn of_lines(text: &str) -> Option<String> {
    let mut lines = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("deb "));
    lines.find_map(|line| {
        let rest = match line.trim_start().strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => line,
        };
        let url = rest.split_whitespace().next()?;
        fits(url).then(|| url.to_owned())
    })
}

/// `URIs: URL…` of a stanza with `Types: deb`.
fn of_stanzas(text: &str) -> Option<String> {
    text.split("\n\n").find_map(|stanza| {
        let field = |name: &str| {
            let mut lines = stanza.lines();
            lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        };
        let is_binary = field("Types")?.split_whitespace().any(|kind| kind == "deb");
        let mut urls = field("URIs")?.split_whitespace();
        let url = urls.find(|url| fits(url))?;
        is_binary.then(|| url.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read() {
        let lines = "# deb http://a/debian x\ndeb-src http://b/debian x main\n\
                     deb [signed-by=/x arch=amd64] http://c/debian-security x main\n\
                     deb [signed-by=/x] http://d/debian/ x main\n";
        assert_eq!(of_lines(lines).as_deref(), Some("http://d/debian/"));
        assert_eq!(of_lines("deb cdrom:[x]/ x main\ndeb [ x\n"), None);
        let stanzas = "Types: deb-src\nURIs: http://a/debian\n\nTypes: deb deb-src\n# a comment\n\
                       URIs: ftp://b/debian http://c/debian\nSuites: x\n";
        assert_eq!(of_stanzas(stanzas).as_deref(), Some("http://c/debian"));
        assert_eq!(of_stanzas("Types: deb\n"), None);
    }
}
