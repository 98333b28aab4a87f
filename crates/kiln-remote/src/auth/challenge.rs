//! `WWW-Authenticate`: how a registry wants to be told who asks.
//!
//! Source: RFC 9110 section 11.6.1 for the grammar, RFC 6750 section 3 for Bearer, and the distribution project's
//! "Token Authentication Specification" for `realm`, `service` and `scope`.

/// One way to prove who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from a token server.
    Bearer {
        /// The token server's URL.
        realm: String,
        /// The registry's name at the token server.
        service: Option<String>,
        /// What the token must allow, by the registry's own account.
        scopes: Vec<String>,
    },
}

impl Challenge {
    /// The best of the challenges in these fields: Bearer before Basic. Schemes that are not known are passed over.
    pub(crate) fn choose<'a>(fields: impl Iterator<Item = &'a str>) -> Option<Self> {
        let mut basic = None;
        for (scheme, parameters) in fields.take(10).flat_map(parse) {
            let get = |name: &str| {
                let mut found = parameters
                    .iter()
                    .filter(|(key, _)| key.eq_ignore_ascii_case(name));
                found.next().map(|(_, value)| value.clone())
            };
            if scheme.eq_ignore_ascii_case("bearer") {
                let Some(realm) = get("realm") else { continue };
                let scopes = get("scope").unwrap_or_default();
                return Some(Self::Bearer {
                    realm,
                    service: get("service").filter(|service| !service.is_empty()),
                    scopes: scopes.split_whitespace().map(str::to_owned).collect(),
                });
            }
            if scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Self::Basic);
            }
        }
        basic
    }
}

type Parameters = Vec<(String, String)>;

/// All challenges of a field: `Scheme key=value, key="value", Scheme …`.
fn parse(field: &str) -> Vec<(String, Parameters)> {
    let mut challenges: Vec<(String, Parameters)> = Vec::new();
    let mut rest = field.trim_start();
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c == ',' || c.is_ascii_whitespace());
        let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
        let after = after.trim_start();
        if let Some(value) = after.strip_prefix('=').filter(|_| !word.is_empty()) {
            let (value, after) = value_of(value.trim_start());
            if let Some((_, parameters)) = challenges.last_mut() {
                parameters.push((word.to_owned(), value));
            }
            rest = after;
        } else {
            if !word.is_empty() {
                challenges.push((word.to_owned(), Vec::new()));
            }
            // A stray sign must not stop the loop.
            rest = if word.is_empty() {
                after.get(1..).unwrap_or_default()
            } else {
                after
            };
        }
        rest = rest.trim_start_matches([',', ' ', '\t']);
    }
    challenges
}

/// A token or a quoted string at the beginning of `text`, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut letters = quoted.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(letters.next().map(|(_, letter)| letter)),
            letter => value.push(letter),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(field: &str) -> Option<Challenge> {
        Challenge::choose([field].into_iter())
    }

    #[test]
    fn dockers_challenge_is_read() {
        let field = r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:a/b:pull repository:c:pull,push""#;
        let Some(Challenge::Bearer {
            realm,
            service,
            scopes,
        }) = choose(field)
        else {
            panic!("no Bearer challenge");
        };
        assert_eq!(realm, "https://auth.docker.io/token");
        assert_eq!(service.as_deref(), Some("registry.docker.io"));
        assert_eq!(scopes, ["repository:a/b:pull", "repository:c:pull,push"]);
    }

    #[test]
    fn bearer_is_preferred_wherever_it_stands() {
        for field in [
            r#"Basic realm="x", Bearer realm=https://t"#,
            r#"bearer  REALM = "https://t" , error="invalid_token", Basic"#,
            r#"Negotiate, Basic realm="a \" Bearer", Bearer realm="https://t""#,
        ] {
            assert!(
                matches!(choose(field), Some(Challenge::Bearer { realm, .. }) if realm == "https://t"),
                "{field}"
            );
        }
        assert_eq!(
            choose(r#"Digest qop=auth, Basic realm="r""#),
            Some(Challenge::Basic)
        );
    }

    #[test]
    fn nonsense_is_no_challenge() {
        for field in [
            "",
            ",,,",
            "=",
            "Bearer",
            "Bearer service=x",
            "\"",
            "Bearer =\"",
            "Digest realm=x",
            "ü=ü",
        ] {
            assert_eq!(choose(field), None, "{field}");
        }
    }
}
