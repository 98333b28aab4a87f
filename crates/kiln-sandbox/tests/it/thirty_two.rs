//! 32-bit programs on x86-64 under the system call filter.
//!
//! The programs are a few instructions in an ELF file that the test writes itself, because a compiler for them is rarely
//! there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use kiln_sandbox::Security;

use crate::place::Place;

/// Where the program is loaded, and where in the file its instructions begin.
const BASE: u32 = 0x0804_8000;
const CODE: u32 = 52 + 32;

/// A static executable of `code` and nothing else. Source: System V ABI, "ELF Header", "Program Header".
fn elf(code: &[u8]) -> Vec<u8> {
    let mut file = vec![0x7f, b'E', b'L', b'F', 1, 1, 1];
    file.resize(16, 0);
    let size = CODE + u32::try_from(code.len()).unwrap();
    let half = |file: &mut Vec<u8>, numbers: &[u16]| {
        file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    };
    let word = |file: &mut Vec<u8>, numbers: &[u32]| {
        file.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
    };
    // An executable for the 80386; entry, program headers, no sections.
    half(&mut file, &[2, 3]);
    word(&mut file, &[1, BASE + CODE, 52, 0, 0]);
    half(&mut file, &[52, 32, 1, 0, 0, 0]);
    // All of the file, to be read and executed.
    word(&mut file, &[1, 0, BASE, BASE, size, size, 5, 0x1000]);
    file.extend(code);
    file
}

/// A program whose exit status is what the call `number` with the argument `first` gives, negated: the error, or 0.
fn exits_with_error_of(number: u32, first: u32) -> Vec<u8> {
    let mut code = vec![0xb8];
    code.extend(number.to_le_bytes());
    code.push(0xbb);
    code.extend(first.to_le_bytes());
    // xor ecx, ecx; xor edx, edx; int 0x80; neg eax; mov ebx, eax; mov eax, 1; int 0x80
    code.extend([0x31, 0xc9, 0x31, 0xd2, 0xcd, 0x80, 0xf7, 0xd8, 0x89, 0xc3]);
    code.extend([0xb8, 1, 0, 0, 0, 0xcd, 0x80]);
    elf(&code)
}

const GETPRIORITY: u32 = 96;
const UNSHARE: u32 = 310;
const KEYCTL: u32 = 288;
const CLONE3: u32 = 435;
/// A number that no kernel has yet.
const FUTURE: u32 = 10_000;
const NEW_IPC: u32 = 0x0800_0000;
const EPERM: u32 = 1;
const ENOSYS: u32 = 38;

/// The exit status of the call, or nothing where this machine runs no such programs.
fn status(number: u32, first: u32, security: Security) -> Option<u32> {
    let place = Place::new();
    let path = place.path("layer/bin/program");
    fs::write(&path, exits_with_error_of(number, first)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let mut spec = place.script("/bin/program; echo $?");
    spec.security = security;
    let outcome = place.run(&spec)?;
    let status: u32 = outcome.stdout.trim().parse().unwrap();
    if status == 126 {
        println!(
            "skipped: this kernel runs no 32-bit programs: {}",
            outcome.stderr
        );
        return None;
    }
    Some(status)
}

#[test]
fn ordinary_calls_are_allowed() {
    let Some(status) = status(GETPRIORITY, 0, Security::Sandbox) else {
        return;
    };
    // The call gives a positive number, which comes out as a large one; a refusal would be EPERM, and a
    // killed process 128 and more than its signal.
    assert!(status > 200, "{status}");
}

#[test]
fn what_leads_out_is_refused_as_for_64_bits() {
    for (number, first, expected) in [
        (UNSHARE, NEW_IPC, EPERM),
        (KEYCTL, 0, EPERM),
        (CLONE3, 0, ENOSYS),
        (FUTURE, 0, ENOSYS),
    ] {
        let Some(status) = status(number, first, Security::Sandbox) else {
            return;
        };
        assert_eq!(status, expected, "call {number}");
    }
    // The refusal is the filter's: without it the call goes through.
    let without = status(KEYCTL, 0, Security::Insecure);
    assert_ne!(without, Some(EPERM));
}
