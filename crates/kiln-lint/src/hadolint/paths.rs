//! Paths as they are written in COPY, ADD and WORKDIR.

/// The text without quotes around it.
pub(crate) fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some(inner) = text
            .strip_prefix(quote)
            .and_then(|rest| rest.strip_suffix(quote))
        {
            return inner;
        }
    }
    text
}

/// Whether a path does not depend on the working directory, or begins with a variable, which may hold
/// anything.
pub(crate) fn is_absolute(path: &str) -> bool {
    let path = unquoted(path);
    let drive = path.as_bytes().get(1) == Some(&b':')
        && path.starts_with(|c: char| c.is_ascii_alphabetic());
    path.starts_with(['/', '\\', '$']) || drive
}

/// What follows the last slash.
pub(crate) fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Whether a name is that of an archive or a compressed file that ADD may unpack.
pub(crate) fn is_archive(name: &str) -> bool {
    const ENDS: [&str; 22] = [
        ".tar", ".gz", ".bz2", ".xz", ".zst", ".tzst", ".tgz", ".tbz", ".tbz2", ".tb2", ".txz",
        ".tlz", ".tpz", ".tz2", ".taz", ".lz", ".lzma", ".lzo", ".Z", ".tZ", ".tar.lz", ".tar.lzo",
    ];
    ENDS.iter().any(|end| name.ends_with(end))
}

/// Whether ADD fetches it.
pub(crate) fn is_remote(path: &str) -> bool {
    let starts = ["http://", "https://", "git://", "git@", "ssh://"];
    starts.iter().any(|start| path.starts_with(start))
}
