//! Which package has a file: the `Contents` indexes of a repository.
//!
//! Source: "DebianRepository/Format", section "Contents indices": lines of a path without a slash in front and,
//! behind the last blank, packages with their sections, separated by commas.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};

/// The most bytes of a line that are looked at: paths are far shorter.
const MAX_LINE: u64 = 1 << 16;

/// Adds the packages that have the libraries in `found` where the dynamic linker looks.
pub(super) fn find(
    content: impl Read,
    found: &mut BTreeMap<String, Vec<String>>,
) -> io::Result<()> {
    let mut content = BufReader::with_capacity(1 << 16, content);
    let mut line = vec![];
    loop {
        line.clear();
        if content
            .by_ref()
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)?
            == 0
        {
            return Ok(());
        }
        if let Some((name, packages)) = library(&line)
            && let Some(all) = found.get_mut(name)
        {
            all.extend(packages.split(',').filter_map(package));
        }
    }
}

/// A library's name and the packages that have it, if the line is about one.
fn library(line: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    let (path, packages) = line.rsplit_once([' ', '\t'])?;
    let (directory, name) = path.trim_end().rsplit_once('/')?;
    is_searched(directory).then_some((name, packages))
}

/// `lib`, `lib64`, `lib/TRIPLET`, and the same below `usr`.
fn is_searched(directory: &str) -> bool {
    let directory = directory.strip_prefix("usr/").unwrap_or(directory);
    let mut parts = directory.split('/');
    let is_lib = parts
        .next()
        .is_some_and(|first| first == "lib" || first == "lib64" || first == "lib32");
    let triplet = parts.next().is_none_or(|second| second.contains("-linux-"));
    is_lib && triplet && parts.next().is_none()
}

/// `SECTION/NAME`, of which the section may be of several parts, or missing.
fn package(text: &str) -> Option<String> {
    let name = text.rsplit('/').next()?;
    kiln_packages::deb::is_package_name(name).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_found_where_the_linker_looks() {
        let text = "bin/libc.so.6                    utils/wrong\n\
                    lib/x86_64-linux-gnu/libc.so.6   libs/libc6\n\
                    usr/lib/x86_64-linux-gnu/libc.so.6 libs/libc6,contrib/libs/libc6-other\n\
                    usr/lib/x86_64-linux-gnu/app/libc.so.6 libs/private\n\
                    usr/x86_64-linux-gnu/lib/libc.so.6 libs/cross\n\
                    usr/lib64/ld-linux-x86-64.so.2\tlibs/libc6\n\
                    usr/lib/a b.so libs/blank\n\
                    no package\nusr/lib/libc.so.6 ../../evil\n\n";
        let mut found = BTreeMap::new();
        for name in [
            "libc.so.6",
            "ld-linux-x86-64.so.2",
            "a b.so",
            "libabsent.so.1",
        ] {
            found.insert(name.to_owned(), vec![]);
        }
        find(text.as_bytes(), &mut found).unwrap();
        assert_eq!(
            found["libc.so.6"],
            ["libc6", "libc6", "libc6-other", "evil"]
        );
        assert_eq!(found["ld-linux-x86-64.so.2"], ["libc6"]);
        assert_eq!(found["a b.so"], ["blank"]);
        assert!(found["libabsent.so.1"].is_empty());
    }

    #[test]
    fn endless_lines_end() {
        let mut found = BTreeMap::from([("x".to_owned(), vec![])]);
        let long = vec![b'a'; 1 << 20];
        find(&long[..], &mut found).unwrap();
        assert!(found["x"].is_empty());
    }
}
