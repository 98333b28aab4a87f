//! The lists in a package's `control.tar`: `md5sums` and `conffiles`.
//!
//! Source: `deb-md5sums(5)`, `deb-conffiles(5)`.

/// A list with a line that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of `{list}` makes no sense: `{text}`")]
pub struct InvalidList {
    /// Which list.
    pub list: &'static str,
    /// The line, counted from one.
    pub line: usize,
    /// Its text, cut if it is long.
    pub text: String,
}

impl InvalidList {
    fn new(list: &'static str, at: usize, text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&text[..text.len().min(80)]).into_owned();
        Self {
            list,
            line: at + 1,
            text,
        }
    }
}

fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = text.split(|byte| *byte == b'\n').enumerate();
    lines.filter(|(_, line)| !line.trim_ascii().is_empty())
}

/// Whether a path is relative and stays below the root.
fn is_below(path: &[u8]) -> bool {
    !path.is_empty()
        && path
            .split(|byte| *byte == b'/')
            .all(|part| !part.is_empty() && part != b"..")
}

/// The digests of a package's files by their paths without a leading slash.
///
/// # Errors
/// When a line is not 32 hexadecimal digits, two blanks and a path that stays below the root.
pub fn md5sums(text: &[u8]) -> Result<Vec<(String, Vec<u8>)>, InvalidList> {
    let read = |line: &[u8]| {
        let (digest, rest) = line.split_at_checked(32)?;
        let path = rest
            .strip_prefix(b"  ")
            .or_else(|| rest.strip_prefix(b" *"))?;
        let path = path.strip_prefix(b"./").unwrap_or(path);
        let digest = std::str::from_utf8(digest).ok()?.to_ascii_lowercase();
        let is_hex = digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_hex && is_below(path)).then(|| (digest, path.to_vec()))
    };
    lines(text)
        .map(|(at, line)| read(line).ok_or_else(|| InvalidList::new("md5sums", at, line)))
        .collect()
}

/// The configuration files of a package without a leading slash. Those that are only to be removed on
/// upgrade are left out.
///
/// # Errors
/// When a line is not an absolute path that stays below the root.
pub fn conffiles(text: &[u8]) -> Result<Vec<Vec<u8>>, InvalidList> {
    let mut paths = vec![];
    for (at, line) in lines(text) {
        let line = line.trim_ascii_end();
        if line.starts_with(b"remove-on-upgrade ") {
            continue;
        }
        let path = line.strip_prefix(b"/").filter(|path| is_below(path));
        let path = path.ok_or_else(|| InvalidList::new("conffiles", at, line))?;
        paths.push(path.to_vec());
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5sums_are_read() {
        let digest = "d41d8cd98f00b204e9800998ecf8427e";
        let text = format!("{digest}  usr/bin/a b\n{digest} *./etc/x\n");
        let sums = md5sums(text.as_bytes()).unwrap();
        assert_eq!(sums[0], (digest.to_owned(), b"usr/bin/a b".to_vec()));
        assert_eq!(sums[1].1, b"etc/x");
        for bad in [
            "d41d8cd9  x",
            "zz1d8cd98f00b204e9800998ecf8427e  x",
            "d41d8cd98f00b204e9800998ecf8427e  /etc/x",
            "d41d8cd98f00b204e9800998ecf8427e  ../x",
            "d41d8cd98f00b204e9800998ecf8427e x",
        ] {
            let error = md5sums(format!("\n{bad}\n").as_bytes()).unwrap_err();
            assert_eq!(error.line, 2, "{bad}");
        }
    }

    #[test]
    fn conffiles_are_read() {
        let text = b"/etc/a\nremove-on-upgrade /etc/old\n/etc/b c\n";
        assert_eq!(
            conffiles(text).unwrap(),
            [b"etc/a".to_vec(), b"etc/b c".to_vec()]
        );
        for bad in ["etc/a", "/etc/../../x", "/", "//etc"] {
            assert!(conffiles(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
