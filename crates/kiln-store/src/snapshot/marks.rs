//! How overlayfs writes down what is not there, and which of its marks this process may use.
//!
//! Source: Linux, Documentation/filesystems/overlayfs.rst, sections "whiteouts and opaque
//! directories" and "User xattr".

/// The family of extended attributes that overlayfs reads. It belongs to the key of a snapshot,
/// because a directory marked for one is not opaque to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Marks {
    /// `trusted.overlay.*`: for the machine's root.
    Trusted,
    /// `user.overlay.*`: for a user namespace, mounted with `userxattr`.
    User,
}

impl Marks {
    /// The attribute whose value `y` hides what lower layers have in a directory.
    #[must_use]
    pub fn opaque(self) -> &'static str {
        match self {
            Self::Trusted => "trusted.overlay.opaque",
            Self::User => "user.overlay.opaque",
        }
    }

    /// The attributes of what overlayfs did not copy: a directory moved by name, a file of which
    /// only the metadata is there. kiln mounts with `redirect_dir=off,metacopy=off`.
    pub(super) fn references(self) -> [&'static str; 2] {
        match self {
            Self::Trusted => ["trusted.overlay.redirect", "trusted.overlay.metacopy"],
            Self::User => ["user.overlay.redirect", "user.overlay.metacopy"],
        }
    }

    /// The letter that stands for it in a snapshot's name.
    pub(super) fn letter(self) -> char {
        match self {
            Self::Trusted => 'r',
            Self::User => 'u',
        }
    }
}

/// Whether an extended attribute is one of overlayfs's own. A layer may not bring one: it could
/// make a directory opaque or redirect it out of its place.
pub(super) fn is_overlay_mark(name: &[u8]) -> bool {
    name.starts_with(b"trusted.overlay.") || name.starts_with(b"user.overlay.")
}
