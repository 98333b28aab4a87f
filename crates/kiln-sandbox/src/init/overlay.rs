//! Overlayfs mounts that are attached to nothing yet.
//!
//! Directories are opened here and named to the kernel by descriptor (`/proc/self/fd/N`), so that no
//! path is too long or needs escaping, and `/proc/mounts` tells the sandbox nothing about the host.
//! With the mount API of Linux 6.7 layers are added one by one. Before that all of them must fit into
//! one page of options, which three characters for each allow for several hundred.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::{Errno, Result};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountFlags, OpenTreeFlags, UnmountFlags,
};

use crate::error::{SetUpError, Step};
use crate::spec::Overlay;

/// The most layers that overlayfs stacks (`OVL_MAX_STACK`).
const MOST_LOWERS: usize = 500;

/// Options that keep whole files in the upper directory, whatever the kernel's defaults are. In a user
/// namespace `userxattr` implies them, and refuses to be told.
const WHOLE_FILES: [(&str, &str); 3] = [
    ("redirect_dir", "off"),
    ("metacopy", "off"),
    ("index", "off"),
];

/// An overlay's directories, opened.
struct Layers {
    lowers: Vec<OwnedFd>,
    upper: Option<(OwnedFd, OwnedFd)>,
    settings: &'static [(&'static str, &'static str)],
    flags: Vec<&'static str>,
}

/// Mounts an overlay, detached.
pub(crate) fn mount(overlay: &Overlay) -> std::result::Result<OwnedFd, SetUpError> {
    let in_user_namespace = crate::userns::inside();
    let Some(top) = overlay.lowers.first() else {
        let path = overlay
            .upper
            .as_ref()
            .map_or(Path::new("/"), |upper| &upper.upper);
        return Err(SetUpError::at(Step::MountRoot, path, Errno::INVAL)
            .hint("an overlay needs at least one layer; give an empty directory"));
    };
    let place = overlay.upper.as_ref().map_or(top, |upper| &upper.upper);
    if overlay.lowers.len() > MOST_LOWERS {
        return Err(
            SetUpError::at(Step::MountRoot, place, Errno::INVAL).hint(format!(
                "overlayfs stacks at most {MOST_LOWERS} layers, and this needs {}; squash some",
                overlay.lowers.len()
            )),
        );
    }
    if overlay.upper.is_none() && overlay.lowers.len() == 1 {
        // Overlayfs wants two layers; one alone is shown as it is.
        let alone = super::mounts::clone_of(top, false)?;
        crate::sys::mount_read_only(&alone, true)
            .map_err(|errno| SetUpError::at(Step::MountRoot, top, errno))?;
        return Ok(alone);
    }
    let layers = Layers::open(overlay, in_user_namespace)?;
    let mounted = match mount_modern(&layers) {
        Err((Errno::INVAL | Errno::NOSYS, None)) => {
            mount_classic(&layers, place).map_err(|errno| (errno, None))
        }
        other => other,
    };
    mounted.map_err(|(errno, said)| {
        let error = SetUpError::at(Step::MountRoot, place, errno);
        match (errno, said) {
            (Errno::PERM, _) if in_user_namespace => {
                error.hint("overlayfs in a user namespace needs Linux 5.11")
            }
            (Errno::NODEV, _) => error.hint("the kernel has no overlayfs: try `modprobe overlay`"),
            (Errno::INVAL | Errno::OPNOTSUPP, Some(said)) => error.hint(format!(
                "{said}; a store on an overlay or a network file system cannot be stacked, set KILN_HOME to \
                 another one"
            )),
            (_, Some(said)) => error.hint(said),
            _ => error,
        }
    })
}

impl Layers {
    fn open(overlay: &Overlay, in_user_namespace: bool) -> std::result::Result<Self, SetUpError> {
        let open = |path: &Path| {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| {
                let error = SetUpError::at(Step::OpenSource, path, errno);
                if errno == Errno::MFILE {
                    error.hint("the limit of open files is too low for so many layers")
                } else {
                    error
                }
            })
        };
        let lowers = overlay
            .lowers
            .iter()
            .map(|path| open(path))
            .collect::<std::result::Result<_, _>>()?;
        let mut flags = Vec::new();
        if in_user_namespace {
            flags.push("userxattr");
        }
        let upper = match &overlay.upper {
            Some(upper) => {
                if upper.volatile {
                    flags.push("volatile");
                }
                Some((open(&upper.upper)?, open(&upper.work)?))
            }
            None => None,
        };
        let settings: &[_] = if in_user_namespace { &[] } else { &WHOLE_FILES };
        Ok(Layers {
            lowers,
            upper,
            settings,
            flags,
        })
    }
}

/// The mount API of Linux 6.7. An error comes with the kernel's own words, if it had any.
fn mount_modern(layers: &Layers) -> std::result::Result<OwnedFd, (Errno, Option<String>)> {
    let context = rustix::mount::fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)
        .map_err(|errno| (errno, None))?;
    let set = |key: &str, fd: &OwnedFd| {
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        rustix::mount::fsconfig_set_string(&context, key, path)
    };
    // A kernel that does not know `lowerdir+` says so before anything else was tried.
    for lower in &layers.lowers {
        set("lowerdir+", lower).map_err(|errno| (errno, None))?;
    }
    let configured = || -> Result<OwnedFd> {
        if let Some((upper, work)) = &layers.upper {
            set("upperdir", upper)?;
            set("workdir", work)?;
        }
        for (key, value) in layers.settings {
            rustix::mount::fsconfig_set_string(&context, *key, *value)?;
        }
        for flag in &layers.flags {
            rustix::mount::fsconfig_set_flag(&context, *flag)?;
        }
        rustix::mount::fsconfig_create(&context)?;
        rustix::mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, read_only(layers))
    };
    configured().map_err(|errno| (errno, Some(kernel_messages(&context, errno))))
}

fn read_only(layers: &Layers) -> MountAttrFlags {
    match layers.upper {
        Some(_) => MountAttrFlags::empty(),
        None => MountAttrFlags::MOUNT_ATTR_RDONLY,
    }
}

/// What the kernel wrote into the log of a mount context.
fn kernel_messages(context: impl AsFd, errno: Errno) -> String {
    let mut messages = Vec::new();
    let mut buffer = [0; 1024];
    while let Ok(length @ 1..) = rustix::io::read(&context, &mut buffer) {
        // Each message begins with its level: `e overlay: …`.
        let text = String::from_utf8_lossy(&buffer[..length]);
        messages.push(text.get(2..).unwrap_or_default().trim().to_owned());
    }
    if messages.is_empty() {
        return format!("the kernel gave no reason beyond {errno}; `dmesg` may tell more");
    }
    format!("the kernel says: {}", messages.join("; "))
}

/// `mount(2)`, with options that fit into a page because they are relative to `/proc/self/fd`.
fn mount_classic(layers: &Layers, place: &Path) -> Result<OwnedFd> {
    use std::fmt::Write;
    let mut options = String::from("lowerdir=");
    for (at, lower) in layers.lowers.iter().enumerate() {
        let separator = if at == 0 { "" } else { ":" };
        let _ = write!(options, "{separator}{}", lower.as_raw_fd());
    }
    if let Some((upper, work)) = &layers.upper {
        let _ = write!(
            options,
            ",upperdir={},workdir={}",
            upper.as_raw_fd(),
            work.as_raw_fd()
        );
    }
    for (key, value) in layers.settings {
        let _ = write!(options, ",{key}={value}");
    }
    for flag in &layers.flags {
        let _ = write!(options, ",{flag}");
    }
    let options = std::ffi::CString::new(options).map_err(|_| Errno::INVAL)?;
    let before = rustix::fs::open(".", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    rustix::process::chdir("/proc/self/fd")?;
    let mounted = rustix::mount::mount("overlay", place, "overlay", MountFlags::empty(), &*options);
    rustix::process::fchdir(before)?;
    mounted?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = rustix::mount::open_tree(CWD, place, flags)?;
    // What lies below the place is looked up by path later on.
    rustix::mount::unmount(place, UnmountFlags::DETACH)?;
    if layers.upper.is_none() {
        crate::sys::mount_read_only(&tree, false)?;
    }
    Ok(tree)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Upper;
    use rustix::mount::MountPropagationFlags;
    use rustix::thread::UnshareFlags;
    use std::fs;
    use std::path::PathBuf;

    /// Stacks 300 directories whose paths are longer than any one option, in a mount namespace of this
    /// thread's own, and lists what is in them.
    fn stack_and_list(base: &Path, way: fn(&Layers, &Path) -> Result<OwnedFd>) -> (usize, String) {
        crate::sys::unshare(UnshareFlags::NEWNS).unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).unwrap();
        let long = base.join("a:long,path\\of/".repeat(20));
        let make = |name: String| {
            let path = long.join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        let lowers: Vec<PathBuf> = (0..300).map(|number| make(number.to_string())).collect();
        for (number, lower) in lowers.iter().enumerate() {
            fs::write(lower.join(format!("file{number}")), "").unwrap();
            fs::write(lower.join("top"), number.to_string()).unwrap();
        }
        let [upper, work] = ["upper", "work"].map(|name| make(name.into()));
        let upper = Upper {
            upper,
            work,
            volatile: true,
        };
        let place = upper.upper.clone();
        let overlay = Overlay {
            lowers,
            upper: Some(upper),
        };
        let layers = Layers::open(&overlay, false).unwrap();
        let mounted = way(&layers, &place).unwrap();
        let flags = rustix::mount::MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
        rustix::mount::move_mount(&mounted, "", CWD, &place, flags).unwrap();
        fs::write(place.join("written"), "").unwrap();
        (
            fs::read_dir(&place).unwrap().count(),
            fs::read_to_string(place.join("top")).unwrap(),
        )
    }

    #[test]
    fn both_ways_stack_the_same() {
        if !rustix::process::geteuid().is_root() {
            println!("skipped: needs root");
            return;
        }
        let ways: [fn(&Layers, &Path) -> Result<OwnedFd>; 2] = [
            |layers, _| mount_modern(layers).map_err(|(errno, _)| errno),
            mount_classic,
        ];
        for (number, way) in ways.into_iter().enumerate() {
            let base = format!("/var/tmp/kiln-overlay-{}-{number}", std::process::id());
            let base = PathBuf::from(base);
            let place = base.clone();
            // 300 files, `top` and `written`; the first layer is the topmost.
            let listed = std::thread::spawn(move || stack_and_list(&place, way)).join();
            let _ = fs::remove_dir_all(&base);
            assert_eq!(listed.unwrap(), (302, "0".to_owned()));
        }
    }
}
