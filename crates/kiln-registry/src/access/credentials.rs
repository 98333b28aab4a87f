//! The `Authorization` header: Basic (RFC 7617) and Bearer (RFC 6750).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What a client says to be.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Credentials {
    /// A name, and a password or token.
    Basic { name: String, password: String },
    /// A token alone.
    Bearer(String),
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { name, .. } => write!(f, "Basic {name:?}"),
            Self::Bearer(_) => f.write_str("Bearer …"),
        }
    }
}

/// A header that is none of the two, or broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotUnderstood;

/// Longer headers are not looked at; servers refuse them before.
const LONGEST: usize = 48 * 1024;

impl Credentials {
    /// Reads the value of the header. A Basic header with neither name nor password says "nobody", as some
    /// clients do that have an empty entry in their configuration: `None`.
    pub(crate) fn parse(header: &str) -> Result<Option<Self>, NotUnderstood> {
        if header.len() > LONGEST {
            return Err(NotUnderstood);
        }
        let (scheme, value) = header.trim().split_once(' ').ok_or(NotUnderstood)?;
        let value = value.trim();
        if scheme.eq_ignore_ascii_case("bearer") {
            let good = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic());
            return match good {
                true => Ok(Some(Self::Bearer(value.to_owned()))),
                false => Err(NotUnderstood),
            };
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return Err(NotUnderstood);
        }
        let bytes = STANDARD.decode(value).map_err(|_| NotUnderstood)?;
        let text = String::from_utf8(bytes).map_err(|_| NotUnderstood)?;
        let (name, password) = text.split_once(':').ok_or(NotUnderstood)?;
        if name.is_empty() && password.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self::Basic {
            name: name.to_owned(),
            password: password.to_owned(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(text: &str) -> String {
        format!("Basic {}", STANDARD.encode(text))
    }

    #[test]
    fn both_schemes() {
        let read = Credentials::parse(&basic("ali:open:sesame"))
            .unwrap()
            .unwrap();
        assert_eq!(format!("{read:?}"), "Basic \"ali\"");
        assert_eq!(
            read,
            Credentials::Basic {
                name: "ali".into(),
                password: "open:sesame".into()
            }
        );
        let bearer = Credentials::parse("bEaReR  abc ").unwrap().unwrap();
        assert_eq!(format!("{bearer:?}"), "Bearer …");
        assert_eq!(bearer, Credentials::Bearer("abc".into()));
        assert_eq!(Credentials::parse(&basic(":")), Ok(None));
    }

    #[test]
    fn what_is_not_understood() {
        let long = format!("Bearer {}", "a".repeat(LONGEST));
        for bad in [
            "",
            "Basic",
            "Basic ",
            "Bearer ",
            "Basic !!!",
            "Digest a=b",
            &basic("no colon"),
            "Basic /w==",
            "Bearer a b",
            "Bearer a\u{7f}",
            "YWxpOng=",
            &long,
        ] {
            assert_eq!(Credentials::parse(bad), Err(NotUnderstood), "{bad:.60}");
        }
    }
}
