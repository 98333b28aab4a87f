//! Bearer tokens of Docker's token flow: JSON Web Tokens (RFC 7519) signed with HMAC-SHA-256.
//!
//! The registry that gives them out is the one that reads them, so a shared key is enough and a signature costs
//! a microsecond. The key is in the database, where every replica finds it. A token says what was granted; at
//! each use that is cut down to what its account may do *now*, so that a token never outlives a right.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};

use super::scope::Scope;
use super::secret::{NoRandomness, fill, hex};

/// How long a token lives, in seconds. Clients that see less than 60 take 60 (distribution's "Token
/// Authentication Specification").
pub(crate) const LIFETIME: i64 = 300;
/// By how much clocks of replicas may differ, in seconds.
const LEEWAY: i64 = 60;
/// No longer token is looked at. One with sixty-four scopes of long names has some 40 KiB, and does not pass as
/// a header anyway.
const LONGEST: usize = 32 * 1024;

/// Whom a token stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subject {
    /// Nobody who logged in.
    Anonymous,
    /// A user, who logged in with a password.
    User,
    /// A robot account.
    Robot,
    /// A user, by the personal or refresh token with this id.
    Token(String),
}

/// What a token says (RFC 7519 section 4.1, and `access` of distribution's specification).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    /// The account's name, empty for nobody.
    pub(crate) sub: String,
    pub(crate) aud: String,
    pub(crate) exp: i64,
    pub(crate) nbf: i64,
    pub(crate) iat: i64,
    pub(crate) jti: String,
    pub(crate) access: Vec<Scope>,
    /// Ours: how the account proved itself.
    pub(crate) by: Subject,
    /// Ours: the account's epoch, which changes with its password and when it is made anew.
    pub(crate) epoch: i64,
}

#[derive(Serialize, Deserialize)]
struct Header {
    typ: String,
    alg: String,
    kid: String,
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BadToken {
    /// Not one of ours, or changed on the way.
    Forged,
    /// Ours, but over, not begun, or for another service.
    Expired,
}

/// The keys that tokens are signed with, the newest first.
#[derive(Debug, Clone)]
pub(crate) struct SigningKeys {
    keys: Vec<(String, hmac::Key)>,
}

impl SigningKeys {
    /// Takes the keys as the database has them: id and secret.
    pub(crate) fn new(keys: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let keys = keys
            .into_iter()
            .map(|(id, secret)| (id, hmac::Key::new(hmac::HMAC_SHA256, &secret)))
            .collect();
        Self { keys }
    }

    /// A new key: its id, and its secret in hexadecimal.
    pub(crate) fn generate() -> Result<(String, String), NoRandomness> {
        let (mut id, mut secret) = ([0_u8; 8], [0_u8; 32]);
        fill(&mut id)?;
        fill(&mut secret)?;
        Ok((hex(&id), hex(&secret)))
    }

    /// Signs claims with the newest key. `None` when there is no key.
    pub(crate) fn sign(&self, claims: &Claims) -> Option<String> {
        let (kid, key) = self.keys.first()?;
        let header = Header {
            typ: "JWT".into(),
            alg: "HS256".into(),
            kid: kid.clone(),
        };
        let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
        let head = part(serde_json::to_vec(&header).ok()?);
        let body = part(serde_json::to_vec(claims).ok()?);
        let signed = format!("{head}.{body}");
        let signature = hmac::sign(key, signed.as_bytes());
        Some(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// Reads a token. `now` is in seconds since 1970.
    ///
    /// Nothing of it is believed before the signature was checked but the id of the key, and the algorithm is
    /// never taken from the token: there is one.
    pub(crate) fn verify(&self, token: &str, service: &str, now: i64) -> Result<Claims, BadToken> {
        if token.len() > LONGEST {
            return Err(BadToken::Forged);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(BadToken::Forged)?;
        let (head, body) = signed.split_once('.').ok_or(BadToken::Forged)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| BadToken::Forged);
        let header: Header =
            serde_json::from_slice(&decode(head)?).map_err(|_| BadToken::Forged)?;
        let (_, key) = self
            .keys
            .iter()
            .find(|(id, _)| *id == header.kid)
            .ok_or(BadToken::Forged)?;
        hmac::verify(key, signed.as_bytes(), &decode(signature)?).map_err(|_| BadToken::Forged)?;
        let claims: Claims =
            serde_json::from_slice(&decode(body)?).map_err(|_| BadToken::Forged)?;
        let in_time = claims.nbf.saturating_sub(LEEWAY) <= now && now < claims.exp;
        match in_time && claims.aud == service {
            true => Ok(claims),
            false => Err(BadToken::Expired),
        }
    }
}

/// Whether a bearer credential looks like a JSON Web Token at all.
pub(crate) fn looks_like_token(credential: &str) -> bool {
    credential.starts_with("eyJ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(id: &str, byte: u8) -> SigningKeys {
        SigningKeys::new([(id.to_owned(), vec![byte; 32])])
    }

    fn claims() -> Claims {
        Claims {
            iss: "kiln".into(),
            sub: "ali".into(),
            aud: "registry".into(),
            exp: 1_300,
            nbf: 1_000,
            iat: 1_000,
            jti: "x".into(),
            access: vec![Scope::parse("repository:a/b:pull").unwrap()],
            by: Subject::Token("t1".into()),
            epoch: 7,
        }
    }

    #[test]
    fn tokens_are_read_back() {
        let keys = keys("k1", 1);
        let token = keys.sign(&claims()).unwrap();
        assert!(looks_like_token(&token));
        assert_eq!(keys.verify(&token, "registry", 1_000), Ok(claims()));
    }

    #[test]
    fn time_and_service_count() {
        let keys = keys("k1", 1);
        let token = keys.sign(&claims()).unwrap();
        for (now, good) in [
            (900, false),
            (940, true),
            (1_299, true),
            (1_300, false),
            (i64::MAX, false),
            (0, false),
        ] {
            assert_eq!(keys.verify(&token, "registry", now).is_ok(), good, "{now}");
        }
        assert_eq!(keys.verify(&token, "other", 1_000), Err(BadToken::Expired));
    }

    #[test]
    fn older_keys_still_verify() {
        let old = keys("k1", 1).sign(&claims()).unwrap();
        let both = SigningKeys::new([
            ("k2".to_owned(), vec![2; 32]),
            ("k1".to_owned(), vec![1; 32]),
        ]);
        assert!(both.verify(&old, "registry", 1_000).is_ok());
        let new = both.sign(&claims()).unwrap();
        assert_eq!(
            keys("k1", 1).verify(&new, "registry", 1_000),
            Err(BadToken::Forged)
        );
        assert!(SigningKeys::new([]).sign(&claims()).is_none());
    }

    #[test]
    fn forgeries() {
        let keys = keys("k1", 1);
        let token = keys.sign(&claims()).unwrap();
        let parts: Vec<&str> = token.split('.').collect();
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let more = Claims {
            sub: "admin".into(),
            ..claims()
        };
        let body = encode(&serde_json::to_string(&more).unwrap());
        let none = encode(r#"{"typ":"JWT","alg":"none","kid":"k1"}"#);
        let other_key = self::keys("k1", 2).sign(&claims()).unwrap();
        let padded = format!("{token}=");
        let long = format!("{token}{}", "A".repeat(LONGEST));
        for forged in [
            &format!("{}.{body}.{}", parts[0], parts[2]),
            &format!("{none}.{body}."),
            &format!("{none}.{}.{}", parts[1], parts[2]),
            &format!("{}.{}.", parts[0], parts[1]),
            &format!("{}.{}", parts[0], parts[1]),
            &other_key,
            &padded,
            &long,
            &"....".to_owned(),
            &"eyJ".to_owned(),
            &String::new(),
        ] {
            assert_eq!(
                keys.verify(forged, "registry", 1_000),
                Err(BadToken::Forged),
                "{forged:.200}"
            );
        }
        // Every single changed byte is noticed.
        for place in 0..token.len() {
            let mut bytes = token.clone().into_bytes();
            bytes[place] ^= 1;
            if let Ok(changed) = std::str::from_utf8(&bytes) {
                assert!(
                    keys.verify(changed, "registry", 1_000).is_err(),
                    "byte {place}"
                );
            }
        }
    }
}
