//! What can be done to a project and what is in it, and the least role that may do it.
//!
//! This is the permission table: `docs/design/registry-access.md` shows it as [`table`] prints it, and a
//! test compares the two.

use std::fmt;
use std::fmt::Write as _;

use super::role::Role;

/// Something that is done to a project or to what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read manifests and blobs, list tags and referrers, see the history of a tag.
    Pull,
    /// Upload blobs, put manifests, set tags.
    Push,
    /// Delete manifests, tags, blobs and repositories.
    Delete,
    /// Put a tag back to what it was before.
    Restore,
    /// See the project and the list of its repositories.
    ViewProject,
    /// See the rules of immutable tags.
    ViewRules,
    /// Change the rules of immutable tags.
    ChangeRules,
    /// See who is a member, and what an account may do here.
    ViewMembers,
    /// Add and remove members, change their roles.
    ChangeMembers,
    /// See the project's robot accounts.
    ViewRobots,
    /// Make, change and end the project's robot accounts.
    ChangeRobots,
    /// Read the project's part of the audit log.
    ViewAudit,
    /// Make the project public or private, describe it.
    ChangeProject,
    /// Delete the project.
    DeleteProject,
}

impl Action {
    /// Every action, in the order of the table.
    pub const ALL: [Self; 14] = [
        Self::Pull,
        Self::ViewProject,
        Self::ViewRules,
        Self::Push,
        Self::Delete,
        Self::Restore,
        Self::ChangeRules,
        Self::ViewMembers,
        Self::ViewRobots,
        Self::ViewAudit,
        Self::ChangeMembers,
        Self::ChangeRobots,
        Self::ChangeProject,
        Self::DeleteProject,
    ];

    /// The least of the roles that may do this.
    #[must_use]
    pub fn least_role(self) -> Role {
        match self {
            Self::Pull | Self::ViewProject | Self::ViewRules => Role::Guest,
            Self::Push => Role::Developer,
            Self::Delete
            | Self::Restore
            | Self::ChangeRules
            | Self::ViewMembers
            | Self::ViewRobots
            | Self::ViewAudit => Role::Maintainer,
            Self::ChangeMembers
            | Self::ChangeRobots
            | Self::ChangeProject
            | Self::DeleteProject => Role::Admin,
        }
    }

    /// Whether everybody may do this to a public project, logged in or not.
    #[must_use]
    pub fn is_open_in_public(self) -> bool {
        matches!(self, Self::Pull | Self::ViewProject)
    }

    /// Whether this only looks: what a read-only token may still do.
    #[must_use]
    pub fn only_reads(self) -> bool {
        matches!(
            self,
            Self::Pull
                | Self::ViewProject
                | Self::ViewRules
                | Self::ViewMembers
                | Self::ViewRobots
                | Self::ViewAudit
        )
    }

    /// The name in documents, in the audit log and in the API: `pull`, `change-members`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Delete => "delete",
            Self::Restore => "restore",
            Self::ViewProject => "view-project",
            Self::ViewRules => "view-rules",
            Self::ChangeRules => "change-rules",
            Self::ViewMembers => "view-members",
            Self::ChangeMembers => "change-members",
            Self::ViewRobots => "view-robots",
            Self::ChangeRobots => "change-robots",
            Self::ViewAudit => "view-audit",
            Self::ChangeProject => "change-project",
            Self::DeleteProject => "delete-project",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The permission table as Markdown.
#[must_use]
pub fn table() -> String {
    let mut out = String::from(
        "| action | anybody, in a public project | guest | developer | maintainer | admin | robot |\n\
         | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let cell = |yes: bool| if yes { "yes" } else { "–" };
    for action in Action::ALL {
        let robot = match action {
            Action::Pull | Action::Push | Action::Delete => "by scope",
            Action::ViewProject => "its own project",
            _ => "–",
        };
        write!(out, "| {action} | {} ", cell(action.is_open_in_public()))
            .expect("because a String takes everything");
        for role in Role::ALL {
            write!(out, "| {} ", cell(role.allows(action)))
                .expect("because a String takes everything");
        }
        writeln!(out, "| {robot} |").expect("because a String takes everything");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_action_is_in_the_table_once() {
        let table = table();
        for action in Action::ALL {
            assert_eq!(
                table.matches(&format!("| {action} |")).count(),
                1,
                "{action}"
            );
        }
        assert_eq!(table.lines().count(), Action::ALL.len() + 2);
    }

    #[test]
    fn what_everybody_may_do_changes_nothing() {
        for action in Action::ALL.into_iter().filter(|a| a.is_open_in_public()) {
            assert!(action.only_reads(), "{action}");
            assert_eq!(action.least_role(), Role::Guest, "{action}");
        }
    }

    #[test]
    fn the_design_page_shows_this_table() {
        let page = include_str!("../../../../docs/design/registry-access.md");
        assert!(
            page.contains(&table()),
            "docs/design/registry-access.md must contain this table:\n{}",
            table()
        );
    }
}
