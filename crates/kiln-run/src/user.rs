//! Who runs a process: `USER` as the image writes it becomes ids.
//!
//! Source: OCI image specification, "config.md", field `User`; Docker's rules for what is left out: a bare
//! number that `/etc/passwd` does not know gets group 0 and the home `/`, a bare name its group of the
//! file, and a user with an explicit group no further groups.

use kiln_layer::{Tree, Users};

/// A user by numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// Further groups.
    pub groups: Vec<u32>,
    /// Home directory.
    pub home: String,
}

/// A user or group that is not there.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum UserError {
    /// The image's `/etc/passwd` has no such name.
    #[error("no user `{name}` in the image's /etc/passwd")]
    NoUser {
        /// As written.
        name: String,
    },
    /// The image's `/etc/group` has no such name.
    #[error("no group `{name}` in the image's /etc/group")]
    NoGroup {
        /// As written.
        name: String,
    },
    /// A number that no id can have.
    #[error("`{text}` is not an id: ids go up to 4294967294")]
    Range {
        /// As written.
        text: String,
    },
}

impl User {
    /// Root.
    #[must_use]
    pub fn root() -> Self {
        Self {
            uid: 0,
            gid: 0,
            groups: vec![],
            home: "/root".to_owned(),
        }
    }
}

/// Looks `user[:group]` up in the image that `tree` shows. Each part is a name or a number; empty means
/// root.
///
/// # Errors
/// See [`UserError`].
pub fn resolve_user(tree: &Tree, user: &str) -> Result<User, UserError> {
    let users = Users::of(tree);
    let (name, group) = match user.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (user, None),
    };
    let number = if name.is_empty() { Some(0) } else { id(name)? };
    let account = match number {
        Some(uid) => users.user_by_id(uid),
        None => users.user(name.as_bytes()),
    };
    let (uid, primary, home) = match (account, number) {
        (Some(account), _) => (account.uid, account.gid, text(&account.home)),
        (None, Some(0)) => (0, 0, "/root".to_owned()),
        (None, Some(uid)) => (uid, 0, "/".to_owned()),
        (None, None) => {
            return Err(UserError::NoUser {
                name: name.to_owned(),
            });
        }
    };
    let gid = match group {
        None | Some("") => primary,
        Some(group) => group_id(&users, group)?,
    };
    let groups = match (group, account) {
        (None, Some(account)) => users.groups_of(&account.name),
        _ => vec![],
    };
    let home = if home.is_empty() {
        "/".to_owned()
    } else {
        home
    };
    Ok(User {
        uid,
        gid,
        groups,
        home,
    })
}

/// The owner that `--chown user[:group]` means. A bare user owns with a group of the same number, unlike
/// in `USER`.
///
/// # Errors
/// See [`UserError`].
pub fn resolve_owner(tree: &Tree, owner: &str) -> Result<(u32, u32), UserError> {
    let user = resolve_user(tree, owner)?;
    let has_group = owner
        .split_once(':')
        .is_some_and(|(_, group)| !group.is_empty());
    Ok((user.uid, if has_group { user.gid } else { user.uid }))
}

fn group_id(users: &Users, group: &str) -> Result<u32, UserError> {
    if let Some(gid) = id(group)? {
        return Ok(gid);
    }
    let found = users.group(group.as_bytes());
    found
        .map(|group| group.gid)
        .ok_or_else(|| UserError::NoGroup {
            name: group.to_owned(),
        })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// `text` as an id, if it is a number.
fn id(text: &str) -> Result<Option<u32>, UserError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse() {
        Ok(u32::MAX) | Err(_) => Err(UserError::Range {
            text: text.to_owned(),
        }),
        Ok(id) => Ok(Some(id)),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use kiln_layer::{Entry, IndexEntry, Kind, LayerIndex};
    use kiln_oci::Digest;

    use super::*;

    fn tree() -> Tree {
        let passwd =
            "root:x:0:0:root:/root:/bin/sh\nweb:x:33:44::/var/www:/bin/sh\nnohome:x:5:5:::\n";
        let group = "root:x:0:\nweb:x:44:\nextra:x:50:other,web\nstaff:x:60:\n";
        let file = |path: &str, content: &str| IndexEntry {
            entry: Entry::new(
                path,
                Kind::File {
                    size: content.len() as u64,
                },
            ),
            content: Some(Digest::sha256(content.as_bytes())),
            offset: 0,
            extents: vec![],
            kept: Some(content.as_bytes().to_vec()),
        };
        let entries = vec![file("etc/passwd", passwd), file("etc/group", group)];
        let index = LayerIndex {
            diff_id: Digest::sha256(b""),
            size: 0,
            entries,
        };
        Tree::of([&Arc::new(index)]).unwrap()
    }

    #[test]
    fn names_numbers_and_groups_resolve_as_in_docker() {
        let tree = tree();
        for (written, uid, gid, groups, home) in [
            ("", 0, 0, &[][..], "/root"),
            ("root", 0, 0, &[], "/root"),
            ("web", 33, 44, &[50], "/var/www"),
            ("33", 33, 44, &[50], "/var/www"),
            ("web:staff", 33, 60, &[], "/var/www"),
            ("web:7", 33, 7, &[], "/var/www"),
            ("1234", 1234, 0, &[], "/"),
            ("1234:1234", 1234, 1234, &[], "/"),
            ("nohome", 5, 5, &[], "/"),
        ] {
            let user = resolve_user(&tree, written).unwrap();
            let expected = User {
                uid,
                gid,
                groups: groups.to_vec(),
                home: home.to_owned(),
            };
            assert_eq!(user, expected, "{written}");
        }
        assert_eq!(resolve_user(&Tree::new(), "").unwrap(), User::root());
    }

    #[test]
    fn owners_of_copied_files_have_a_group_of_their_own_number() {
        let tree = tree();
        assert_eq!(resolve_owner(&tree, "web"), Ok((33, 33)));
        assert_eq!(resolve_owner(&tree, "web:web"), Ok((33, 44)));
        assert_eq!(resolve_owner(&tree, "10"), Ok((10, 10)));
    }

    #[test]
    fn what_is_not_there_is_named() {
        let tree = tree();
        assert_eq!(
            resolve_user(&tree, "wbe"),
            Err(UserError::NoUser { name: "wbe".into() })
        );
        assert_eq!(
            resolve_user(&tree, "web:x"),
            Err(UserError::NoGroup { name: "x".into() })
        );
        assert!(matches!(
            resolve_user(&tree, "4294967295"),
            Err(UserError::Range { .. })
        ));
        assert!(matches!(
            resolve_user(&tree, "99999999999"),
            Err(UserError::Range { .. })
        ));
    }
}
