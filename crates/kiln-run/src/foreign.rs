//! Programs for another processor: the kernel hands them to an emulator that `binfmt_misc` names.
//!
//! Source: Linux, Documentation/admin-guide/binfmt-misc.rst. Handlers registered with the flag `F` work
//! inside a root filesystem that does not hold the emulator.

use std::fs;
use std::path::Path;

use kiln_oci::Platform;

const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";

/// Programs of this platform cannot run here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "cannot run programs for {wanted} on {host}: no emulator is registered with the kernel; \
     install one (Debian, Ubuntu: `apt-get install qemu-user-static`) or build only for {host}"
)]
pub struct ForeignPlatform {
    wanted: Box<Platform>,
    host: Box<Platform>,
}

/// Says whether the kernel can run programs for `wanted`, natively or through a registered emulator.
///
/// # Errors
/// If it cannot.
pub fn check_platform(wanted: &Platform) -> Result<(), ForeignPlatform> {
    let host = Platform::host();
    if runs_natively(wanted, &host) || has_handler(Path::new(HANDLERS), wanted) {
        return Ok(());
    }
    Err(ForeignPlatform {
        wanted: Box::new(wanted.clone()),
        host: Box::new(host),
    })
}

fn runs_natively(wanted: &Platform, host: &Platform) -> bool {
    if wanted.os != "linux" {
        return false;
    }
    // A 64-bit x86 kernel runs 32-bit programs; a variant is a promise about the processor that the
    // program itself checks.
    wanted.architecture == host.architecture
        || (host.architecture == "amd64" && wanted.architecture == "386")
}

fn has_handler(directory: &Path, wanted: &Platform) -> bool {
    let emulator = match wanted.architecture.as_str() {
        "amd64" => "qemu-x86_64",
        "386" => "qemu-i386",
        "arm64" => "qemu-aarch64",
        "loong64" => "qemu-loongarch64",
        "mips64le" => "qemu-mips64el",
        "mipsle" => "qemu-mipsel",
        other => &format!("qemu-{other}"),
    };
    fs::read_to_string(directory.join(emulator)).is_ok_and(|text| text.starts_with("enabled"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_runs_its_own_programs() {
        assert_eq!(check_platform(&Platform::host()), Ok(()));
        let windows = Platform::new("windows", "amd64", None);
        let message = check_platform(&windows).unwrap_err().to_string();
        assert!(message.contains("windows/amd64") && message.contains("qemu-user-static"));
    }

    #[test]
    fn a_handler_counts_only_while_it_is_enabled() {
        let directory = kiln_testkit::TempDir::new();
        let wanted = Platform::new("linux", "s390x", None);
        assert!(!has_handler(directory.path(), &wanted));
        let file = directory.path().join("qemu-s390x");
        fs::write(&file, "disabled\ninterpreter /x\n").unwrap();
        assert!(!has_handler(directory.path(), &wanted));
        fs::write(&file, "enabled\ninterpreter /x\nflags: F\n").unwrap();
        assert!(has_handler(directory.path(), &wanted));
    }
}
