//! A process in an image's terms, made into what the sandbox runs.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use kiln_sandbox::{
    Capabilities, Mount, Network, Overlay, Rlimit, Root, Sandboxed, Security, SpawnError, Spec,
    Stdio, Upper,
};

use crate::network::NetworkFiles;
use crate::user::User;

/// What to run.
#[derive(Debug, Clone)]
pub struct Process {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// The working directory, absolute; it must exist.
    pub cwd: String,
    /// Who runs it.
    pub user: User,
    /// What is mounted over the root file system, in order.
    pub mounts: Vec<Mount>,
    /// Which network it sees.
    pub network: Network,
    /// Its host name; empty for the host's own.
    pub hostname: String,
    /// More lines for `/etc/hosts`, as (address, name).
    pub extra_hosts: Vec<(String, String)>,
    /// How much of the kernel is within its reach.
    pub security: Security,
    /// Capabilities beside those of the user's default set.
    pub add_capabilities: Capabilities,
    /// Capabilities taken away.
    pub drop_capabilities: Capabilities,
    /// Whether standard input is a terminal that it controls.
    pub terminal: bool,
    /// Whether its root file system is read-only.
    pub read_only: bool,
    /// Resource limits.
    pub rlimits: Vec<Rlimit>,
}

/// The root file system to run in: layers, and where changes go.
#[derive(Debug, Clone)]
pub struct Rootfs {
    /// Unpacked layers, the topmost first.
    pub lowers: Vec<PathBuf>,
    /// The directory that takes changes.
    pub upper: PathBuf,
    /// A scratch directory on the same file system.
    pub work: PathBuf,
}

impl Process {
    /// A process with nothing but its arguments, as root in `/`.
    #[must_use]
    pub fn new(args: Vec<String>) -> Self {
        Self {
            args,
            env: vec![],
            cwd: "/".to_owned(),
            user: User::root(),
            mounts: vec![],
            network: Network::Host,
            hostname: String::new(),
            extra_hosts: vec![],
            security: Security::Sandbox,
            add_capabilities: Capabilities::NONE,
            drop_capabilities: Capabilities::NONE,
            terminal: false,
            read_only: false,
            rlimits: vec![],
        }
    }

    fn spec(&self, root: Root) -> Spec {
        let files = match self.network {
            Network::Host => NetworkFiles::for_host_network(&self.hostname, &self.extra_hosts),
            Network::None => NetworkFiles::without_network(&self.hostname, &self.extra_hosts),
        };
        let mut spec = Spec::new(root, self.args.iter().map(OsString::from));
        spec.env = self
            .env
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        spec.cwd = Path::new(&self.cwd).to_owned();
        (spec.uid, spec.gid) = (self.user.uid, self.user.gid);
        spec.groups.clone_from(&self.user.groups);
        spec.mounts.clone_from(&self.mounts);
        spec.network = self.network;
        spec.hostname = (!self.hostname.is_empty()).then(|| self.hostname.clone());
        spec.hosts = Some(files.hosts);
        spec.resolv_conf = Some(files.resolv_conf);
        spec.security = self.security;
        spec.add_capabilities = self.add_capabilities;
        spec.drop_capabilities = self.drop_capabilities;
        spec.terminal = self.terminal;
        spec.read_only_root = self.read_only;
        spec.rlimits.clone_from(&self.rlimits);
        spec
    }
}

/// Starts `process` in `rootfs`.
///
/// # Errors
/// If the sandbox cannot be set up or the program cannot be started; see [`SpawnError`].
pub fn spawn(process: &Process, rootfs: &Rootfs, stdio: Stdio) -> Result<Sandboxed, SpawnError> {
    // Layers are synced, if ever, by the store; a process that calls fsync need not wait for disks.
    let upper = Upper {
        upper: rootfs.upper.clone(),
        work: rootfs.work.clone(),
        volatile: true,
    };
    let overlay = Overlay {
        lowers: rootfs.lowers.clone(),
        upper: Some(upper),
    };
    kiln_sandbox::spawn(&process.spec(Root::Overlay(overlay)), stdio)
}

/// Starts `process` in a directory that is its root file system and takes its changes. Unlike through
/// overlayfs, reading a file there sets the file's own access time.
///
/// # Errors
/// As for [`spawn`].
pub fn spawn_in(
    process: &Process,
    directory: &Path,
    stdio: Stdio,
) -> Result<Sandboxed, SpawnError> {
    let root = Root::Directory(directory.to_owned());
    kiln_sandbox::spawn(&process.spec(root), stdio)
}
