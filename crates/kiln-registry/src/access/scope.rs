//! The scopes of Docker's token flow: `repository:team/app:pull,push`.
//!
//! `type[(class)]:name:action,action` (distribution's "Token Scope Documentation"). The name may hold a colon
//! itself (`localhost:5000/app`), so it is what is left when the type is taken from the front and the actions
//! from the back.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::action::Action;

/// One resource and what shall be done to it; in a token, what may be done to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// `repository` or `registry`; others are granted nothing.
    #[serde(rename = "type")]
    pub kind: String,
    /// The repository's name, or `catalog`.
    pub name: String,
    /// `pull`, `push`, `delete`, `*`.
    pub actions: Vec<String>,
}

/// Most scopes that one request may ask for. Clients ask for two, when they mount.
pub(super) const SCOPES_MOST: usize = 64;
/// Most actions in one scope.
const ACTIONS_MOST: usize = 16;

impl Scope {
    /// Reads one scope; `None` when it is none. Such are passed over, as a grant that is smaller than what
    /// was asked for is no error.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once(':')?;
        let (name, actions) = rest.rsplit_once(':')?;
        // `repository(plugin)`: the class says what kind of content is meant, and changes no right.
        let kind = kind.split_once('(').map_or(kind, |(kind, _)| kind);
        let word =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
        let name_ok = !name.is_empty()
            && name.len() <= 512
            && name
                .bytes()
                .all(|b| b.is_ascii_graphic() && !b"\"\\".contains(&b));
        let mut list: Vec<String> = Vec::new();
        for action in actions.split(',').filter(|action| !action.is_empty()) {
            if !(word(action) || action == "*") || action.len() > 32 || list.len() == ACTIONS_MOST {
                return None;
            }
            if !list.iter().any(|known| known == action) {
                list.push(action.to_owned());
            }
        }
        (word(kind) && kind.len() <= 32 && name_ok).then(|| Self {
            kind: kind.to_owned(),
            name: name.to_owned(),
            actions: list,
        })
    }

    /// Reads a list with blanks between its scopes, as one `scope` parameter may hold. Stops after
    /// sixty-four.
    pub fn parse_list(text: &str) -> impl Iterator<Item = Self> {
        text.split(' ').take(SCOPES_MOST).filter_map(Self::parse)
    }

    /// Whether the actions hold `action`; `*` holds all.
    #[must_use]
    pub fn has(&self, action: Action) -> bool {
        self.actions
            .iter()
            .any(|known| known == "*" || known == action.name())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.kind, self.name, self.actions.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_split_from_both_ends() {
        let scope = Scope::parse("repository:host:5000/team/app:pull,push").unwrap();
        assert_eq!(
            (scope.kind.as_str(), scope.name.as_str()),
            ("repository", "host:5000/team/app")
        );
        assert_eq!(scope.actions, ["pull", "push"]);
        assert!(scope.has(Action::Push) && !scope.has(Action::Delete));
        assert_eq!(scope.to_string(), "repository:host:5000/team/app:pull,push");

        let plugin = Scope::parse("repository(plugin):a/b:*").unwrap();
        assert_eq!(
            (plugin.kind.as_str(), plugin.name.as_str()),
            ("repository", "a/b")
        );
        assert!(plugin.has(Action::Delete));
        assert_eq!(Scope::parse("registry:catalog:*").unwrap().name, "catalog");
        assert!(Scope::parse("repository:a:").unwrap().actions.is_empty());
        assert_eq!(
            Scope::parse("repository:a:pull,pull,").unwrap().actions,
            ["pull"]
        );
    }

    #[test]
    fn what_is_no_scope() {
        let long = format!("repository:{}:pull", "a".repeat(513));
        let many = format!(
            "repository:a:{}",
            ["x"; 20].join(",")
                + &"abcdefghijklmnopq"
                    .chars()
                    .map(|c| format!(",{c}"))
                    .collect::<String>()
        );
        for bad in [
            "",
            ":",
            "::",
            "repository",
            "repository:a",
            "repository::pull",
            ":a:pull",
            "Repository:a:pull",
            "repository:a b:pull",
            "repository:a:pull\r\nX: y",
            "repository:a\":pull",
            "repository:ä:pull",
            "repository:a:PULL",
            &long,
            &many,
        ] {
            assert_eq!(Scope::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn lists_end() {
        let two: Vec<_> =
            Scope::parse_list("repository:a:pull junk repository:b:pull,push").collect();
        assert_eq!(two.len(), 2);
        let bomb = "repository:a:pull ".repeat(100_000);
        assert_eq!(Scope::parse_list(&bomb).count(), SCOPES_MOST);
    }
}
