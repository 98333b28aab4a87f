//! An ordinary user becomes root of a user namespace.
//!
//! Source: `user_namespaces(7)`, `newuidmap(1)`, `subuid(5)`. The process itself leaves for the new namespace; a
//! child that stays behind calls `newuidmap` and `newgidmap`, which are allowed to map the ranges that
//! `/etc/subuid` and `/etc/subgid` give to the user. Without them only the user's own id can be mapped.

use std::fs;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::thread::UnshareFlags;

use crate::sys::{self, Fork};

/// Ids inside that stand for ids outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The first id inside.
    pub inside: u32,
    /// The first id outside.
    pub outside: u32,
    /// How many.
    pub count: u32,
}

/// Which ids are wanted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdMap {
    /// Those of `/etc/subuid` and `/etc/subgid` if they can be had, else the one.
    #[default]
    Automatic,
    /// The user's own id only, as root.
    Single,
}

/// Which ids there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mapping {
    /// The user's own as root, and subordinate ones.
    Subordinate {
        /// User ids.
        users: Vec<IdRange>,
        /// Group ids.
        groups: Vec<IdRange>,
    },
    /// Only the user's own, as root. Nothing can belong to anybody else.
    Single {
        /// Why there are no others.
        why: String,
    },
}

/// The namespace that was entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserNamespace {
    /// Its ids.
    pub mapping: Mapping,
}

/// Why there is no user namespace.
#[derive(Debug, thiserror::Error)]
pub enum UserNamespaceError {
    /// The kernel refuses.
    #[error("this machine does not let ordinary users make user namespaces")]
    Refused(#[source] std::io::Error),
    /// The ids could not be mapped.
    #[error("cannot map user ids")]
    Map(#[source] std::io::Error),
    /// It was too late for it.
    #[error("a user namespace must be entered before any thread starts")]
    Threads,
}

/// Whether this process is root of nothing and needs a namespace to be root of.
pub fn user_namespace_needed() -> bool {
    !rustix::process::geteuid().is_root()
}

/// Whether this process is in a user namespace that does not have all ids, so that some of root's rights
/// are missing.
pub(crate) fn inside() -> bool {
    // The initial namespace maps all ids onto themselves.
    fs::read_to_string("/proc/self/uid_map")
        .is_ok_and(|map| map.split_whitespace().collect::<Vec<_>>() != ["0", "0", "4294967295"])
}

/// Makes this process root of a new user namespace, with a mount namespace of its own. To be called before
/// any thread starts.
///
/// # Errors
/// If the kernel refuses namespaces, or threads run already.
pub fn enter_user_namespace(wanted: IdMap) -> Result<UserNamespace, UserNamespaceError> {
    let (uid, gid) = (
        rustix::process::geteuid().as_raw(),
        rustix::process::getegid().as_raw(),
    );
    let ranges = match wanted {
        IdMap::Single => Err("it was asked for".to_owned()),
        IdMap::Automatic => subordinate(uid, gid),
    };
    let mapping = match ranges {
        Ok((users, groups)) => match enter_with_helper(&users, &groups) {
            Ok(()) => Mapping::Subordinate { users, groups },
            Err(Entering::Namespace(error)) => return Err(error),
            Err(Entering::Helper(why)) => {
                map_own(uid, gid)?;
                Mapping::Single { why }
            }
        },
        Err(why) => {
            unshare()?;
            map_own(uid, gid)?;
            Mapping::Single { why }
        }
    };
    become_root(&mapping)?;
    Ok(UserNamespace { mapping })
}

enum Entering {
    Namespace(UserNamespaceError),
    Helper(String),
}

fn unshare() -> Result<(), UserNamespaceError> {
    match sys::unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL) => Err(UserNamespaceError::Threads),
        Err(errno) => Err(UserNamespaceError::Refused(errno.into())),
    }
}

/// The user's own id as root, which needs no privilege. Groups cannot be changed then.
fn map_own(uid: u32, gid: u32) -> Result<(), UserNamespaceError> {
    let write = |name: &str, text: &str| fs::write(Path::new("/proc/self").join(name), text);
    write("setgroups", "deny")
        .and_then(|()| write("uid_map", &format!("0 {uid} 1\n")))
        .and_then(|()| write("gid_map", &format!("0 {gid} 1\n")))
        .map_err(UserNamespaceError::Map)
}

/// Leaves for the namespace while a child stays behind, which has the ranges mapped.
fn enter_with_helper(users: &[IdRange], groups: &[IdRange]) -> Result<(), Entering> {
    let refused = |errno: Errno| Entering::Namespace(UserNamespaceError::Map(errno.into()));
    let (go, ready) = rustix::pipe::pipe().map_err(refused)?;
    let own = rustix::process::getpid();
    match sys::fork() {
        Err(Errno::BUSY) => Err(Entering::Namespace(UserNamespaceError::Threads)),
        Err(errno) => Err(refused(errno)),
        Ok(Fork::Child) => {
            drop(ready);
            let code = map_from_outside(&go, own, users, groups);
            #[expect(clippy::exit, reason = "the child of a fork has nothing to unwind")]
            std::process::exit(code);
        }
        Ok(Fork::Parent(child)) => {
            drop(go);
            let left = unshare();
            if left.is_ok() {
                let _ = fs::File::from(ready).write_all(b"g");
            } else {
                drop(ready);
            }
            let status = waitpid(Some(child), WaitOptions::empty()).ok().flatten();
            left.map_err(Entering::Namespace)?;
            match status.and_then(|(_, status)| status.exit_status()) {
                Some(0) => Ok(()),
                _ => Err(Entering::Helper(
                    "newuidmap refused the ranges of /etc/subuid".to_owned(),
                )),
            }
        }
    }
}

fn map_from_outside(go: &OwnedFd, pid: Pid, users: &[IdRange], groups: &[IdRange]) -> i32 {
    let mut byte = [0];
    if !matches!(rustix::io::read(go, &mut byte), Ok(1)) {
        return 1;
    }
    for (program, ranges) in [("newgidmap", groups), ("newuidmap", users)] {
        let mut command = Command::new(program);
        command.arg(pid.as_raw_nonzero().to_string());
        for range in ranges {
            let numbers =
                [range.inside, range.outside, range.count].map(|number| number.to_string());
            command.args(numbers);
        }
        let status = command
            .stdin(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        // The helper is found where every distribution has it, whatever PATH says.
        let status = status
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/local/bin")
            .arg0(program)
            .status();
        if !status.is_ok_and(|status| status.success()) {
            return 1;
        }
    }
    0
}

fn become_root(mapping: &Mapping) -> Result<(), UserNamespaceError> {
    use rustix::thread::{Gid, Uid, set_thread_groups, set_thread_res_gid, set_thread_res_uid};
    let failed = |errno: Errno| UserNamespaceError::Map(errno.into());
    let (uid, gid) = (Uid::ROOT, Gid::ROOT);
    set_thread_res_gid(gid, gid, gid).map_err(failed)?;
    set_thread_res_uid(uid, uid, uid).map_err(failed)?;
    if matches!(mapping, Mapping::Subordinate { .. }) {
        set_thread_groups(&[]).map_err(failed)?;
    }
    Ok(())
}

/// The ranges for a user: its own id as root, the subordinate ones from 1 on. The error says what is missing.
fn subordinate(uid: u32, gid: u32) -> Result<(Vec<IdRange>, Vec<IdRange>), String> {
    for helper in ["newuidmap", "newgidmap"] {
        let directories = ["/usr/bin", "/bin", "/usr/local/bin"];
        if !directories
            .iter()
            .any(|directory| Path::new(directory).join(helper).exists())
        {
            return Err(format!(
                "the program {helper} is not installed (package uidmap or shadow-utils)"
            ));
        }
    }
    let name = user_name(uid);
    let users = ranges("/etc/subuid", name.as_deref(), uid)?;
    let groups = ranges("/etc/subgid", name.as_deref(), uid)?;
    Ok((with_own(uid, &users), with_own(gid, &groups)))
}

fn with_own(own: u32, subordinate: &[(u32, u32)]) -> Vec<IdRange> {
    let mut ranges = vec![IdRange {
        inside: 0,
        outside: own,
        count: 1,
    }];
    let mut next = 1;
    for (first, count) in subordinate {
        ranges.push(IdRange {
            inside: next,
            outside: *first,
            count: *count,
        });
        next += count;
    }
    ranges
}

fn ranges(file: &str, name: Option<&str>, uid: u32) -> Result<Vec<(u32, u32)>, String> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let found = parse_ranges(&text, name, uid);
    if found.is_empty() {
        return Err(format!(
            "{file} has no range for {}",
            name.unwrap_or(&uid.to_string())
        ));
    }
    Ok(found)
}

/// The lines `name:first:count` of a user, by name or number.
fn parse_ranges(text: &str, name: Option<&str>, uid: u32) -> Vec<(u32, u32)> {
    let number = uid.to_string();
    let line = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        let (first, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        ((Some(owner) == name || owner == number) && count > 0).then_some((first, count))
    };
    text.lines().filter_map(line).collect()
}

/// The name of a user by `/etc/passwd`; users that only a directory service knows are looked up by number.
fn user_name(uid: u32) -> Option<String> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_by_name_and_by_number() {
        let text = "a:100000:65536\n1000:300000:10\nb:1:x\nb:5:0\n\n";
        assert_eq!(parse_ranges(text, Some("a"), 1), [(100_000, 65_536)]);
        assert_eq!(parse_ranges(text, Some("x"), 1000), [(300_000, 10)]);
        assert_eq!(parse_ranges(text, Some("b"), 2), []);
        let ranges = with_own(1000, &[(100_000, 10), (200_000, 5)]);
        assert_eq!(
            ranges[2],
            IdRange {
                inside: 11,
                outside: 200_000,
                count: 5
            }
        );
    }
}
