//! Ids and capabilities of the program.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, Gid, Uid, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs, set_thread_groups,
    set_thread_res_gid, set_thread_res_uid,
};

use crate::capabilities::Capabilities;
use crate::error::{SetUpError, Step};
use crate::sandboxed::Note;
use crate::spec::{Security, Spec};

/// The last capability that this version knows; the kernel refuses those that it does not.
const LAST: u32 = 40;

/// Drops what the program may not do and becomes its user. A user other than root starts without capabilities,
/// but set-user-ID programs give it those of the bounding set; that is how `sudo` works in a build.
pub(super) fn take_on(spec: &Spec, notes: &mut Vec<Note>) -> Result<(), SetUpError> {
    let failed = |errno| SetUpError::new(Step::Rights, errno);
    let base = match spec.security {
        Security::Sandbox => Capabilities::DEFAULT,
        Security::Insecure => Capabilities::ALL,
    };
    let wanted = base
        .union(spec.add_capabilities)
        .without(spec.drop_capabilities);
    for bit in (0..=LAST).filter(|bit| wanted.bits() & (1 << bit) == 0) {
        let one = CapabilitySet::from_bits_retain(1 << bit);
        match remove_capability_from_bounding_set(one) {
            // A kernel that does not know it cannot give it either.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(errno) => return Err(failed(errno)),
        }
    }
    let groups: Vec<Gid> = spec.groups.iter().map(|gid| Gid::from_raw(*gid)).collect();
    match set_thread_groups(&groups) {
        Ok(()) => {}
        Err(Errno::PERM) => notes.push(Note::GroupsDenied),
        Err(errno) => return Err(failed(errno)),
    }
    let ids = |errno: Errno| match errno {
        Errno::INVAL => failed(errno).hint(format!(
            "{}:{} is not among the ids that this user may use; `kiln doctor` says how to get more",
            spec.uid, spec.gid
        )),
        errno => failed(errno),
    };
    let (uid, gid) = (Uid::from_raw(spec.uid), Gid::from_raw(spec.gid));
    set_thread_res_gid(gid, gid, gid).map_err(ids)?;
    set_thread_res_uid(uid, uid, uid).map_err(ids)?;
    if spec.uid == 0 {
        let now = rustix::thread::capabilities(None).map_err(failed)?;
        let kept = CapabilitySet::from_bits_retain(wanted.bits()) & now.permitted;
        let inheritable = CapabilitySet::empty();
        set_capabilities(
            None,
            CapabilitySets {
                effective: kept,
                permitted: kept,
                inheritable,
            },
        )
        .map_err(failed)?;
    }
    // Kernels before 4.3 have no ambient set.
    let _ = clear_ambient_capability_set();
    if spec.no_new_privileges {
        set_no_new_privs(true).map_err(failed)?;
    }
    Ok(())
}
