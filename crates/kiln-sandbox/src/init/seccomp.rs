//! The system call filter: what is not on the list fails with EPERM, as in Docker's default profile.
//!
//! Source: the published behaviour of Docker's default seccomp profile: its list of allowed calls, those that
//! it allows only with a capability, and the conditions on `personality`, `socket`, `clone` and `clone3`. Calls
//! that this processor does not have are left out at compile time. Calls that are newer than the list fail with
//! ENOSYS, as an old kernel would have it, because programs try the old way then; EPERM would end them.
//!
//! On x86-64 the same holds for 32-bit programs, by filters of their own ([`i386`]): a filter lets calls of
//! the other kind pass, and one more ends what is neither.

mod calls;
#[cfg(target_arch = "x86_64")]
mod i386;

use std::collections::BTreeMap;

use rustix::io::Errno;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, sock_filter,
};

use calls::{ALLOWED, ALLOWED_HERE, WITH_CAPABILITY};

use crate::capabilities::Capabilities;
use crate::error::{SetUpError, Step};
use crate::sandboxed::Note;
use crate::spec::{Security, Spec};
use crate::sys;

/// Namespaces that a process without CAP_SYS_ADMIN may not make with `clone`: the CLONE_NEW* flags.
const NAMESPACES: u64 = 0x7e02_0000;

/// The only socket family that is refused: it leads out of a virtual machine.
const AF_VSOCK: u64 = 40;

/// Installs the filter. A kernel or processor without filters gets a note: the rest of the sandbox stands.
pub(super) fn install(spec: &Spec, notes: &mut Vec<Note>) -> Result<(), SetUpError> {
    if spec.security == Security::Insecure {
        return Ok(());
    }
    let capabilities = Capabilities::DEFAULT
        .union(spec.add_capabilities)
        .without(spec.drop_capabilities);
    let Some(programs) = programs(capabilities) else {
        notes.push(Note::NoSeccomp);
        return Ok(());
    };
    for program in programs {
        match sys::install_filter(&program) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS) => {
                notes.push(Note::NoSeccomp);
                return Ok(());
            }
            Err(errno) => return Err(SetUpError::new(Step::Seccomp, errno)),
        }
    }
    Ok(())
}

/// The filters for a set of capabilities, or nothing for a processor that seccompiler does not know.
fn programs(capabilities: Capabilities) -> Option<Vec<BpfProgram>> {
    let mut programs = programs_of(capabilities, rules(capabilities)?)?;
    #[cfg(target_arch = "x86_64")]
    {
        for program in &mut programs {
            only_for(program, AUDIT_ARCH_X86_64)?;
        }
        for mut program in programs_of(capabilities, rules_for_32_bits(capabilities)?)? {
            only_for(&mut program, AUDIT_ARCH_I386)?;
            programs.push(program);
        }
        programs.push(known_processors());
    }
    // Of two refusals the one of the filter that was installed last counts.
    programs.push(newer_calls());
    Some(programs)
}

/// A filter has one answer for what matches and one for the rest, so that `clone3` says ENOSYS (programs then
/// fall back to `clone`, whose flags can be looked at) needs a second one.
fn programs_of(capabilities: Capabilities, rules: Rules) -> Option<Vec<BpfProgram>> {
    let arch = std::env::consts::ARCH.try_into().ok()?;
    let admin = Capabilities::from_name("SYS_ADMIN")?;
    let eperm = SeccompAction::Errno(libc::EPERM.cast_unsigned());
    let list = SeccompFilter::new(rules, eperm, SeccompAction::Allow, arch).ok()?;
    let mut programs: Vec<BpfProgram> = vec![list.try_into().ok()?];
    if !capabilities.contains(admin) {
        // The number is the same on every processor.
        let clone3 = BTreeMap::from([(libc::SYS_clone3, vec![])]);
        let enosys = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
        let filter = SeccompFilter::new(clone3, SeccompAction::Allow, enosys, arch).ok()?;
        programs.insert(0, filter.try_into().ok()?);
    }
    Some(programs)
}

/// What the kernel calls the two kinds of programs.
/// Source: Linux, include/uapi/linux/audit.h.
#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
#[cfg(target_arch = "x86_64")]
const AUDIT_ARCH_I386: u32 = 0x4000_0003;

/// Makes a program look at calls of one kind only and let the others pass. As it comes from seccompiler it begins
/// with three instructions that load the kind, compare it with the one that it was made for, and end the process if it is
/// another.
#[cfg(target_arch = "x86_64")]
fn only_for(program: &mut BpfProgram, arch: u32) -> Option<()> {
    let [load, compare, kill, ..] = &mut program[..] else {
        return None;
    };
    let is_as_expected = load.k == ARCH_OFFSET
        && (compare.k, compare.jt, compare.jf) == (AUDIT_ARCH_X86_64, 1, 0)
        && kill.k == libc::SECCOMP_RET_KILL_PROCESS;
    compare.k = arch;
    kill.k = libc::SECCOMP_RET_ALLOW;
    is_as_expected.then_some(())
}

/// Where `struct seccomp_data` has the kind of the program.
#[cfg(target_arch = "x86_64")]
const ARCH_OFFSET: u32 = 4;

/// Ends a process that makes calls of a kind that no other filter looks at.
#[cfg(target_arch = "x86_64")]
fn known_processors() -> BpfProgram {
    let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    let compare = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    vec![
        instruction(load, 0, 0, ARCH_OFFSET),
        instruction(compare, 2, 0, AUDIT_ARCH_X86_64),
        instruction(compare, 1, 0, AUDIT_ARCH_I386),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        answer(libc::SECCOMP_RET_ALLOW),
    ]
}

fn instruction(code: u32, jt: u8, jf: u8, k: u32) -> sock_filter {
    sock_filter {
        code: u16::try_from(code).unwrap_or_default(),
        jt,
        jf,
        k,
    }
}

fn answer(action: u32) -> sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, 0, action)
}

/// The newest call that the list knows; it was weighed for all up to it.
const NEWEST: i64 = libc::SYS_fchmodat2;

/// Says ENOSYS to all calls after [`NEWEST`]. Numbers since 424 are the same on every processor.
fn newer_calls() -> BpfProgram {
    vec![
        // The number of the call is the first field of `struct seccomp_data`.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0),
        instruction(
            libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K,
            0,
            1,
            NEWEST as u32,
        ),
        answer(libc::SECCOMP_RET_ERRNO | libc::ENOSYS.cast_unsigned()),
        answer(libc::SECCOMP_RET_ALLOW),
    ]
}

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Calls whose arguments count, by the numbers of one processor.
struct Conditional {
    personality: i64,
    socket: i64,
    clone: i64,
    clone3: i64,
}

fn rules(capabilities: Capabilities) -> Option<Rules> {
    let mut calls: Vec<i64> = [ALLOWED, ALLOWED_HERE].concat();
    for (name, more) in WITH_CAPABILITY {
        if capabilities.contains(Capabilities::from_name(name)?) {
            calls.extend_from_slice(more);
        }
    }
    let conditional = Conditional {
        personality: libc::SYS_personality,
        socket: libc::SYS_socket,
        clone: libc::SYS_clone,
        clone3: libc::SYS_clone3,
    };
    rules_of(&calls, &conditional)
}

/// The same for 32-bit programs.
#[cfg(target_arch = "x86_64")]
fn rules_for_32_bits(capabilities: Capabilities) -> Option<Rules> {
    let numbers = |table: calls::Table| table.iter().map(|(number, _)| *number);
    let mut calls: Vec<i64> = numbers(i386::ALLOWED).collect();
    for (name, more) in i386::WITH_CAPABILITY {
        if capabilities.contains(Capabilities::from_name(name)?) {
            calls.extend(numbers(more));
        }
    }
    rules_of(&calls, &i386::CONDITIONAL)
}

/// Allows `calls`, and the conditional ones with some arguments, unless a capability has put them among `calls`.
fn rules_of(calls: &[i64], conditional: &Conditional) -> Option<Rules> {
    let condition = |argument, operation, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operation, value).ok()
    };
    let rule = |condition| SeccompRule::new(vec![condition]).ok();
    let low = |argument, operation, value| {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operation, value).ok()
    };
    // Linux' own personalities, and asking for the present one.
    let personalities = [0x0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];
    let allowed: Option<Vec<SeccompRule>> = personalities
        .iter()
        .map(|value| rule(low(0, SeccompCmpOp::Eq, *value)?))
        .collect();
    let no_vsock = rule(low(0, SeccompCmpOp::Ne, AF_VSOCK)?)?;
    let no_namespace = rule(condition(0, SeccompCmpOp::MaskedEq(NAMESPACES), 0)?)?;
    let mut rules = Rules::from([
        (conditional.personality, allowed?),
        (conditional.socket, vec![no_vsock]),
        (conditional.clone, vec![no_namespace]),
        // The first filter decides about it.
        (conditional.clone3, vec![]),
    ]);
    rules.extend(calls.iter().map(|call| (*call, vec![])));
    Some(rules)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filters_compile_for_every_set_of_capabilities() {
        for set in [Capabilities::NONE, Capabilities::DEFAULT, Capabilities::ALL] {
            let programs = programs(set).expect("because this processor is known");
            assert!(
                programs.iter().all(|program| program.len() < 4096),
                "{set:?}"
            );
        }
    }

    #[test]
    fn what_leads_out_of_the_sandbox_is_not_on_the_list() {
        let rules = rules(Capabilities::DEFAULT).unwrap();
        for call in [
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_keyctl,
            libc::SYS_bpf,
            libc::SYS_open_by_handle_at,
            libc::SYS_kexec_load,
            libc::SYS_userfaultfd,
            libc::SYS_io_uring_setup,
            libc::SYS_pivot_root,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
        assert!(rules.contains_key(&libc::SYS_chroot));
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn what_leads_out_is_not_on_the_list_for_32_bits_either() {
        let rules = rules_for_32_bits(Capabilities::DEFAULT).unwrap();
        // mount, umount, umount2, pivot_root, unshare, keyctl, setns, open_by_handle_at, bpf, userfaultfd,
        // io_uring_setup, kexec_load, swapon, vm86, vm86old, iopl, ioperm, init_module
        for call in [
            21, 22, 52, 217, 310, 288, 346, 342, 357, 374, 425, 283, 87, 166, 113, 110, 101, 128,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
        assert!(rules.contains_key(&61), "chroot");
        assert!(!rules[&120].is_empty(), "clone has a condition");
        let all = rules_for_32_bits(Capabilities::ALL).unwrap();
        assert!(all.contains_key(&21) && all[&120].is_empty());
    }

    /// The kernel's own header is there wherever a C compiler is.
    #[cfg(target_arch = "x86_64")]
    #[test]
    fn numbers_for_32_bits_are_the_kernels() {
        let places = ["/usr/include/x86_64-linux-gnu/asm", "/usr/include/asm"];
        let texts = places.map(|place| std::fs::read_to_string(format!("{place}/unistd_32.h")));
        let Some(text) = texts.into_iter().find_map(Result::ok) else {
            println!("skipped: this machine has no asm/unistd_32.h");
            return;
        };
        let of = |name: &str| {
            let mut lines = text.lines();
            let define = format!("#define __NR_{name} ");
            lines.find_map(|line| line.strip_prefix(&define)?.parse::<i64>().ok())
        };
        let more = i386::WITH_CAPABILITY.iter().map(|(_, calls)| *calls);
        let tables = [i386::ALLOWED].into_iter().chain(more);
        for (number, name) in tables.flatten() {
            // An older header does not have the newest calls.
            assert!(of(name).is_none_or(|known| known == *number), "{name}");
        }
        assert_eq!(of("personality"), Some(i386::CONDITIONAL.personality));
        assert_eq!(of("socket"), Some(i386::CONDITIONAL.socket));
        assert_eq!(of("clone"), Some(i386::CONDITIONAL.clone));
    }
}
