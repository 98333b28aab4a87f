//! Where the store is, and what a Docker beside it uses.

use std::path::{Path, PathBuf};

use super::{Grade, Verdict};
use crate::ui::size::Size;

/// File systems by their magic numbers, and whether overlayfs can put its upper directory there. Source: Linux,
/// include/uapi/linux/magic.h and Documentation/filesystems/overlayfs.rst.
const KNOWN: &[(u64, &str, bool)] = &[
    (0xef53, "ext4", true),
    (0x5846_5342, "xfs", true),
    (0x9123_683e, "btrfs", true),
    (0x0102_1994, "tmpfs", true),
    (0xf2f5_2010, "f2fs", true),
    (0x2fc1_2fc1, "zfs", true),
    (0x794c_7630, "overlay", false),
    (0x6969, "nfs", false),
    (0xff53_4d42, "cifs", false),
    (0x6573_5546, "fuse", false),
    (0x4d44, "vfat", false),
];

/// The nearest directory that is there: the store may not have been made yet.
fn existing(home: &Path) -> PathBuf {
    home.ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"))
        .to_owned()
}

/// What the store lies on.
pub(super) fn file_system(home: &Path) -> Verdict {
    let place = existing(home);
    let Ok(found) = rustix::fs::statfs(&place) else {
        return Verdict::new(
            "store",
            Grade::Bad,
            format!("cannot read {}", place.display()),
            "nothing works",
        )
        .advice("set KILN_HOME to a directory of yours");
    };
    let magic = u64::try_from(found.f_type).unwrap_or(0) & 0xffff_ffff;
    let known = KNOWN.iter().find(|(number, ..)| *number == magic);
    let shown = |name: &str| format!("{} on {name}", home.display());
    match known {
        Some((_, name, true)) => Verdict::new(
            "store",
            Grade::Good,
            shown(name),
            "images can be built and run from here",
        ),
        Some((_, name, false)) => {
            let means = "overlayfs cannot be stacked here: RUN and `kiln run` do not work";
            Verdict::new("store", Grade::Bad, shown(name), means)
                .advice("set KILN_HOME to a directory on ext4, xfs, btrfs or tmpfs")
        }
        None => {
            let name = format!("an unknown file system ({magic:#x})");
            Verdict::new(
                "store",
                Grade::Note,
                shown(&name),
                "kiln was not tried on it",
            )
        }
    }
}

/// How much room there is.
pub(super) fn room(home: &Path) -> Verdict {
    let place = existing(home);
    let Ok(found) = rustix::fs::statvfs(&place) else {
        return Verdict::new(
            "disk",
            Grade::Note,
            "unknown",
            "the file system does not say",
        );
    };
    let free = found.f_bavail * found.f_frsize;
    let inodes_low = found.f_files > 0 && found.f_favail * 20 < found.f_files;
    let text = format!("{} free", Size(free));
    if free < 2_000_000_000 || inodes_low {
        let means = if inodes_low {
            "few files can be made"
        } else {
            "larger images do not fit"
        };
        return Verdict::new("disk", Grade::Limited, text, means)
            .advice("`kiln prune` makes room; KILN_HOME moves the store");
    }
    Verdict::new("disk", Grade::Good, text, "room for images")
}

/// The storage driver of a Docker on this machine, if its directory can be seen. The two do not share anything.
pub(super) fn docker() -> Option<Verdict> {
    let root = Path::new("/var/lib/docker");
    let drivers = [
        "overlay2",
        "fuse-overlayfs",
        "btrfs",
        "zfs",
        "aufs",
        "devicemapper",
        "vfs",
    ];
    let driver = drivers.iter().find(|driver| root.join(driver).is_dir())?;
    let verdict =
        |grade, means: &str| Verdict::new("docker beside", grade, (*driver).to_owned(), means);
    let shared = "kiln keeps a store of its own; `docker save` and `kiln load` move images";
    Some(match *driver {
        "vfs" => verdict(
            Grade::Note,
            "Docker copies every layer whole, which is slow; kiln does not",
        )
        .advice("Docker can use overlay2 where kiln can"),
        "aufs" | "devicemapper" => verdict(Grade::Note, "Docker no longer supports this driver")
            .advice("move Docker to overlay2"),
        _ => verdict(Grade::Good, shared),
    })
}
