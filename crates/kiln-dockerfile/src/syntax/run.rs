//! RUN and its flags.

use super::{CommandLine, Heredoc, Word};
use crate::span::Span;

/// `RUN`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// `--mount`s, in order.
    pub mounts: Vec<MountFlag>,
    /// `--network`.
    pub network: NetworkMode,
    /// `--security`.
    pub security: SecurityMode,
    /// `--device`s, in order.
    pub devices: Vec<Device>,
    /// The command.
    pub command: CommandLine,
    /// The here-documents that its text opens, in order.
    pub heredocs: Vec<Heredoc>,
}

/// `RUN --network`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkMode {
    /// What the build was started with.
    #[default]
    Default,
    /// Loopback only.
    None,
    /// The host's; needs the entitlement.
    Host,
}

/// `RUN --security`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecurityMode {
    /// The usual restrictions.
    #[default]
    Sandbox,
    /// None of them; needs the entitlement.
    Insecure,
}

/// `RUN --device`: a CDI device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Kind or class, as `vendor.example/gpu=all`.
    pub name: String,
    /// Whether the build fails without it.
    pub required: bool,
}

/// `RUN --mount` as written: keys in order, values with variables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountFlag {
    /// The fields.
    pub fields: Vec<MountField>,
    /// The whole flag.
    pub span: Span,
}

impl MountFlag {
    /// The last value of a key, as written.
    pub fn value(&self, key: MountKey) -> Option<&Word> {
        self.fields
            .iter()
            .rev()
            .find(|field| field.key == key)?
            .value
            .as_ref()
    }
}

/// One `key[=value]` of a mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MountField {
    /// The key, aliases folded.
    pub key: MountKey,
    /// The value; `readonly`, `readwrite` and `required` may have none.
    pub value: Option<Word>,
    /// The whole field.
    pub span: Span,
}

/// The keys of a mount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountKey {
    /// `type`.
    Type,
    /// `target`, `dst`, `destination`.
    Target,
    /// `source`, `src`.
    Source,
    /// `from`.
    From,
    /// `readonly`, `ro`.
    Readonly,
    /// `readwrite`, `rw`.
    Readwrite,
    /// `id`.
    Id,
    /// `sharing`.
    Sharing,
    /// `mode`.
    Mode,
    /// `uid`.
    Uid,
    /// `gid`.
    Gid,
    /// `required`.
    Required,
    /// `size`.
    Size,
    /// `env`.
    Env,
}
