//! ELF files: this very test program as a real one, and damaged ones.

use kiln_packages::elf::{Elf, ElfKind, InvalidElf, library_names};
use proptest::prelude::*;

/// This program, without most of its debug information's bytes: the parser never looks there.
fn own() -> Vec<u8> {
    std::fs::read(std::env::current_exe().unwrap()).unwrap()
}

#[test]
fn a_real_program_says_what_it_needs() {
    let elf = Elf::parse(&own()).unwrap();
    assert!(matches!(elf.kind, ElfKind::Shared | ElfKind::Program));
    assert_eq!(elf.is_64, cfg!(target_pointer_width = "64"));
    assert_eq!(elf.is_big_endian, cfg!(target_endian = "big"));
    if elf.is_static() {
        // musl: there is no dynamic section to ask.
        return;
    }
    assert!(elf.interpreter.unwrap().starts_with('/'));
    assert!(
        elf.needed.iter().any(|name| name.starts_with("libc.")),
        "{:?}",
        elf.needed
    );
    assert!(elf.imports.len() > 10, "{:?}", elf.imports);
    let from_libc = elf
        .version_needs
        .iter()
        .find(|(file, _)| file.starts_with("libc."));
    if let Some((_, versions)) = from_libc {
        assert!(
            versions.iter().all(|version| version.starts_with("GLIBC_")),
            "{versions:?}"
        );
    }
}

#[test]
fn a_real_library_says_what_it_provides() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let paths = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5));
    let mut libraries = paths.filter(|path| path.contains("/libc.so."));
    // A static program maps none.
    let Some(path) = libraries.next() else { return };
    let elf = Elf::parse(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(elf.soname.as_deref(), Some("libc.so.6"));
    assert!(
        elf.version_definitions
            .iter()
            .any(|version| version.starts_with("GLIBC_2."))
    );
}

#[test]
fn what_is_none_is_told() {
    assert_eq!(Elf::parse(b""), Err(InvalidElf::NotElf));
    assert_eq!(Elf::parse(b"#!/bin/sh"), Err(InvalidElf::NotElf));
    assert!(matches!(
        Elf::parse(b"\x7fELF"),
        Err(InvalidElf::Damaged(_))
    ));
    assert!(matches!(
        Elf::parse(&own()[..100]),
        Err(InvalidElf::Damaged(_))
    ));
}

#[test]
fn names_in_the_text_are_found() {
    let bytes = b"\0libpq.so.5\0/usr/lib/libx-1.2.so\0lib.so\0library\0libnss_%s.so.2\0mylib.so";
    assert_eq!(
        library_names(bytes),
        ["lib.so", "libpq.so.5", "libx-1.2.so"]
    );
}

/// The part of the program that has all that is looked at, with the tables behind it cut off.
fn head() -> Vec<u8> {
    let mut bytes = own();
    bytes.truncate(1 << 20);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn no_damage_makes_it_panic(changes in prop::collection::vec((0_usize..4096, any::<u8>()), 1..40)) {
        let mut bytes = head();
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        let _ = Elf::parse(&bytes);
    }
}
