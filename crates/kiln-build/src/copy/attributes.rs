//! `--chown` and `--chmod`: who owns what is copied, and with which permissions.

use kiln_dockerfile::chmod::Mode;
use kiln_layer::{Entry, Kind, Tree};
use kiln_run::{UserError, resolve_owner};

/// Owner and permissions that replace those of the source.
#[derive(Debug, Clone, Default)]
pub(crate) struct Attributes {
    /// User and group.
    pub(crate) owner: Option<(u32, u32)>,
    /// Permissions.
    pub(crate) mode: Option<Mode>,
    /// The time of every entry, or the latest that it may have.
    pub(crate) time: Times,
}

/// What becomes of the times of copied entries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Times {
    /// As in the source.
    #[default]
    Keep,
    /// All the same.
    Exactly(i64),
    /// As in the source, but not later than this.
    AtMost(i64),
}

/// `--chown` or `--chmod` that cannot be obeyed.
#[derive(Debug, thiserror::Error)]
pub enum AttributeError {
    /// A user or group that the image does not have.
    #[error("cannot change the owner to `{owner}`")]
    Owner {
        /// As written.
        owner: String,
        /// What is wrong with it.
        #[source]
        source: UserError,
    },
    /// Not a mode.
    #[error("`{mode}` is not a mode: write octal digits (`755`) or symbols (`u=rwX,go=rX`)")]
    Mode {
        /// As written.
        mode: String,
    },
}

impl Attributes {
    /// Reads `--chown` and `--chmod`. Names are looked up in `tree`, the image that is copied to.
    ///
    /// # Errors
    /// See [`AttributeError`].
    pub(crate) fn parse(
        chown: Option<&str>,
        chmod: Option<&str>,
        tree: &Tree,
    ) -> Result<Self, AttributeError> {
        let owner = chown.filter(|owner| !owner.is_empty()).map(|owner| {
            resolve_owner(tree, owner).map_err(|source| AttributeError::Owner {
                owner: owner.to_owned(),
                source,
            })
        });
        let mode = chmod.map(|mode| {
            Mode::parse(mode).map_err(|_| AttributeError::Mode {
                mode: mode.to_owned(),
            })
        });
        Ok(Self {
            owner: owner.transpose()?,
            mode: mode.transpose()?,
            time: Times::Keep,
        })
    }

    /// Changes a copied entry.
    pub(crate) fn apply(&self, entry: &mut Entry) {
        if let Some((uid, gid)) = self.owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        if let Some(mode) = &self.mode
            && !matches!(entry.kind, Kind::Symlink { .. })
        {
            entry.mode = mode.apply(entry.mode, entry.kind == Kind::Directory);
        }
        self.apply_time(entry);
    }

    /// A directory that a copy makes on the way to something: with the owner that was asked for, and an octal
    /// mode without its set-id and sticky bits.
    pub(crate) fn new_directory(&self, path: &[u8]) -> Entry {
        let octal = self.mode.as_ref().and_then(Mode::octal);
        let mut entry = Entry::directory(path, octal.map_or(0o755, |mode| mode & 0o777));
        if let Some((uid, gid)) = self.owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        entry
    }

    /// Changes only the time, for directories that were there before.
    pub(crate) fn apply_time(&self, entry: &mut Entry) {
        match self.time {
            Times::Keep => {}
            Times::Exactly(seconds) => entry.mtime = kiln_layer::Time::from_seconds(seconds),
            Times::AtMost(seconds) => {
                entry.mtime = entry.mtime.min(kiln_layer::Time::from_seconds(seconds));
            }
        }
    }
}
