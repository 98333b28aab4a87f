//! Where a package's file goes, and whether it goes anywhere.
//!
//! Debian's systems have had one `/usr` since release 12: `/bin`, `/sbin` and the `/lib…` are links into
//! it, and a file that a package has in `/bin` lands in `/usr/bin` (Debian Technical Committee, bug
//! #978636). An image has no links while its layers are made, so paths are changed here, and the last
//! layer has the links.

use crate::spec::Drop;

/// The directories that are links into `/usr`.
pub(super) const MERGED: &[&[u8]] = &[
    b"bin", b"lib", b"lib32", b"lib64", b"libo32", b"libx32", b"sbin",
];

/// The path under which `path` is in the image.
pub(super) fn placed(path: Vec<u8>) -> Vec<u8> {
    let first = path.split(|byte| *byte == b'/').next().unwrap_or_default();
    match MERGED.contains(&first) {
        true => [b"usr/", &path[..]].concat(),
        false => path,
    }
}

/// Whether the wishes leave `path` out.
pub(super) fn is_dropped(path: &[u8], wishes: &[Drop]) -> bool {
    wishes.iter().any(|wish| match wish {
        Drop::Docs => is_doc(path) && !is_copyright(path),
        Drop::Copyright => is_copyright(path),
        Drop::Man => is_below(path, b"usr/share/man"),
        Drop::Locales => is_below(path, b"usr/share/locale") || is_below(path, b"usr/share/i18n"),
    })
}

fn is_doc(path: &[u8]) -> bool {
    let in_other = [
        &b"usr/share/info"[..],
        b"usr/share/doc-base",
        b"usr/share/bug",
        b"usr/share/lintian",
    ];
    if in_other.iter().any(|directory| is_below(path, directory)) {
        return true;
    }
    // The directories themselves stay: copyright files are in them, or links to others.
    is_below(path, b"usr/share/doc") && path.split(|byte| *byte == b'/').count() > 4
}

/// `usr/share/doc/NAME/copyright`.
fn is_copyright(path: &[u8]) -> bool {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    parts.len() == 5 && is_below(path, b"usr/share/doc") && parts[4].starts_with(b"copyright")
}

fn is_below(path: &[u8], directory: &[u8]) -> bool {
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_beside_usr_is_in_it() {
        for (from, to) in [
            ("bin/sh", "usr/bin/sh"),
            ("bin", "usr/bin"),
            ("lib64/ld.so", "usr/lib64/ld.so"),
            ("library/x", "library/x"),
            ("usr/bin/env", "usr/bin/env"),
            ("opt/bin/x", "opt/bin/x"),
            ("", ""),
        ] {
            assert_eq!(placed(from.as_bytes().to_vec()), to.as_bytes(), "{from}");
        }
    }

    #[test]
    fn wishes_leave_out_what_they_name() {
        let all = [Drop::Docs, Drop::Man, Drop::Locales];
        for (path, dropped) in [
            ("usr/share/doc", false),
            ("usr/share/doc/libc6", false),
            ("usr/share/doc/libc6/copyright", false),
            ("usr/share/doc/libc6/changelog.Debian.gz", true),
            ("usr/share/doc/libc6/examples/copyright", true),
            ("usr/share/man/man1/ls.1.gz", true),
            ("usr/share/manual", false),
            ("usr/share/locale/de", true),
            ("usr/share/lintian/overrides/x", true),
            ("usr/bin/man", false),
        ] {
            assert_eq!(is_dropped(path.as_bytes(), &all), dropped, "{path}");
        }
        assert!(is_dropped(b"usr/share/doc/x/copyright", &[Drop::Copyright]));
        assert!(!is_dropped(b"usr/share/doc/x/copyright", &[]));
    }
}
