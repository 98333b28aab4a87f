//! Sets of Linux capabilities, by the names of `capabilities(7)`.

use serde::{Deserialize, Serialize};

/// A set of capabilities; bit `n` is capability number `n` of `linux/capability.h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities(u64);

/// Capability names without `CAP_`, at the index that is their number.
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

impl Capabilities {
    /// No capability.
    pub const NONE: Capabilities = Capabilities(0);
    /// Every capability that this version knows; the kernel may know fewer.
    pub const ALL: Capabilities = Capabilities((1 << NAMES.len()) - 1);
    /// What Docker, BuildKit and Podman give by default.
    pub const DEFAULT: Capabilities = Capabilities(0xa804_25fb);

    /// The capability with this name, with or without `CAP_`, in any case; `ALL` is every one.
    pub fn from_name(name: &str) -> Option<Self> {
        let upper = name.to_ascii_uppercase();
        let short = upper.strip_prefix("CAP_").unwrap_or(&upper);
        if short == "ALL" {
            return Some(Self::ALL);
        }
        NAMES
            .iter()
            .position(|known| *known == short)
            .map(|bit| Capabilities(1 << bit))
    }

    /// The set with these bits, for what the kernel reports; unknown ones are kept.
    pub const fn from_bits(bits: u64) -> Self {
        Capabilities(bits)
    }

    /// The set as the kernel writes it in `/proc/PID/status`.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// What is in either set.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Capabilities(self.0 | other.0)
    }

    /// What is in both sets.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Capabilities(self.0 & other.0)
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Capabilities(self.0 & !other.0)
    }

    /// Whether every capability of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

#[cfg(test)]
mod tests {
    use super::Capabilities;

    #[test]
    fn names_are_read_as_docker_reads_them() {
        let admin = Capabilities::from_bits(1 << 21);
        assert_eq!(Capabilities::from_name("CAP_SYS_ADMIN"), Some(admin));
        assert_eq!(Capabilities::from_name("sys_admin"), Some(admin));
        assert_eq!(Capabilities::from_name("all"), Some(Capabilities::ALL));
        assert_eq!(Capabilities::from_name("CAP_NONSENSE"), None);
        assert_eq!(Capabilities::from_name(""), None);
    }

    #[test]
    fn the_default_set_holds_what_docker_documents() {
        let documented = [
            "CHOWN",
            "DAC_OVERRIDE",
            "FSETID",
            "FOWNER",
            "MKNOD",
            "NET_RAW",
            "SETGID",
            "SETUID",
            "SETFCAP",
            "SETPCAP",
            "NET_BIND_SERVICE",
            "SYS_CHROOT",
            "KILL",
            "AUDIT_WRITE",
        ];
        let set = documented.iter().fold(Capabilities::NONE, |set, name| {
            set.union(Capabilities::from_name(name).expect("because it is a known name"))
        });
        assert_eq!(set, Capabilities::DEFAULT);
    }
}
