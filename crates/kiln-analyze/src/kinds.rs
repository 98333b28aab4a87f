//! Files that an image can often do without, told by their paths.
//!
//! Sources: the file hierarchy standard 3.0, sections 4.11 (`/usr/share`) and 5.5 (`/var/cache`), and the
//! documentation of the package managers for the places of their caches. Licences are never
//! among them: whoever passes an image on must pass them on, too.

use crate::cause::Cause;

/// Below these, everything is of the kind.
const PLACES: &[(&[u8], Cause)] = &[
    (b"etc/apk/cache/", Cause::PackageCache),
    (b"opt/conda/pkgs/", Cause::PackageCache),
    (b"usr/local/share/.cache/", Cause::PackageCache),
    (b"var/cache/apk/", Cause::PackageCache),
    (b"var/cache/apt/", Cause::PackageCache),
    (b"var/cache/debconf/", Cause::PackageCache),
    (b"var/cache/dnf/", Cause::PackageCache),
    (b"var/cache/libdnf5/", Cause::PackageCache),
    (b"var/cache/pacman/", Cause::PackageCache),
    (b"var/cache/yum/", Cause::PackageCache),
    (b"var/cache/zypp/", Cause::PackageCache),
    (b"var/lib/apt/lists/", Cause::PackageCache),
    (b"var/lib/pacman/sync/", Cause::PackageCache),
    (b"tmp/", Cause::Temporary),
    (b"var/tmp/", Cause::Temporary),
    (b"usr/share/doc/", Cause::Documentation),
    (b"usr/share/gtk-doc/", Cause::Documentation),
    (b"usr/share/help/", Cause::Documentation),
    (b"usr/share/info/", Cause::Documentation),
    (b"usr/share/man/", Cause::Documentation),
    (b"usr/local/share/doc/", Cause::Documentation),
    (b"usr/local/share/man/", Cause::Documentation),
    (b"usr/local/man/", Cause::Documentation),
    (b"usr/share/i18n/", Cause::Locales),
    (b"usr/share/locale/", Cause::Locales),
    (b"usr/local/share/locale/", Cause::Locales),
    (b"usr/lib/debug/", Cause::DebugSymbols),
];

/// The same, below the home directory of any user.
const AT_HOME: &[(&[u8], Cause)] = &[
    (b".bundle/cache/", Cause::PackageCache),
    (b".cache/", Cause::PackageCache),
    (b".cargo/registry/", Cause::PackageCache),
    (b".composer/cache/", Cause::PackageCache),
    (b".gradle/caches/", Cause::PackageCache),
    (b".npm/_cacache/", Cause::PackageCache),
    (b".nuget/http-cache/", Cause::PackageCache),
    (b"go/pkg/mod/cache/", Cause::PackageCache),
];

/// The kind of the file at `path`, a path in the form of [`kiln_layer::Entry::path`].
#[must_use]
pub fn kind_of(path: &[u8]) -> Option<Cause> {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or(path);
    if is_licence(name) {
        return None;
    }
    let below = |places: &[(&[u8], Cause)], path: &[u8]| {
        let place = places.iter().find(|(place, _)| path.starts_with(place));
        place.map(|(_, cause)| *cause)
    };
    if let Some(cause) = below(PLACES, path) {
        return (cause != Cause::Locales || !is_kept_locale(path)).then_some(cause);
    }
    if let Some(cause) = at_home(path).and_then(|rest| below(AT_HOME, rest)) {
        return Some(cause);
    }
    let mut directories = path.split(|byte| *byte == b'/').rev().skip(1);
    if directories.any(|directory| directory == b".git") {
        return Some(Cause::VersionControl);
    }
    by_name(path, name)
}

fn at_home(path: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = path.strip_prefix(b"root/") {
        return Some(rest);
    }
    let rest = path.strip_prefix(b"home/")?;
    let slash = rest.iter().position(|byte| *byte == b'/')?;
    Some(&rest[slash + 1..])
}

/// `copyright` of Debian, `LICENSE-MIT`, `COPYING.LIB`, `NOTICE` …
fn is_licence(name: &[u8]) -> bool {
    let lower = name.to_ascii_lowercase();
    let words: [&[u8]; 5] = [b"copyright", b"licen", b"copying", b"notice", b"authors"];
    words.iter().any(|word| lower.starts_with(word))
}

/// `locale.alias` is configuration, `C` and `en` are what programs fall back to.
fn is_kept_locale(path: &[u8]) -> bool {
    let mut parts = path
        .split(|byte| *byte == b'/')
        .skip_while(|part| *part != b"locale");
    let language = parts.nth(1).unwrap_or_default();
    let is_english =
        language == b"en" || language.starts_with(b"en_") || language.starts_with(b"en@");
    language == b"locale.alias" || language.starts_with(b"C") || is_english
}

fn by_name(path: &[u8], name: &[u8]) -> Option<Cause> {
    let dot = name
        .iter()
        .rposition(|byte| *byte == b'.')
        .filter(|dot| *dot > 0)?;
    match &name[dot + 1..] {
        b"pyc" | b"pyo" => Some(Cause::ByteCode),
        b"debug" | b"dwo" | b"dwp" => Some(Cause::DebugSymbols),
        // Not every `.a` is an archive of objects, but what lies among libraries is.
        b"a" | b"la" if path.windows(3).any(|part| part == b"lib") => Some(Cause::StaticLibrary),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_tell_the_kind() {
        for (path, kind) in [
            ("var/lib/apt/lists/x_InRelease", Some(Cause::PackageCache)),
            ("root/.cache/pip/http/a", Some(Cause::PackageCache)),
            ("home/app/.npm/_cacache/index", Some(Cause::PackageCache)),
            ("home/.npm/_cacache", None),
            ("tmp/x", Some(Cause::Temporary)),
            ("usr/share/doc/bash/README.gz", Some(Cause::Documentation)),
            ("usr/share/doc/bash/copyright", None),
            ("usr/share/doc/x/LICENSE.txt", None),
            ("usr/share/locale/de/LC_MESSAGES/x.mo", Some(Cause::Locales)),
            ("usr/share/locale/en_GB/LC_MESSAGES/x.mo", None),
            ("usr/share/locale/locale.alias", None),
            (
                "usr/lib/x86_64-linux-gnu/libc.a",
                Some(Cause::StaticLibrary),
            ),
            ("srv/letter.a", None),
            (
                "usr/lib/debug/.build-id/ab/cd.debug",
                Some(Cause::DebugSymbols),
            ),
            (
                "usr/lib/python3/a/__pycache__/b.cpython-313.pyc",
                Some(Cause::ByteCode),
            ),
            (
                "srv/app/.git/objects/pack/x.pack",
                Some(Cause::VersionControl),
            ),
            ("srv/app/.gitignore", None),
            ("usr/bin/.a", None),
            ("bin/sh", None),
        ] {
            assert_eq!(kind_of(path.as_bytes()), kind, "{path}");
        }
    }
}
