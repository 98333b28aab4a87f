//! The machine in a line: without it a number means nothing.

use std::fs;
use std::path::Path;

/// Processor, cores, memory, kernel, and the file system that holds `folder`.
pub(crate) fn describe(folder: &Path) -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let memory = memory_gib(&read("/proc/meminfo"));
    let kernel = read("/proc/sys/kernel/osrelease");
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_path_buf());
    format!(
        "{}, {cores} cores, {memory:.0} GiB, Linux {}, {}",
        processor(&read("/proc/cpuinfo")),
        kernel.trim(),
        file_system(&read("/proc/self/mountinfo"), &folder)
    )
}

fn processor(cpuinfo: &str) -> String {
    let model = cpuinfo.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    });
    // Not every architecture names its model.
    model.unwrap_or_else(|| std::env::consts::ARCH.to_owned())
}

fn memory_gib(meminfo: &str) -> f64 {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1_048_576.0
}

/// The type of the innermost mount that holds `folder`: in /proc/self/mountinfo the mount point is
/// the fifth field and the type follows the lone hyphen (proc_pid_mountinfo(5)).
fn file_system(mountinfo: &str, folder: &Path) -> String {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let point = Path::new(left.split(' ').nth(4)?);
        folder
            .starts_with(point)
            .then(|| (point.components().count(), right.split(' ').next()))
    });
    // Of mounts on the same point the last one counts; max_by_key keeps the last.
    let innermost = mounts.max_by_key(|(depth, _)| *depth);
    innermost
        .and_then(|(_, kind)| kind)
        .unwrap_or("unknown file system")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_counts() {
        let mounts = "1 0 8:1 / / rw - ext4 /dev/a rw\n2 1 0:5 / /tmp rw shared:1 - tmpfs t rw\n\
                      3 1 0:6 / /tmpfiles rw - xfs x rw\n";
        assert_eq!(file_system(mounts, Path::new("/tmp/x")), "tmpfs");
        assert_eq!(file_system(mounts, Path::new("/home")), "ext4");
        assert_eq!(file_system("", Path::new("/home")), "unknown file system");
    }

    #[test]
    fn the_processor_and_memory_are_named() {
        assert_eq!(
            processor("processor\t: 0\nmodel name\t: Fast CPU: 3\n"),
            "Fast CPU: 3"
        );
        assert!(!processor("").is_empty());
        assert!((memory_gib("MemTotal:  8388608 kB\n") - 8.0).abs() < 1e-9);
    }

    #[test]
    fn this_machine_can_be_described() {
        let line = describe(Path::new("/"));
        assert!(line.contains("cores") && line.contains("Linux"), "{line}");
    }
}
