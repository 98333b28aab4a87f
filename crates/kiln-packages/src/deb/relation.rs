//! What a package says about others: `Depends`, `Conflicts`, `Provides` and their kin.
//!
//! Source: Debian Policy 7.1 (syntax) and `deb-control(5)` (architecture qualifiers).

use std::fmt;
use std::str::FromStr;

use super::version::{InvalidVersion, Version};
use super::{is_architecture, is_package_name};

/// The most bytes of a field; the longest in Debian has about 50,000.
const MAX_LENGTH: usize = 1 << 20;

/// A whole field: all of these must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Relations(pub Vec<Alternatives>);

/// One element between two commas: one of these must hold. Never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alternatives(pub Vec<Relation>);

/// A package, and perhaps which of its versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relation {
    /// The package's name, real or virtual.
    pub name: String,
    /// Which architecture of it.
    pub qualifier: Option<ArchQualifier>,
    /// Which versions.
    pub version: Option<(Operator, Version)>,
    /// Where the relation holds: architectures, `!` in front of those where it does not. Empty for
    /// everywhere. Only source packages have it.
    pub architectures: Vec<String>,
    /// Build profiles, as written between `<` and `>`. Only source packages have them.
    pub profiles: Vec<String>,
}

/// What follows a name's colon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchQualifier {
    /// `:any`: a package that allows it may have another architecture.
    Any,
    /// `:native`: the architecture of the build. Only in source packages.
    Native,
    /// This architecture.
    Named(String),
}

/// How a version is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// `<<`
    Before,
    /// `<=`, and the obsolete `<`
    BeforeOrAt,
    /// `=`
    At,
    /// `>=`, and the obsolete `>`
    AtOrAfter,
    /// `>>`
    After,
}

/// A field that breaks the grammar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRelation {
    /// The field has more bytes than are read.
    #[error("a list of relations of {length} bytes is too long")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// A piece of it makes no sense.
    #[error("`{text}` is not a relation to a package: {reason}")]
    Syntax {
        /// The piece.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The version in it is none.
    #[error("`{text}` is not a relation to a package")]
    Version {
        /// The piece.
        text: String,
        /// Why not.
        #[source]
        source: InvalidVersion,
    },
}

impl Operator {
    /// Whether `version` stands in this relation to `bound`.
    #[must_use]
    pub fn admits(self, version: &Version, bound: &Version) -> bool {
        match self {
            Self::Before => version < bound,
            Self::BeforeOrAt => version <= bound,
            Self::At => version == bound,
            Self::AtOrAfter => version >= bound,
            Self::After => version > bound,
        }
    }
}

impl Relation {
    /// Any version of `name`.
    #[must_use]
    pub fn any(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            qualifier: None,
            version: None,
            architectures: vec![],
            profiles: vec![],
        }
    }

    /// Whether a package of that name with this version will do.
    #[must_use]
    pub fn admits(&self, version: &Version) -> bool {
        let admits = |(operator, bound): &(Operator, Version)| operator.admits(version, bound);
        self.version.as_ref().is_none_or(admits)
    }

    /// Whether something that is provided under the name will do: an unversioned provision satisfies
    /// no versioned relation (Policy 7.5).
    #[must_use]
    pub fn admits_provided(&self, version: Option<&Version>) -> bool {
        match version {
            Some(version) => self.admits(version),
            None => self.version.is_none(),
        }
    }
}

impl FromStr for Relations {
    type Err = InvalidRelation;

    fn from_str(text: &str) -> Result<Self, InvalidRelation> {
        if text.len() > MAX_LENGTH {
            return Err(InvalidRelation::TooLong { length: text.len() });
        }
        let elements = text.split(',').map(str::trim);
        let elements = elements.filter(|element| !element.is_empty());
        elements.map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Alternatives {
    type Err = InvalidRelation;

    fn from_str(text: &str) -> Result<Self, InvalidRelation> {
        text.split('|')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl FromStr for Relation {
    type Err = InvalidRelation;

    fn from_str(text: &str) -> Result<Self, InvalidRelation> {
        let text = text.trim();
        let syntax = |reason| InvalidRelation::Syntax {
            text: text.chars().take(80).collect(),
            reason,
        };
        let end = text.find(|c: char| "([<".contains(c) || c.is_whitespace());
        let (whole, mut rest) = text.split_at(end.unwrap_or(text.len()));
        let (name, qualifier) = match whole.split_once(':') {
            None => (whole, None),
            Some((name, "any")) => (name, Some(ArchQualifier::Any)),
            Some((name, "native")) => (name, Some(ArchQualifier::Native)),
            Some((name, arch)) if is_architecture(arch) => {
                (name, Some(ArchQualifier::Named(arch.to_owned())))
            }
            Some(_) => return Err(syntax("what follows the colon is no architecture")),
        };
        if !is_package_name(name) {
            return Err(syntax("that is no package name"));
        }
        let mut relation = Self {
            qualifier,
            ..Self::any(name)
        };
        loop {
            rest = rest.trim_start();
            let Some(open) = rest.chars().next() else {
                return Ok(relation);
            };
            let close = match open {
                '(' => ')',
                '[' => ']',
                '<' => '>',
                _ => return Err(syntax("a comma or a `|` is missing")),
            };
            let Some((inner, after)) = rest[1..].split_once(close) else {
                return Err(syntax("a bracket is not closed"));
            };
            rest = after;
            match open {
                '(' if relation.version.is_some() => return Err(syntax("it has two versions")),
                '(' => relation.version = Some(version(inner, text)?),
                '[' => relation
                    .architectures
                    .extend(inner.split_whitespace().map(str::to_owned)),
                _ => relation.profiles.push(inner.trim().to_owned()),
            }
        }
    }
}

fn version(inner: &str, text: &str) -> Result<(Operator, Version), InvalidRelation> {
    let inner = inner.trim();
    let end = inner
        .find(|c: char| !"<>=".contains(c))
        .unwrap_or(inner.len());
    let (operator, version) = inner.split_at(end);
    let operator = match operator {
        "<<" => Operator::Before,
        "<=" | "<" => Operator::BeforeOrAt,
        // dpkg takes a version without an operator as this.
        "=" | "" => Operator::At,
        ">=" | ">" => Operator::AtOrAfter,
        ">>" => Operator::After,
        _ => {
            return Err(InvalidRelation::Syntax {
                text: text.to_owned(),
                reason: "there is no such operator",
            });
        }
    };
    let version = version
        .trim()
        .parse()
        .map_err(|source| InvalidRelation::Version {
            text: text.to_owned(),
            source,
        })?;
    Ok((operator, version))
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "<<",
            Self::BeforeOrAt => "<=",
            Self::At => "=",
            Self::AtOrAfter => ">=",
            Self::After => ">>",
        })
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match &self.qualifier {
            None => {}
            Some(ArchQualifier::Any) => f.write_str(":any")?,
            Some(ArchQualifier::Native) => f.write_str(":native")?,
            Some(ArchQualifier::Named(name)) => write!(f, ":{name}")?,
        }
        if let Some((operator, version)) = &self.version {
            write!(f, " ({operator} {version})")?;
        }
        if !self.architectures.is_empty() {
            write!(f, " [{}]", self.architectures.join(" "))?;
        }
        self.profiles
            .iter()
            .try_for_each(|profile| write!(f, " <{profile}>"))
    }
}

impl fmt::Display for Alternatives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.0, " | ")
    }
}

impl fmt::Display for Relations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        joined(f, &self.0, ", ")
    }
}

fn joined<T: fmt::Display>(f: &mut fmt::Formatter<'_>, list: &[T], between: &str) -> fmt::Result {
    for (at, item) in list.iter().enumerate() {
        if at > 0 {
            f.write_str(between)?;
        }
        item.fmt(f)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_and_written() {
        for text in [
            "libc6 (>= 2.36), libgcc-s1 (>= 3.0)",
            "debconf (>= 0.5) | debconf-2.0",
            "python3:any, perl:amd64 (<< 5.40~), gcc (= 4:12.2.0-3)",
            "libfoo-dev [amd64 !arm64] <!nocheck> <cross>",
            "",
        ] {
            let relations: Relations = text.parse().unwrap();
            assert_eq!(relations.to_string(), text);
        }
        let loose: Relations = "\n a(>=1)|b , ,c( << 2 ),\n".parse_loose();
        assert_eq!(loose.to_string(), "aa (>= 1) | bb, cc (<< 2)");
    }

    trait Loose {
        fn parse_loose(&self) -> Relations;
    }

    impl Loose for str {
        /// One-letter names are none; doubled, they are.
        fn parse_loose(&self) -> Relations {
            let doubled = self
                .replace('a', "aa")
                .replace('b', "bb")
                .replace('c', "cc");
            doubled.parse().unwrap()
        }
    }

    #[test]
    fn versions_are_admitted() {
        let admits = |relation: &str, version: &str| {
            let relation: Relation = relation.parse().unwrap();
            relation.admits(&version.parse().unwrap())
        };
        assert!(admits("xx", "1"));
        assert!(admits("xx (>= 1)", "1"));
        assert!(!admits("xx (>> 1)", "1~"));
        assert!(admits("xx (<< 1)", "1~"));
        assert!(!admits("xx (= 1)", "1-1"));
        let versioned: Relation = "xx (>= 1)".parse().unwrap();
        assert!(!versioned.admits_provided(None));
        assert!(versioned.admits_provided(Some(&"2".parse().unwrap())));
        assert!(Relation::any("xx").admits_provided(None));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "x",
            "Foo",
            "foo bar",
            "foo (>= 1",
            "foo (>< 1)",
            "foo (>= )",
            "foo (>= 1) (<< 2)",
            "foo |",
            "| foo",
            "../../etc/passwd",
            "foo:BAR",
            "foo (>= a b)",
            "foo [amd64",
        ] {
            assert!(text.parse::<Relations>().is_err(), "{text}");
        }
        let long = "ab,".repeat(MAX_LENGTH);
        assert!(matches!(
            long.parse::<Relations>(),
            Err(InvalidRelation::TooLong { .. })
        ));
    }
}
