//! What this machine offers for sandboxes. What can be tried is tried, in a process that may fail.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::SpawnError;
use crate::sandboxed::{send_streams, start_watcher};
use crate::spec::{Overlay, Upper};
use crate::wire::{self, Reply, Request};

/// What was tried, in a process with this process's rights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// Mount, process, IPC, host name and cgroup namespaces can be had.
    pub namespaces: Result<(), String>,
    /// So can one for the network.
    pub network_namespace: Result<(), String>,
    /// Directories can be stacked with overlayfs, on a file system in memory.
    pub overlay: Result<(), String>,
    /// The kernel takes system call filters.
    pub seccomp: bool,
    /// Devices can be made.
    pub device_nodes: bool,
    /// Resource limits may be raised.
    pub raise_limits: bool,
}

/// Tries what this machine can do. As an ordinary user, enter a user namespace first, or hear what is possible
/// without one.
///
/// # Errors
/// If the process that tries it cannot be started.
pub fn probe() -> Result<Abilities, SpawnError> {
    let lost = |source| SpawnError::Lost { source };
    let (mut watcher, socket) = start_watcher()?;
    send_streams(&socket, &[]).map_err(lost)?;
    wire::send(&socket, &Request::Probe).map_err(lost)?;
    let reply = wire::receive(&socket).map_err(lost)?;
    let status = watcher.wait().map_err(lost)?;
    match reply {
        Some(Reply::Abilities(abilities)) => Ok(abilities),
        _ => Err(SpawnError::Died { status }),
    }
}

/// Tries everything, in the process that was started for it.
pub(crate) fn try_abilities() -> Abilities {
    use rustix::thread::UnshareFlags;
    let text = |errno: rustix::io::Errno| errno.to_string();
    let flags = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    let namespaces = crate::sys::unshare(flags).map_err(text);
    let network_namespace = crate::sys::unshare(UnshareFlags::NEWNET).map_err(text);
    let overlay = match namespaces {
        Ok(()) => try_overlay(),
        Err(_) => Err("there is no mount namespace to try it in".to_owned()),
    };
    let seccomp = fs::read_to_string("/proc/sys/kernel/seccomp/actions_avail").is_ok();
    let device_nodes = !crate::userns::inside() && rustix::process::geteuid().is_root();
    Abilities {
        namespaces,
        network_namespace,
        overlay,
        seccomp,
        device_nodes,
        raise_limits: try_limits(),
    }
}

/// Stacks two directories of a tmpfs that nobody else sees.
fn try_overlay() -> Result<(), String> {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
    let text = |error: &dyn std::fmt::Display| error.to_string();
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )
    .map_err(|error| text(&error))?;
    let base = Path::new("/dev/shm");
    let base = if base.is_dir() {
        base
    } else {
        Path::new("/tmp")
    };
    mount("tmpfs", base, "tmpfs", MountFlags::empty(), None).map_err(|error| text(&error))?;
    let [lower, upper, work] = ["lower", "upper", "work"].map(|name| base.join(name));
    for directory in [&lower, &upper, &work] {
        fs::create_dir(directory).map_err(|error| text(&error))?;
    }
    let upper = Some(Upper {
        upper,
        work,
        volatile: true,
    });
    crate::init::mount_overlay(&Overlay {
        lowers: vec![lower],
        upper,
    })
    .map(drop)
    .map_err(|error| text(&error))
}

fn try_limits() -> bool {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let now = getrlimit(Resource::Nofile);
    let Some(maximum) = now.maximum else {
        return true;
    };
    setrlimit(
        Resource::Nofile,
        Rlimit {
            maximum: Some(maximum + 1),
            ..now
        },
    )
    .is_ok()
}
