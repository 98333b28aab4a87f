//! What to run and in what: the description that [`spawn`](crate::spawn) takes.
//!
//! Everything here is plain data. It travels as JSON to the process that sets the sandbox up, so
//! byte strings (arguments, paths, file contents) are kept lossless by [`wire`](crate::wire).

use std::ffi::OsString;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::capabilities::Capabilities;
use crate::wire;

/// One process in one root filesystem.
///
/// ```
/// use kiln_sandbox::{Root, Spec};
/// let mut spec = Spec::new(Root::Directory("/srv/rootfs".into()), ["/bin/true"]);
/// spec.cwd = "/tmp".into();
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    /// The root filesystem.
    pub root: Root,
    /// The program and its arguments. A program without a slash is looked up inside the root, in the
    /// directories of `PATH` in [`env`](Self::env).
    #[serde(with = "wire::os_strings")]
    pub args: Vec<OsString>,
    /// The whole environment; nothing is added or inherited. The order is kept.
    #[serde(with = "wire::os_pairs")]
    pub env: Vec<(OsString, OsString)>,
    /// The working directory, absolute inside the root. It must exist: creating it is the caller's
    /// decision, because it changes the filesystem.
    #[serde(with = "wire::path")]
    pub cwd: PathBuf,
    /// User id inside the sandbox.
    pub uid: u32,
    /// Group id inside the sandbox.
    pub gid: u32,
    /// Supplementary group ids. Ignored, with a [`Note`](crate::Note), where the user namespace
    /// denies `setgroups`.
    pub groups: Vec<u32>,
    /// What is mounted over the root, in this order, after the default mounts. A mount whose target
    /// is that of a default mount (`/dev/shm`, `/sys`, `/etc/hosts` …) replaces it.
    pub mounts: Vec<Mount>,
    /// What the process sees of the network.
    pub network: Network,
    /// The host name; `None` leaves the caller's.
    pub hostname: Option<String>,
    /// The contents of `/etc/hosts`: a writable copy that is gone when the process ends.
    #[serde(with = "wire::optional_bytes")]
    pub hosts: Option<Vec<u8>>,
    /// The contents of `/etc/resolv.conf`: a writable copy that is gone when the process ends.
    #[serde(with = "wire::optional_bytes")]
    pub resolv_conf: Option<Vec<u8>>,
    /// How much of the kernel is within reach.
    pub security: Security,
    /// Capabilities on top of what [`security`](Self::security) gives.
    pub add_capabilities: Capabilities,
    /// Capabilities taken away; wins over [`add_capabilities`](Self::add_capabilities).
    pub drop_capabilities: Capabilities,
    /// Whether set-user-ID programs and file capabilities stop giving rights (`no_new_privs`). Off by
    /// default, as in BuildKit and Docker: `sudo` in a build step works.
    pub no_new_privileges: bool,
    /// Whether the root filesystem is read-only. Mounts over it are not touched.
    pub read_only_root: bool,
    /// Whether standard input, which must be the slave of a pseudo-terminal that is no other
    /// session's, becomes the controlling terminal.
    pub terminal: bool,
    /// Resource limits. A limit that may not be raised is set as high as it may be, with a
    /// [`Note`](crate::Note).
    pub rlimits: Vec<Rlimit>,
}

impl Spec {
    /// A process as root in `/` with an empty environment, the host's network and the default
    /// security.
    pub fn new<A: Into<OsString>>(root: Root, args: impl IntoIterator<Item = A>) -> Self {
        Spec {
            root,
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: PathBuf::from("/"),
            uid: 0,
            gid: 0,
            groups: Vec::new(),
            mounts: Vec::new(),
            network: Network::Host,
            hostname: None,
            hosts: None,
            resolv_conf: None,
            security: Security::Sandbox,
            add_capabilities: Capabilities::NONE,
            drop_capabilities: Capabilities::NONE,
            no_new_privileges: false,
            read_only_root: false,
            terminal: false,
            rlimits: Vec::new(),
        }
    }
}

/// Where the root filesystem comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Root {
    /// A directory, used as it is: what the process writes ends up there.
    Directory(#[serde(with = "wire::path")] PathBuf),
    /// Layers stacked by overlayfs.
    Overlay(Overlay),
}

/// Directories stacked by overlayfs, mounted with `redirect_dir`, `metacopy` and `index` off (so that
/// the upper directory holds nothing but whole files), and `userxattr` in a user namespace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Overlay {
    /// The layers, topmost first; at least one without [`upper`](Self::upper) or beside it.
    #[serde(with = "wire::paths")]
    pub lowers: Vec<PathBuf>,
    /// Where changes go; `None` mounts read-only.
    pub upper: Option<Upper>,
}

/// The writable side of an [`Overlay`]. Both directories must exist on one filesystem, and `work`
/// must be empty.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Upper {
    /// Receives changed and new files, whiteouts and opaque marks.
    #[serde(with = "wire::path")]
    pub upper: PathBuf,
    /// Overlayfs' own scratch directory.
    #[serde(with = "wire::path")]
    pub work: PathBuf,
    /// Leave out every sync to disk (`volatile`): `fsync` in the process costs nothing, and unmounting
    /// does not flush the whole filesystem. Whoever keeps the upper directory must sync it. Such a
    /// `work` directory cannot be mounted a second time.
    pub volatile: bool,
}

/// Something mounted over the root. Targets are absolute inside the root; symbolic links in them
/// are followed inside the root only. What is missing of a target is created and reported in
/// [`Sandboxed::created_mount_points`](crate::Sandboxed::created_mount_points).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Mount {
    /// A directory, file or socket of the host, for caches, build contexts and agent sockets.
    Bind {
        /// Path on the host; symbolic links in it are followed.
        #[serde(with = "wire::path")]
        source: PathBuf,
        /// Path in the sandbox.
        #[serde(with = "wire::path")]
        target: PathBuf,
        /// Whether writing is refused.
        read_only: bool,
        /// Whether what is mounted below `source` comes along. In a user namespace a source with
        /// mounts below it always brings them, because the kernel refuses to reveal what they hide.
        recursive: bool,
    },
    /// Stacked directories at a target, for a read-write view that leaves its source alone.
    Overlay {
        /// What is stacked.
        overlay: Overlay,
        /// Path in the sandbox.
        #[serde(with = "wire::path")]
        target: PathBuf,
    },
    /// An empty filesystem in memory.
    Tmpfs {
        /// Path in the sandbox.
        #[serde(with = "wire::path")]
        target: PathBuf,
        /// Most bytes that it may hold; `None` is the kernel's default, half of the memory.
        size: Option<u64>,
        /// Permission bits of its root directory; `0o1777` is usual.
        mode: u32,
    },
    /// A file whose content stays in memory, for secrets.
    File {
        /// Path in the sandbox.
        #[serde(with = "wire::path")]
        target: PathBuf,
        /// What it holds.
        #[serde(with = "wire::bytes")]
        content: Vec<u8>,
        /// Permission bits, for example `0o400`.
        mode: u32,
        /// Owner inside the sandbox.
        uid: u32,
        /// Group inside the sandbox.
        gid: u32,
        /// Whether writing is refused even to root.
        read_only: bool,
    },
}

impl Mount {
    /// Where the mount appears in the sandbox.
    pub fn target(&self) -> &PathBuf {
        match self {
            Mount::Bind { target, .. }
            | Mount::Overlay { target, .. }
            | Mount::Tmpfs { target, .. }
            | Mount::File { target, .. } => target,
        }
    }
}

/// What the process sees of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Network {
    /// The caller's own network, which is the default everywhere and all that works without root or
    /// another tool. The process can reach services on the caller's loopback.
    #[default]
    Host,
    /// A network of its own with nothing but a loopback interface, which is up.
    None,
}

/// How much of the kernel is within the process's reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Security {
    /// Docker's default: 14 capabilities, a system call filter, and the parts of `/proc` and `/sys`
    /// that tell about or change the host hidden or read-only.
    #[default]
    Sandbox,
    /// Every capability, no filter, nothing hidden: BuildKit's `security.insecure`. Namespaces stay.
    Insecure,
}

/// A limit of one resource, as `setrlimit(2)` knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// Which resource.
    pub resource: Resource,
    /// What holds now; [`u64::MAX`] is no limit.
    pub soft: u64,
    /// What the process may raise it to; [`u64::MAX`] is no limit.
    pub hard: u64,
}

/// The resources that can be limited, by Docker's `--ulimit` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(
    missing_docs,
    reason = "the names are those of setrlimit(2), which describes them"
)]
pub enum Resource {
    Core,
    Cpu,
    Data,
    Fsize,
    Locks,
    Memlock,
    Msgqueue,
    Nice,
    Nofile,
    Nproc,
    Rss,
    Rtprio,
    Rttime,
    Sigpending,
    Stack,
}

impl Resource {
    /// The resource with this name (`nofile`, `nproc` …), as in `--ulimit nofile=1024`.
    pub fn from_name(name: &str) -> Option<Self> {
        const ALL: [(&str, Resource); 15] = [
            ("core", Resource::Core),
            ("cpu", Resource::Cpu),
            ("data", Resource::Data),
            ("fsize", Resource::Fsize),
            ("locks", Resource::Locks),
            ("memlock", Resource::Memlock),
            ("msgqueue", Resource::Msgqueue),
            ("nice", Resource::Nice),
            ("nofile", Resource::Nofile),
            ("nproc", Resource::Nproc),
            ("rss", Resource::Rss),
            ("rtprio", Resource::Rtprio),
            ("rttime", Resource::Rttime),
            ("sigpending", Resource::Sigpending),
            ("stack", Resource::Stack),
        ];
        ALL.iter()
            .find(|(known, _)| *known == name)
            .map(|(_, resource)| *resource)
    }
}
