//! What a client asks the token service for: a query or a form.
//!
//! Source: distribution's "Token Authentication Specification" (GET) and "OAuth2 Token Authentication" (POST).

use std::collections::BTreeMap;

use super::scope::{SCOPES_MOST, Scope};
use super::token_service::{TokenRefusal, wrong};

/// What a client asks the token service for. Made from a query or a form; both may repeat `scope`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenRequest {
    pub(super) service: Option<String>,
    pub(super) scopes: Vec<Scope>,
    pub(super) client: String,
    /// It wants a refresh token, to log in without the password later.
    pub(super) offline: bool,
    pub(super) grant: Grant,
}

#[derive(Clone, Default, PartialEq, Eq)]
pub(super) enum Grant {
    /// The `Authorization` header, or nobody.
    #[default]
    Header,
    Password {
        name: String,
        password: String,
    },
    Refresh(String),
    Unsupported(String),
}

impl std::fmt::Debug for Grant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Header => "Header",
            Self::Password { .. } => "Password",
            Self::Refresh(_) => "Refresh",
            Self::Unsupported(_) => "Unsupported",
        })
    }
}

/// Longest query or form. Sixty-four scopes of long names fit.
const LONGEST: usize = 48 * 1024;

impl TokenRequest {
    /// Reads a GET request's query, without the `?`.
    ///
    /// # Errors
    /// When it is too long or broken.
    pub fn from_query(query: &str) -> Result<Self, TokenRefusal> {
        let mut request = Self::default();
        for (name, value) in pairs(query)? {
            match name.as_str() {
                "service" => request.service = Some(value),
                "scope" => request.add(&value),
                "client_id" => request.client = value,
                "offline_token" => request.offline = value == "true" || value == "1",
                // `account` says again what Basic says.
                _ => {}
            }
        }
        Ok(request)
    }

    /// Reads a POST request's form.
    ///
    /// # Errors
    /// When it is too long or broken, or lacks what its grant needs.
    pub fn from_form(form: &[u8]) -> Result<Self, TokenRefusal> {
        let form = std::str::from_utf8(form).map_err(|_| wrong("the form is not UTF-8"))?;
        let mut request = Self::default();
        let mut fields = BTreeMap::new();
        for (name, value) in pairs(form)? {
            match name.as_str() {
                "service" => request.service = Some(value),
                "scope" => request.add(&value),
                "client_id" => request.client = value,
                "access_type" => request.offline = value == "offline",
                "grant_type" | "username" | "password" | "refresh_token" => {
                    fields.insert(name, value);
                }
                _ => {}
            }
        }
        let mut field = |name: &str| {
            fields
                .remove(name)
                .ok_or_else(|| wrong(format!("the form has no `{name}`")))
        };
        request.grant = match field("grant_type")?.as_str() {
            "password" => Grant::Password {
                name: field("username")?,
                password: field("password")?,
            },
            "refresh_token" => Grant::Refresh(field("refresh_token")?),
            other => Grant::Unsupported(other.chars().take(40).collect()),
        };
        Ok(request)
    }

    fn add(&mut self, list: &str) {
        let room = SCOPES_MOST.saturating_sub(self.scopes.len());
        self.scopes.extend(Scope::parse_list(list).take(room));
    }
}

/// The pairs of a query or form (WHATWG URL, `application/x-www-form-urlencoded`).
fn pairs(text: &str) -> Result<Vec<(String, String)>, TokenRefusal> {
    if text.len() > LONGEST {
        return Err(wrong("the request is too long"));
    }
    let decode =
        |part: &str| decode(part).ok_or_else(|| wrong("the request is not URL-encoded UTF-8"));
    text.split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(name)?, decode(value)?))
        })
        .collect()
}

fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high * 16 + low).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries() {
        let request = TokenRequest::from_query(
            "service=kiln&scope=repository%3Aa%2Fb%3Apull%2Cpush&scope=repository:c:pull+repository:d:pull\
             &account=ali&client_id=docker&offline_token=true",
        )
        .unwrap();
        assert_eq!(request.service.as_deref(), Some("kiln"));
        let names: Vec<_> = request
            .scopes
            .iter()
            .map(|scope| scope.name.as_str())
            .collect();
        assert_eq!(names, ["a/b", "c", "d"]);
        assert!(request.offline);
        assert_eq!(request.grant, Grant::Header);
        assert_eq!(
            TokenRequest::from_query("").unwrap(),
            TokenRequest::default()
        );
    }

    #[test]
    fn forms() {
        let form = b"grant_type=password&username=ali&password=a%26b+c&service=kiln&client_id=x&access_type=offline\
                     &scope=repository:a:pull%20repository:b:pull";
        let request = TokenRequest::from_form(form).unwrap();
        let grant = Grant::Password {
            name: "ali".into(),
            password: "a&b c".into(),
        };
        assert_eq!(
            (request.grant, request.scopes.len(), request.offline),
            (grant, 2, true)
        );
        let refresh = TokenRequest::from_form(b"grant_type=refresh_token&refresh_token=x").unwrap();
        assert_eq!(refresh.grant, Grant::Refresh("x".into()));
        assert!(!format!("{refresh:?}").contains('x'));
    }

    #[test]
    fn broken_requests() {
        let long = "a".repeat(LONGEST + 1);
        for bad in ["a=%", "a=%g0", "a=%ff", "%f", &long] {
            assert!(TokenRequest::from_query(bad).is_err(), "{bad:.20}");
        }
        for bad in [
            &b""[..],
            b"grant_type=password",
            b"grant_type=password&username=a",
            b"grant_type=refresh_token",
            b"\xff",
        ] {
            assert!(TokenRequest::from_form(bad).is_err(), "{bad:?}");
        }
        let bomb = "scope=repository:a:pull&".repeat(1_900);
        assert_eq!(
            TokenRequest::from_query(&bomb).unwrap().scopes.len(),
            SCOPES_MOST
        );
    }
}
