//! The kernel and its settings.

use std::fs;
use std::path::Path;

use kiln_run::Emulators;

use super::{Grade, Verdict};

/// Which Linux this is.
pub(super) fn kernel() -> Verdict {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    let means = match version(&release) {
        Some(found) if found < (5, 12) => {
            return Verdict::new(
                "kernel",
                Grade::Bad,
                release,
                "RUN and `kiln run` need Linux 5.12 or newer",
            )
            .advice("upgrade the kernel");
        }
        Some(found) if found < (6, 7) => "everything works; images of very many layers do not",
        _ => "everything works, images of up to 500 layers too",
    };
    Verdict::new("kernel", Grade::Good, release, means)
}

/// The first two numbers of a kernel's name.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Which control groups there are. kiln does not need them.
pub(super) fn cgroups() -> Verdict {
    let v2 = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let v1 =
        Path::new("/sys/fs/cgroup/memory").exists() || Path::new("/sys/fs/cgroup/cpu").exists();
    let found = match (v1, v2) {
        (_, true) => "version 2",
        (true, false) => "version 1",
        (false, false) => "none",
    };
    Verdict::new(
        "cgroups",
        Grade::Good,
        found,
        "kiln makes no control groups, so any kind will do",
    )
}

/// Which other processors' programs can be run.
pub(super) fn emulators() -> Verdict {
    emulators_verdict(kiln_run::emulators())
}

fn emulators_verdict(emulators: Emulators) -> Verdict {
    let only_own = "RUN works only for this machine's own platform";
    let install = "for other platforms install an emulator (Debian, Ubuntu: `apt-get install \
                   qemu-user-static`, since Debian 13 `qemu-user-binfmt`)";
    let (usable, not_fixed) = match emulators {
        Emulators::NotMounted => {
            return Verdict::new("binfmt", Grade::Note, "not mounted", only_own).advice(format!(
                "as root: `mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc`; {install}"
            ));
        }
        Emulators::Known { usable, not_fixed } => (usable, not_fixed),
    };
    let means = match usable.is_empty() {
        true => only_own.to_owned(),
        false => format!("RUN works for these platforms too: {}", usable.join(", ")),
    };
    if !not_fixed.is_empty() {
        let found = format!("registered without the flag `F`: {}", not_fixed.join(", "));
        return Verdict::new("binfmt", Grade::Limited, found, means)
            .advice("register these with the flag `F`, or they are not found inside of images");
    }
    match usable.is_empty() {
        true => {
            Verdict::new("binfmt", Grade::Note, "no emulator is registered", means).advice(install)
        }
        false => Verdict::new("binfmt", Grade::Good, usable.join(", "), means),
    }
}

/// How many files may be watched for changes; programs in containers share this.
pub(super) fn watches() -> Verdict {
    let read = |name: &str| -> Option<u64> {
        fs::read_to_string(Path::new("/proc/sys/fs/inotify").join(name))
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    let (watches, instances) = (read("max_user_watches"), read("max_user_instances"));
    let (Some(watches), Some(instances)) = (watches, instances) else {
        return Verdict::new(
            "inotify",
            Grade::Note,
            "unknown",
            "programs that watch files may not work",
        );
    };
    let found = format!("{watches} watches, {instances} instances");
    if watches < 65_536 || instances < 256 {
        return Verdict::new(
            "inotify",
            Grade::Limited,
            found,
            "development servers in containers run out of watches",
        )
        .advice("sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024");
    }
    Verdict::new(
        "inotify",
        Grade::Good,
        found,
        "enough for development servers",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn emulators_are_told_apart() {
        let known = |usable: &[&'static str], not_fixed: &[&'static str]| {
            let (usable, not_fixed) = (usable.to_vec(), not_fixed.to_vec());
            emulators_verdict(Emulators::Known { usable, not_fixed })
        };
        let verdict = emulators_verdict(Emulators::NotMounted);
        assert!(
            verdict
                .advice
                .is_some_and(|advice| advice.contains("mount -t binfmt_misc"))
        );
        let verdict = known(&[], &[]);
        assert!(
            verdict
                .advice
                .is_some_and(|advice| advice.contains("qemu-user-static"))
        );
        let verdict = known(&["arm64"], &[]);
        assert_eq!((verdict.grade, &verdict.found[..]), (Grade::Good, "arm64"));
        let verdict = known(&["arm64"], &["s390x"]);
        assert_eq!(verdict.grade, Grade::Limited);
        assert!(verdict.found.contains("s390x") && verdict.means.contains("arm64"));
    }

    #[test]
    fn kernel_names_are_read() {
        assert_eq!(version("6.18.3-amd64"), Some((6, 18)));
        assert_eq!(version("5.4.0"), Some((5, 4)));
        assert_eq!(version("x"), None);
    }
}
