//! Users and groups of an image, from its `/etc/passwd` and `/etc/group`.
//!
//! Source: `passwd(5)`, `group(5)`. Lines that make no sense are passed over, as the C library does.

use crate::tree::Tree;

/// A line of `/etc/passwd`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Login name.
    pub name: Vec<u8>,
    /// User id.
    pub uid: u32,
    /// Id of the primary group.
    pub gid: u32,
    /// Home directory; may be empty.
    pub home: Vec<u8>,
    /// Login shell; may be empty.
    pub shell: Vec<u8>,
}

/// A line of `/etc/group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The group's name.
    pub name: Vec<u8>,
    /// Group id.
    pub gid: u32,
    /// Names of the users that have it as a further group.
    pub members: Vec<Vec<u8>>,
}

/// The users and groups of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Users {
    users: Vec<User>,
    groups: Vec<Group>,
}

impl Users {
    /// Reads both files. A missing one is as good as an empty one.
    #[must_use]
    pub fn parse(passwd: &[u8], group: &[u8]) -> Self {
        Self {
            users: lines(passwd).filter_map(user).collect(),
            groups: lines(group).filter_map(self::group).collect(),
        }
    }

    /// Those of a tree, from what its layer indexes kept. Files above
    /// [`MAX_KEPT`](crate::index::MAX_KEPT) are not kept: then read them and [`parse`](Self::parse).
    #[must_use]
    pub fn of(tree: &Tree) -> Self {
        let kept = |path: &[u8]| tree.kept(path).unwrap_or_default();
        Self::parse(kept(b"etc/passwd"), kept(b"etc/group"))
    }

    /// The first user of that name.
    #[must_use]
    pub fn user(&self, name: &[u8]) -> Option<&User> {
        self.users.iter().find(|user| user.name == name)
    }

    /// The first user with that id.
    #[must_use]
    pub fn user_by_id(&self, uid: u32) -> Option<&User> {
        self.users.iter().find(|user| user.uid == uid)
    }

    /// The first group of that name.
    #[must_use]
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// The first group with that id.
    #[must_use]
    pub fn group_by_id(&self, gid: u32) -> Option<&Group> {
        self.groups.iter().find(|group| group.gid == gid)
    }

    /// The ids of the groups that list the user as a member, in the order of the file and each
    /// once. The primary group is not among them unless it lists the user, too.
    #[must_use]
    pub fn groups_of(&self, name: &[u8]) -> Vec<u32> {
        let mut ids = Vec::new();
        for group in &self.groups {
            let is_member = group.members.iter().any(|member| member == name);
            if is_member && !ids.contains(&group.gid) {
                ids.push(group.gid);
            }
        }
        ids
    }
}

fn lines(file: &[u8]) -> impl Iterator<Item = &[u8]> {
    file.split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
}

fn user(line: &[u8]) -> Option<User> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_vec();
    let _password = fields.next()?;
    let uid = number(fields.next()?)?;
    let gid = number(fields.next()?)?;
    let _comment = fields.next();
    Some(User {
        name,
        uid,
        gid,
        home: fields.next().unwrap_or_default().to_vec(),
        shell: fields.next().unwrap_or_default().to_vec(),
    })
}

fn group(line: &[u8]) -> Option<Group> {
    let mut fields = line.split(|byte| *byte == b':');
    let name = fields.next().filter(|name| !name.is_empty())?.to_vec();
    let _password = fields.next()?;
    let gid = number(fields.next()?)?;
    let members = fields.next().unwrap_or_default();
    let members = members.split(|byte| *byte == b',');
    let members = members
        .map(<[u8]>::trim_ascii)
        .filter(|name| !name.is_empty());
    Some(Group {
        name,
        gid,
        members: members.map(<[u8]>::to_vec).collect(),
    })
}

fn number(text: &[u8]) -> Option<u32> {
    let text = std::str::from_utf8(text).ok()?;
    // `parse` would take a sign.
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\n\
        # a comment\n\
        app:x:1000:1001::/home/app:/bin/bash\n\
        short:x:5:6\n\
        broken:x:none:0::/:\n\
        signed:x:+7:0::/:\n\
        app:x:9:9::/second:/bin/false\n";
    const GROUP: &[u8] = b"root:x:0:\nwheel:x:10:app, root\ndocker:x:999:app\nsame:x:10:app\nbad\n";

    #[test]
    fn users_are_found_by_name_and_id_and_the_first_one_counts() {
        let users = Users::parse(PASSWD, GROUP);
        let app = users.user(b"app").unwrap();
        assert_eq!(
            (app.uid, app.gid, &app.home[..]),
            (1000, 1001, &b"/home/app"[..])
        );
        assert_eq!(users.user_by_id(1000), Some(app));
        assert_eq!(users.user(b"short").unwrap().home, b"");
        assert_eq!(users.user(b"broken"), None);
        assert_eq!(users.user(b"signed"), None);
        assert_eq!(users.user_by_id(7), None);
    }

    #[test]
    fn groups_list_their_members() {
        let users = Users::parse(PASSWD, GROUP);
        assert_eq!(users.groups_of(b"app"), [10, 999]);
        assert_eq!(users.groups_of(b"root"), [10]);
        assert_eq!(users.groups_of(b"nobody"), [0_u32; 0]);
        assert_eq!(users.group(b"docker").unwrap().gid, 999);
        assert_eq!(users.group_by_id(10).unwrap().name, b"wheel");
    }

    #[test]
    fn files_that_are_no_text_give_nobody() {
        let users = Users::parse(&[0xff, b':', 0, b'\n', b':'], b"");
        assert_eq!(users, Users::default());
    }
}
