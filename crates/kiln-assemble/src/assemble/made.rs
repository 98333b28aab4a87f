//! What maintainer scripts would have made of files that packages bring: users, certificates, links.
//!
//! Sources: what the `postinst` scripts of base-passwd, base-files, ca-certificates and tzdata do in
//! Debian 12 and 13; the user `nonroot` with the number 65532 is a convention of images without a shell.

use std::collections::BTreeMap;

use kiln_layer::{Entry, Kind, Tree};

use super::place::MERGED;
use crate::spec::{Spec, UserSpec};

/// The most bytes of a file that is kept for this.
pub(super) const MAX_TAKEN: u64 = 1 << 20;

/// The number of the user that programs run as.
pub(super) const NONROOT: u32 = 65_532;

/// Where the certificates of authorities are, in one file.
pub(super) const BUNDLE: &str = "etc/ssl/certs/ca-certificates.crt";

const PASSWD_MASTER: &[u8] = b"usr/share/base-passwd/passwd.master";
const GROUP_MASTER: &[u8] = b"usr/share/base-passwd/group.master";
const PROFILE: &[u8] = b"usr/share/base-files/profile";
const NSSWITCH: &[u8] = b"usr/share/libc-bin/nsswitch.conf";
const CERTIFICATES: &[u8] = b"usr/share/ca-certificates/";

/// Whether the content of a package's file is needed here.
pub(super) fn is_taken(path: &[u8]) -> bool {
    [PASSWD_MASTER, GROUP_MASTER, PROFILE, NSSWITCH].contains(&path)
        || (path.starts_with(CERTIFICATES) && path.ends_with(b".crt"))
}

/// An entry with its content, if it is a file.
pub(super) type Made = (Entry, Vec<u8>);

/// Everything that is made, by path. `tree` is what the packages bring, `taken` the files kept of them.
pub(super) fn all(
    tree: &Tree,
    taken: &BTreeMap<Vec<u8>, Vec<u8>>,
    users: &[UserSpec],
) -> BTreeMap<Vec<u8>, Made> {
    let mut made = Collected {
        tree,
        entries: BTreeMap::new(),
    };
    accounts(&mut made, taken, users);
    if let Some(bundle) = certificates(taken) {
        made.file(BUNDLE, bundle, 0o644);
    }
    for (path, from) in [("etc/profile", PROFILE), ("etc/nsswitch.conf", NSSWITCH)] {
        if let Some(content) = taken.get(from) {
            made.file(path, content.clone(), 0o644);
        }
    }
    if tree.get(b"usr/share/zoneinfo/Etc/UTC").is_some() {
        made.link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
        made.file("etc/timezone", b"Etc/UTC\n".to_vec(), 0o644);
    }
    if tree.get(b"etc/debian_version").is_some() {
        made.link("var/run", "/run");
        made.link("var/lock", "/run/lock");
        made.directory("run/lock", 0o1777, 0);
    }
    merge(&mut made);
    made.entries
}

/// What must be there before scripts run: all else is theirs to make. Debian's before release 12 count on
/// `sh` being a link that is only made by a script.
pub(super) fn for_scripts(tree: &Tree) -> BTreeMap<Vec<u8>, Made> {
    let mut made = Collected {
        tree,
        entries: BTreeMap::new(),
    };
    merge(&mut made);
    if tree.get(b"usr/bin/dash").is_some() {
        made.link("usr/bin/sh", "dash");
    }
    made.entries
}

/// What is added when scripts have run: users that were asked for, and where `apt` finds more. `read` gives
/// the text of a file of the image.
pub(super) fn after_scripts(
    tree: &Tree,
    spec: &Spec,
    read: &dyn Fn(&str) -> Option<Vec<u8>>,
) -> BTreeMap<Vec<u8>, Made> {
    let mut made = Collected {
        tree,
        entries: BTreeMap::new(),
    };
    let users = wanted(&spec.users, spec.config.user.is_none());
    if !users.is_empty() {
        let text = |path| {
            read(path).map_or_else(String::new, |bytes| {
                String::from_utf8_lossy(&bytes).into_owned()
            })
        };
        let (mut passwd, mut group) = (text("etc/passwd"), text("etc/group"));
        let known = |text: &str, name: &str| {
            text.lines()
                .any(|line| line.split(':').next() == Some(name))
        };
        for user in users
            .iter()
            .filter(|user| !known(&text("etc/passwd"), &user.name))
        {
            add(&mut made, user, &mut passwd, &mut group);
        }
        for (path, text) in [("etc/passwd", passwd), ("etc/group", group)] {
            let entry = file_entry(path, text.len(), 0o644);
            made.entries
                .insert(entry.path.clone(), (entry, text.into_bytes()));
        }
    }
    if tree.get(b"usr/bin/apt-get").is_some() {
        made.file("etc/apt/sources.list", sources(spec).into_bytes(), 0o644);
    }
    made.entries
}

/// The repositories as `sources.list(5)` has them.
fn sources(spec: &Spec) -> String {
    let mut text = String::new();
    for repository in &spec.repositories {
        let url = repository.url.trim_end_matches('/');
        let options = match repository.check_valid_until {
            true => "",
            false => "[check-valid-until=no] ",
        };
        for suite in &repository.suites {
            let components = repository.components.join(" ");
            text.push_str(&format!("deb {options}{url} {suite} {components}\n"));
        }
    }
    text
}

/// The links of a merged `/usr`, and a place for what is temporary.
fn merge(made: &mut Collected<'_>) {
    made.directory("tmp", 0o1777, 0);
    for name in MERGED {
        let inside = [b"usr/", *name].concat();
        if made.tree.get(&inside).is_some() {
            let name = String::from_utf8_lossy(name);
            made.link(&name, &format!("usr/{name}"));
        }
    }
}

fn file_entry(path: &str, size: usize, mode: u32) -> Entry {
    let size = size as u64;
    Entry {
        mode,
        ..Entry::new(path, Kind::File { size })
    }
}

struct Collected<'a> {
    tree: &'a Tree,
    entries: BTreeMap<Vec<u8>, Made>,
}

impl Collected<'_> {
    /// Scripts leave alone what is there already.
    fn put(&mut self, entry: Entry, content: Vec<u8>) {
        if self.tree.get(&entry.path).is_none() {
            self.entries.insert(entry.path.clone(), (entry, content));
        }
    }

    fn file(&mut self, path: &str, content: Vec<u8>, mode: u32) {
        self.put(file_entry(path, content.len(), mode), content);
    }

    fn link(&mut self, path: &str, target: &str) {
        let target = target.as_bytes().to_vec();
        let entry = Entry {
            mode: 0o777,
            ..Entry::new(path, Kind::Symlink { target })
        };
        self.put(entry, vec![]);
    }

    fn directory(&mut self, path: &str, mode: u32, owner: u32) {
        let entry = Entry {
            uid: owner,
            gid: owner,
            ..Entry::directory(path, mode)
        };
        self.put(entry, vec![]);
    }
}

/// base-passwd's users where it is there, else the three that every image needs; then `nonroot` and those
/// that were asked for.
fn accounts(made: &mut Collected<'_>, taken: &BTreeMap<Vec<u8>, Vec<u8>>, users: &[UserSpec]) {
    let text = |path: &[u8], default: &str| {
        let master = taken
            .get(path)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        // The masters have `*` for the password; `x` says that it is in a file of its own.
        master.map_or_else(|| default.to_owned(), |text| text.replace(":*:", ":x:"))
    };
    let mut passwd = text(
        PASSWD_MASTER,
        "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\n",
    );
    let mut group = text(
        GROUP_MASTER,
        "root:x:0:\ntty:x:5:\nstaff:x:50:\nnogroup:x:65534:\n",
    );
    for user in wanted(users, true) {
        add(made, &user, &mut passwd, &mut group);
    }
    made.file("etc/passwd", passwd.into_bytes(), 0o644);
    made.file("etc/group", group.into_bytes(), 0o644);
    made.directory("root", 0o700, 0);
}

/// The users that were asked for, behind `nonroot` if that is to be there, too.
fn wanted(users: &[UserSpec], with_nonroot: bool) -> Vec<UserSpec> {
    let nonroot = UserSpec {
        name: "nonroot".to_owned(),
        uid: NONROOT,
        gid: None,
        home: None,
        shell: None,
    };
    let is_named = |user: &UserSpec| user.name == nonroot.name || user.uid == nonroot.uid;
    let is_needed = with_nonroot && !users.iter().any(is_named);
    let own = is_needed.then_some(nonroot);
    own.into_iter().chain(users.iter().cloned()).collect()
}

/// Adds a user, with a group and a home.
fn add(made: &mut Collected<'_>, user: &UserSpec, passwd: &mut String, group: &mut String) {
    let UserSpec { name, uid, .. } = user;
    let gid = user.gid.unwrap_or(*uid);
    let home = user.home.clone().unwrap_or_else(|| format!("/home/{name}"));
    let shell = user.shell.as_deref().unwrap_or("/sbin/nologin");
    passwd.push_str(&format!("{name}:x:{uid}:{gid}:{name}:{home}:{shell}\n"));
    let number = format!(":{gid}:");
    if !group.lines().any(|line| line.contains(&number)) {
        group.push_str(&format!("{name}:x:{gid}:\n"));
    }
    let entry = Entry {
        uid: *uid,
        gid,
        ..Entry::directory(home.trim_matches('/'), 0o700)
    };
    if !entry.path.is_empty() {
        made.put(entry, vec![]);
    }
}

/// All certificates in one file, in the order of their names, as `update-ca-certificates` makes it.
fn certificates(taken: &BTreeMap<Vec<u8>, Vec<u8>>) -> Option<Vec<u8>> {
    let mut bundle = vec![];
    for (_, content) in taken
        .iter()
        .filter(|(path, _)| path.starts_with(CERTIFICATES))
    {
        bundle.extend_from_slice(content);
        if !content.ends_with(b"\n") {
            bundle.push(b'\n');
        }
    }
    (!bundle.is_empty()).then_some(bundle)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(made: &BTreeMap<Vec<u8>, Made>, path: &str) -> String {
        String::from_utf8(made[path.as_bytes()].1.clone()).unwrap()
    }

    #[test]
    fn an_image_without_packages_has_its_users() {
        let app = UserSpec {
            name: "app".to_owned(),
            uid: 1000,
            gid: Some(50),
            home: Some("/srv/app".to_owned()),
            shell: None,
        };
        let made = all(&Tree::new(), &BTreeMap::new(), &[app]);
        let passwd = text(&made, "etc/passwd");
        assert!(passwd.starts_with("root:x:0:0:"), "{passwd}");
        assert!(
            passwd.contains("nonroot:x:65532:65532:nonroot:/home/nonroot:"),
            "{passwd}"
        );
        assert!(
            passwd.ends_with("app:x:1000:50:app:/srv/app:/sbin/nologin\n"),
            "{passwd}"
        );
        let group = text(&made, "etc/group");
        assert!(
            group.contains("nonroot:x:65532:\n") && !group.contains("app"),
            "{group}"
        );
        let home = &made[&b"srv/app"[..]].0;
        assert_eq!((home.uid, home.gid, home.mode), (1000, 50, 0o700));
        assert_eq!(made[&b"tmp"[..]].0.mode, 0o1777);
        assert!(!made.contains_key(&b"bin"[..]), "there is no usr/bin");
    }

    #[test]
    fn masters_and_certificates_are_used() {
        let taken = BTreeMap::from([
            (
                PASSWD_MASTER.to_vec(),
                b"root:*:0:0:root:/root:/bin/bash\n".to_vec(),
            ),
            (
                b"usr/share/ca-certificates/mozilla/b.crt".to_vec(),
                b"BBB".to_vec(),
            ),
            (
                b"usr/share/ca-certificates/mozilla/a.crt".to_vec(),
                b"AAA\n".to_vec(),
            ),
        ]);
        let made = all(&Tree::new(), &taken, &[]);
        assert!(text(&made, "etc/passwd").starts_with("root:x:0:0:root:/root:/bin/bash\nnonroot:"));
        assert_eq!(text(&made, BUNDLE), "AAA\nBBB\n");
        assert!(is_taken(b"usr/share/ca-certificates/mozilla/a.crt"));
        assert!(!is_taken(b"usr/share/ca-certificates/README"));
    }
}
