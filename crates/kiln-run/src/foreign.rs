//! Programs for another processor: the kernel hands them to an emulator that `binfmt_misc` names.
//!
//! Source: Linux, Documentation/admin-guide/binfmt-misc.rst: each file of the directory is a handler with the
//! bytes that it is for. Whether one is for a processor is found by comparing these with the head of that
//! processor's programs (System V ABI, "ELF Header"), so its name does not matter. Handlers registered with the
//! flag `F` were opened then, and work inside a root filesystem that does not hold the emulator.

use std::fs;
use std::path::Path;

use kiln_oci::Platform;

const HANDLERS: &str = "/proc/sys/fs/binfmt_misc";

/// A processor's programs: its name in platforms, whether they have 64 bits and the lowest byte first, and
/// `e_machine`.
type Machine = (&'static str, bool, bool, u16);

const MACHINES: &[Machine] = &[
    ("386", false, true, 3),
    ("amd64", true, true, 62),
    ("arm", false, true, 40),
    ("arm64", true, true, 183),
    ("loong64", true, true, 258),
    ("mips", false, false, 8),
    ("mips64", true, false, 8),
    ("mips64le", true, true, 8),
    ("mipsle", false, true, 8),
    ("ppc64", true, false, 21),
    ("ppc64le", true, true, 21),
    ("riscv64", true, true, 243),
    ("s390x", true, false, 22),
];

/// Programs of this platform cannot run here.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("cannot run programs for {wanted} on {host}: {reason}; or build only for {host}")]
pub struct ForeignPlatform {
    wanted: Box<Platform>,
    host: Box<Platform>,
    reason: Reason,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
enum Reason {
    #[error(
        "no emulator is registered with the kernel; install one (Debian, Ubuntu: `apt-get install \
         qemu-user-static`, since Debian 13 `qemu-user-binfmt`)"
    )]
    NoHandler,
    #[error(
        "it cannot be seen whether an emulator is registered with the kernel; let root mount that list: \
         `mount -t binfmt_misc binfmt_misc {HANDLERS}`; and install one (Debian, Ubuntu: `apt-get install \
         qemu-user-static`, since Debian 13 `qemu-user-binfmt`)"
    )]
    NotMounted,
    #[error(
        "the emulator `{handler}` is registered without the flag `F`, so that it is not found inside of \
         an image; register it with that flag"
    )]
    NotFixed { handler: String },
}

/// Emulators that the kernel knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Emulators {
    /// The list of them is not mounted, so nothing is known.
    NotMounted,
    /// The names of processors as platforms have them.
    Known {
        /// Their programs run.
        usable: Vec<&'static str>,
        /// Their emulator is registered without the flag `F`: it would have to be in the image.
        not_fixed: Vec<&'static str>,
    },
}

/// The emulators that are registered here.
#[must_use]
pub fn emulators() -> Emulators {
    emulators_in(Path::new(HANDLERS))
}

/// Says whether the kernel can run programs for `wanted`, natively or through a registered emulator.
///
/// # Errors
/// If it cannot.
pub fn check_platform(wanted: &Platform) -> Result<(), ForeignPlatform> {
    check(Path::new(HANDLERS), wanted)
}

fn check(directory: &Path, wanted: &Platform) -> Result<(), ForeignPlatform> {
    let host = Platform::host();
    if runs_natively(wanted, &host) {
        return Ok(());
    }
    let machine = MACHINES
        .iter()
        .find(|machine| machine.0 == wanted.architecture && wanted.os == "linux");
    let reason = match (handlers(directory), machine) {
        (Some(handlers), Some(machine)) => match handler_for(&handlers, machine) {
            Some(handler) if handler.is_fixed => return Ok(()),
            Some(handler) => Reason::NotFixed {
                handler: handler.name.clone(),
            },
            None => Reason::NoHandler,
        },
        (None, Some(_)) => Reason::NotMounted,
        (_, None) => Reason::NoHandler,
    };
    Err(ForeignPlatform {
        wanted: Box::new(wanted.clone()),
        host: Box::new(host),
        reason,
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

fn emulators_in(directory: &Path) -> Emulators {
    let Some(handlers) = handlers(directory) else {
        return Emulators::NotMounted;
    };
    let (mut usable, mut not_fixed) = (vec![], vec![]);
    for machine in MACHINES {
        match handler_for(&handlers, machine) {
            Some(handler) if handler.is_fixed => usable.push(machine.0),
            Some(_) => not_fixed.push(machine.0),
            None => {}
        }
    }
    Emulators::Known { usable, not_fixed }
}

/// One file of the directory.
struct Handler {
    name: String,
    is_fixed: bool,
    magic: Vec<u8>,
    /// Bits of the magic that count.
    mask: Vec<u8>,
}

/// The enabled handlers that look at the first bytes of a program. Nothing where the list is not mounted.
fn handlers(directory: &Path) -> Option<Vec<Handler>> {
    let status = fs::read_to_string(directory.join("status")).ok()?;
    if !status.starts_with("enabled") {
        return Some(vec![]);
    }
    let mut handlers = vec![];
    for entry in fs::read_dir(directory).ok()?.flatten() {
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        let name = entry.file_name().to_string_lossy().into_owned();
        handlers.extend(handler(name, &text));
    }
    Some(handlers)
}

/// What the kernel tells about a handler.
fn handler(name: String, text: &str) -> Option<Handler> {
    let field = |key: &str| {
        let mut lines = text.lines();
        lines.find_map(|line| line.strip_prefix(key).map(str::trim))
    };
    if !text.starts_with("enabled") || field("offset ")? != "0" {
        return None;
    }
    let magic = bytes(field("magic ")?)?;
    let mask = match field("mask ") {
        Some(mask) => bytes(mask)?,
        None => vec![0xff; magic.len()],
    };
    Some(Handler {
        name,
        is_fixed: field("flags:")?.contains('F'),
        magic,
        mask,
    })
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let digits = hex.as_bytes().chunks_exact(2);
    if !digits.remainder().is_empty() {
        return None;
    }
    digits
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

fn handler_for<'a>(handlers: &'a [Handler], machine: &Machine) -> Option<&'a Handler> {
    let head = elf_head(machine);
    let fits = |handler: &&Handler| {
        let pairs = handler.magic.iter().zip(&handler.mask);
        handler.magic.len() <= head.len()
            && pairs
                .zip(&head)
                .all(|((magic, mask), byte)| magic & mask == byte & mask)
    };
    handlers.iter().find(fits)
}

/// The first bytes of an executable: identification, type and machine.
fn elf_head(&(_, is_64, is_little, machine): &Machine) -> Vec<u8> {
    const EXECUTABLE: u16 = 2;
    let mut head = vec![
        0x7f,
        b'E',
        b'L',
        b'F',
        1 + u8::from(is_64),
        2 - u8::from(is_little),
        1,
    ];
    head.resize(16, 0);
    for number in [EXECUTABLE, machine] {
        head.extend(match is_little {
            true => number.to_le_bytes(),
            false => number.to_be_bytes(),
        });
    }
    head
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Linux 6.18 shows for Debian's handlers.
    const AARCH64: &str = "enabled\ninterpreter /usr/bin/qemu-aarch64\nflags: F\noffset 0\n\
        magic 7f454c460201010000000000000000000200b700\n\
        mask ffffffffffffff00fffffffffffffffffeffffff\n";
    const S390X: &str = "enabled\ninterpreter /usr/bin/qemu-s390x\nflags: \noffset 0\n\
        magic 7f454c4602020100000000000000000000020016\n\
        mask ffffffffffffff00fffffffffffffffffffeffff\n";

    #[test]
    fn the_host_runs_its_own_programs() {
        assert_eq!(check_platform(&Platform::host()), Ok(()));
        let windows = Platform::new("windows", "amd64", None);
        let message = check_platform(&windows).unwrap_err().to_string();
        assert!(message.contains("windows/amd64") && message.contains("qemu-user-static"));
    }

    #[test]
    fn a_handler_is_known_by_what_it_is_for() {
        let directory = kiln_testkit::TempDir::new();
        let path = directory.path();
        let wanted = |architecture| Platform::new("linux", architecture, None);
        let said = |architecture| match check(path, &wanted(architecture)) {
            Ok(()) => String::new(),
            Err(error) => error.to_string(),
        };
        assert_eq!(emulators_in(path), Emulators::NotMounted);
        assert!(said("riscv64").contains("mount -t binfmt_misc"));
        fs::write(path.join("register"), "").unwrap();
        fs::write(path.join("status"), "enabled\n").unwrap();
        assert!(said("riscv64").contains("no emulator"));
        fs::write(path.join("any-name"), AARCH64.replace("b700", "f300")).unwrap();
        fs::write(
            path.join("python"),
            "enabled\ninterpreter /x\nflags: \nextension .pyc\n",
        )
        .unwrap();
        fs::write(path.join("other"), S390X).unwrap();
        assert_eq!(said("riscv64"), "");
        assert!(said("s390x").contains("`other` is registered without the flag `F`"));
        let known = Emulators::Known {
            usable: vec!["riscv64"],
            not_fixed: vec!["s390x"],
        };
        assert_eq!(emulators_in(path), known);
        // One that is switched off counts nothing; neither do all when all are.
        fs::write(
            path.join("any-name"),
            AARCH64.replace("enabled", "disabled"),
        )
        .unwrap();
        assert!(said("riscv64").contains("no emulator"));
        fs::write(path.join("status"), "disabled\n").unwrap();
        assert!(said("s390x").contains("no emulator"));
    }

    #[test]
    fn heads_are_those_of_real_programs() {
        let of = |text: &str, name: &str| {
            let handler = [handler("x".to_owned(), text).unwrap()];
            let machines = MACHINES.iter();
            let found = machines.filter(|machine| handler_for(&handler, machine).is_some());
            let names: Vec<_> = found.map(|machine| machine.0).collect();
            assert_eq!(names, [name]);
        };
        of(AARCH64, "arm64");
        of(S390X, "s390x");
    }

    #[test]
    fn broken_lists_are_no_handlers() {
        for text in [
            "",
            "enabled",
            "enabled\noffset 0\nmagic 7f4\nflags: F\n",
            "enabled\noffset 0\nmagic zz\n",
        ] {
            assert!(handler(String::new(), text).is_none(), "{text}");
        }
    }
}
