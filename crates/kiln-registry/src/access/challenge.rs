//! The `WWW-Authenticate` header: what a client has to do to get in.
//!
//! Docker's clients send no credentials unless they are asked to, and send a bearer token only when the
//! challenge says where to get one. So `/v2/` always answers without credentials with this, and the token
//! service gives tokens to nobody, too.

use std::fmt;

use super::scope::Scope;

/// A challenge of the Bearer scheme (RFC 6750 section 3, distribution's "Token Authentication Specification").
/// `Display` is the header's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    realm: String,
    service: String,
    scopes: Vec<Scope>,
    error: Option<&'static str>,
}

impl Challenge {
    /// Tokens of `service` are to be had at `realm`, an absolute URL.
    #[must_use]
    pub fn new(realm: impl Into<String>, service: impl Into<String>) -> Self {
        Self {
            realm: realm.into(),
            service: service.into(),
            scopes: vec![],
            error: None,
        }
    }

    /// … for this.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scopes.push(scope);
        self
    }

    /// The token that came is good but was not granted this.
    #[must_use]
    pub fn insufficient(mut self) -> Self {
        self.error = Some("insufficient_scope");
        self
    }

    /// The credentials that came are not good.
    #[must_use]
    pub fn invalid(mut self) -> Self {
        self.error = Some("invalid_token");
        self
    }
}

impl fmt::Display for Challenge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Bearer realm=\"{}\",service=\"{}\"",
            quoted(&self.realm),
            quoted(&self.service)
        )?;
        if !self.scopes.is_empty() {
            let scopes: Vec<String> = self.scopes.iter().map(Scope::to_string).collect();
            write!(f, ",scope=\"{}\"", quoted(&scopes.join(" ")))?;
        }
        match self.error {
            Some(error) => write!(f, ",error=\"{error}\""),
            None => Ok(()),
        }
    }
}

/// What may stand between quotes in a header. The realm can hold what a client sent as `Host`: nothing that could
/// end the string or the line gets through.
fn quoted(text: &str) -> String {
    text.chars()
        .filter(|c| (c.is_ascii_graphic() || *c == ' ') && !matches!(c, '"' | '\\'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges() {
        let challenge = Challenge::new("https://r.example/token", "kiln");
        assert_eq!(
            challenge.to_string(),
            "Bearer realm=\"https://r.example/token\",service=\"kiln\""
        );
        let scope = |text| Scope::parse(text).unwrap();
        let more = challenge
            .scope(scope("repository:a/b:pull,push"))
            .scope(scope("repository:c:pull"));
        assert_eq!(
            more.insufficient().to_string(),
            "Bearer realm=\"https://r.example/token\",service=\"kiln\",\
             scope=\"repository:a/b:pull,push repository:c:pull\",error=\"insufficient_scope\""
        );
    }

    #[test]
    fn nothing_gets_out_of_the_quotes() {
        let evil = Challenge::new("https://x\",evil=\"1\r\nSet-Cookie: a\\", "kiln").invalid();
        let text = evil.to_string();
        assert!(!text.contains(['\r', '\n', '\\']));
        assert_eq!(text.matches('"').count(), 6, "{text}");
    }
}
