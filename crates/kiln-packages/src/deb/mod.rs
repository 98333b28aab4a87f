//! Debian packages: what a repository, a `.deb` and an installed system say about them.
//!
//! Sources: Debian Policy chapters 5 (control fields) and 7 (relationships), `deb(5)`,
//! `deb-control(5)`, `deb-version(7)`, and the repository format on the Debian wiki ("DebianRepository/Format").

mod archive;
mod checksums;
mod copyright;
mod date;
mod index;
mod md5;
mod relation;
mod release;
mod stanza;
mod status;
mod version;

pub use archive::{Deb, DebError, Part, PartKind};
pub use checksums::{InvalidList, conffiles, md5sums};
pub use copyright::{Copyright, CopyrightFiles, is_machine_readable, parse_copyright};
pub use date::parse_date;
pub use index::{InvalidPackage, MultiArch, Package, Source};
pub use md5::Md5;
pub use relation::{Alternatives, ArchQualifier, InvalidRelation, Operator, Relation, Relations};
pub use release::{IndexFile, InvalidRelease, Release};
pub use stanza::{Stanza, StanzaError, Stanzas};
pub use status::{InvalidStatus, Selection, State, Status, Want};
pub use version::{InvalidVersion, Version};

/// Whether `name` can be a package's name: at least two of `a-z`, `0-9`, `+`, `-` and `.`, the first a
/// letter or a digit (Policy 5.6.7). Names become file names (`/var/lib/dpkg/info/NAME.list`), so all
/// else is refused.
#[must_use]
pub fn is_package_name(name: &str) -> bool {
    let inner =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let mut bytes = name.bytes();
    let first = bytes.next();
    first.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && name.len() >= 2
        && name.len() <= 256
        && bytes.all(inner)
}

/// Whether `name` can be an architecture: `amd64`, `all`, `kfreebsd-amd64` (Policy 5.6.8 and 11.1).
#[must_use]
pub fn is_architecture(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && !name.starts_with('-')
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}
