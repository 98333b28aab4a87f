//! What is installed: `/var/lib/dpkg/status`, and the files of `/var/lib/dpkg/status.d` that images
//! without dpkg have.
//!
//! Source: `dpkg(1)` "Package states" and `dpkg-query(1)`. A file of `status.d` is a package's `control`
//! without the field `Status`; what has one is installed.

use super::index::{InvalidPackage, Package};
use super::stanza::{Stanza, StanzaError, Stanzas};

/// An installed package, or the remains of one.
#[derive(Clone, Debug)]
pub struct Status {
    /// The package.
    pub package: Package,
    /// Its state.
    pub selection: Selection,
}

/// The three words of the field `Status`, of which the second only marks broken installations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selection {
    /// What the administrator wants.
    pub want: Want,
    /// Whether it must be installed anew.
    pub reinstall: bool,
    /// What is there.
    pub state: State,
}

/// What the administrator wants of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Nothing in particular.
    Unknown,
    /// To have it.
    Install,
    /// To keep it as it is.
    Hold,
    /// To be rid of it, but for its configuration.
    Deinstall,
    /// To be rid of all of it.
    Purge,
}

/// How far a package is installed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Not at all.
    NotInstalled,
    /// Only its configuration is there.
    ConfigFiles,
    /// Its unpacking broke off.
    HalfInstalled,
    /// Its files are there.
    Unpacked,
    /// Its configuring broke off.
    HalfConfigured,
    /// It waits for another package's triggers.
    TriggersAwaited,
    /// Its own triggers must run.
    TriggersPending,
    /// It is installed.
    Installed,
}

/// A database that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum InvalidStatus {
    /// It is not made of stanzas.
    #[error("not a package database")]
    Stanza(#[from] StanzaError),
    /// One of its packages makes no sense.
    #[error("not a package database")]
    Package(#[from] InvalidPackage),
    /// A state is not known.
    #[error("line {line}: the package `{package}` has the unknown status `{status}`")]
    Selection {
        /// The package.
        package: String,
        /// What the field says.
        status: String,
        /// Where the stanza begins.
        line: usize,
    },
}

impl Selection {
    /// Installed, and nothing else wanted.
    pub const INSTALLED: Self = Self {
        want: Want::Install,
        reinstall: false,
        state: State::Installed,
    };

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let want = match words.next()? {
            "unknown" => Want::Unknown,
            "install" => Want::Install,
            "hold" => Want::Hold,
            "deinstall" => Want::Deinstall,
            "purge" => Want::Purge,
            _ => return None,
        };
        let reinstall = match words.next()? {
            "ok" => false,
            "reinstreq" => true,
            _ => return None,
        };
        let state = match words.next()? {
            "not-installed" => State::NotInstalled,
            "config-files" => State::ConfigFiles,
            "half-installed" => State::HalfInstalled,
            "unpacked" => State::Unpacked,
            "half-configured" => State::HalfConfigured,
            "triggers-awaited" => State::TriggersAwaited,
            "triggers-pending" => State::TriggersPending,
            "installed" => State::Installed,
            _ => return None,
        };
        let is_end = words.next().is_none();
        is_end.then_some(Self {
            want,
            reinstall,
            state,
        })
    }
}

impl Status {
    /// Whether the package's files are there.
    #[must_use]
    pub fn has_files(&self) -> bool {
        self.selection.state >= State::HalfInstalled
    }

    /// Reads a whole `status` file, or one of `status.d`. Packages of which nothing is left and of which
    /// the database only knows a name are passed over, as dpkg does.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse(text: &[u8]) -> Result<Vec<Self>, InvalidStatus> {
        let stanzas = Stanzas::new(text);
        let all = stanzas.map(|stanza| Self::of(stanza?));
        all.filter_map(Result::transpose).collect()
    }

    fn of(stanza: Stanza) -> Result<Option<Self>, InvalidStatus> {
        let selection = match stanza.get("Status") {
            None => Selection::INSTALLED,
            Some(text) => Selection::parse(text).ok_or_else(|| InvalidStatus::Selection {
                package: stanza.get("Package").unwrap_or_default().to_owned(),
                status: text.chars().take(80).collect(),
                line: stanza.line(),
            })?,
        };
        if selection.state == State::NotInstalled {
            return Ok(None);
        }
        let package = Package::new(stanza)?;
        Ok(Some(Self { package, selection }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_told_apart() {
        let text = b"Package: aa\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n\n\
            Package: bb\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n\n\
            Package: cc\nStatus: purge ok not-installed\n\n\
            Package: dd\nStatus: hold reinstreq half-installed\nVersion: 1\nArchitecture: all\n\n\
            Package: ee\nVersion: 1\nArchitecture: all\n";
        let all = Status::parse(text).unwrap();
        let shown: Vec<_> = all
            .iter()
            .map(|status| (status.package.name.as_str(), status.has_files()))
            .collect();
        assert_eq!(
            shown,
            [("aa", true), ("bb", false), ("dd", true), ("ee", true)]
        );
        assert!(all[2].selection.reinstall);
        assert_eq!(all[2].selection.want, Want::Hold);
        assert_eq!(all[3].selection, Selection::INSTALLED);
    }

    #[test]
    fn unknown_states_are_errors() {
        for status in [
            "",
            "install ok",
            "install ok installed now",
            "want ok installed",
            "install no installed",
        ] {
            let text = format!("Package: aa\nStatus: {status}\nVersion: 1\nArchitecture: all\n");
            let error = Status::parse(text.as_bytes()).unwrap_err();
            assert!(
                matches!(error, InvalidStatus::Selection { .. }),
                "{status}: {error}"
            );
        }
        assert!(Status::parse(b"Package: aa\nStatus: install ok installed\n").is_err());
        assert!(Status::parse(b"").unwrap().is_empty());
    }
}
